// SPDX-License-Identifier: Apache-2.0

// A map of two and a half million pointers; the twin holds the values themselves.
package main

import (
	"runtime"

	"incidents/internal/capture"
)

type user struct{ id, visits uint64 }

const users = 2_500_000

var (
	pointers = map[uint64]*user{}
	values   = map[uint64]user{}
)

//go:noinline
func fill() {
	for i := uint64(0); i < users; i++ {
		one := &user{id: i}
		pointers[i*0x9E3779B97F4A7C15] = one // growth here
	}
}

//go:noinline
func fillGood() {
	for i := uint64(0); i < users; i++ {
		values[i*0x9E3779B97F4A7C15] = user{id: i}
	}
}

func main() {
	run := capture.Start(capture.Options{GCTrace: true, MemProfileRate: 1 << 16})
	if run.Good {
		fillGood()
	} else {
		fill()
	}
	runtime.GC()
	run.Heap("heap")
	run.Done(capture.Truth{"detector": "go-pointer-map", "entries": users})
	runtime.KeepAlive(pointers)
	runtime.KeepAlive(values)
}
