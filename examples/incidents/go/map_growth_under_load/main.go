// SPDX-License-Identifier: Apache-2.0

// Maps of half a million sessions grow while they are filled; the twin gives them their size.
package main

import (
	"incidents/internal/capture"
)

const (
	sessions = 500_000
	maps     = 8
)

var keep []map[uint64]uint64

//go:noinline
func serve(table map[uint64]uint64) {
	for i := uint64(0); i < sessions; i++ {
		table[i*0x9E3779B97F4A7C15] = i // growth here
	}
}

func main() {
	run := capture.Start(capture.Options{CPU: true, MemProfileRate: 1 << 14})
	for i := 0; i < maps; i++ {
		table := map[uint64]uint64{}
		if run.Good {
			table = make(map[uint64]uint64, sessions)
		}
		serve(table)
		keep = append(keep, table)
	}
	run.Heap("heap")
	run.Done(capture.Truth{"detector": "go-map-growth-under-load", "entries": maps * sessions})
}
