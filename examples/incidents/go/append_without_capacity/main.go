// SPDX-License-Identifier: Apache-2.0

// Three slices of two million records, grown by append; the twin makes them with their capacity.
package main

import "incidents/internal/capture"

type record struct{ a, b, c uint64 }

const (
	records     = 2_000_000
	recordBytes = 24
)

var (
	keep            [][]record
	growths, wasted int
)

//go:noinline
func load(n int) []record {
	var list []record
	for i := 0; i < n; i++ {
		before := cap(list)
		list = append(list, record{a: uint64(i)}) // growth here
		if cap(list) != before {
			growths++
			wasted += before * recordBytes
		}
	}
	return list
}

//go:noinline
func loadGood(n int) []record {
	list := make([]record, 0, n)
	for i := 0; i < n; i++ {
		list = append(list, record{a: uint64(i)})
	}
	return list
}

func main() {
	run := capture.Start(capture.Options{MemProfileRate: 1, GCTrace: true})
	for i := 0; i < 3; i++ {
		if run.Good {
			keep = append(keep, loadGood(records))
		} else {
			keep = append(keep, load(records))
		}
	}
	run.Heap("heap")
	run.Done(capture.Truth{"detector": "go-append-without-capacity", "wasted_bytes": wasted, "growths": growths})
}
