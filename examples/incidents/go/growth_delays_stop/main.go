// SPDX-License-Identifier: Apache-2.0

// One element is appended to a slice of 96 MB while a collection wants to stop the world. The twin keeps
// its numbers in blocks of a megabyte.
package main

import (
	"runtime"
	"runtime/debug"
	"time"

	"incidents/internal/capture"
)

const (
	numbers = 12 << 20
	block   = 1 << 17
	rounds  = 3
)

var sink uint64

//go:noinline
func grow(begin chan<- bool) {
	list := make([]uint64, numbers)
	for i := 0; i < len(list); i += 512 {
		list[i] = uint64(i)
	}
	begin <- true
	list = append(list, 1) // growth here
	sink += list[len(list)-1]
}

//go:noinline
func growGood(begin chan<- bool) {
	var blocks [][]uint64
	begin <- true
	for i := 0; i < numbers/block; i++ {
		blocks = append(blocks, make([]uint64, block))
	}
	sink += blocks[0][0]
}

func main() {
	run := capture.Start(capture.Options{Trace: true, CPU: true, GCTrace: true, MemProfileRate: 1 << 16})
	debug.SetGCPercent(-1)
	begin := make(chan bool)
	collected := make(chan bool)
	go func() {
		for range begin {
			time.Sleep(3 * time.Millisecond) // the copy has begun by now
			runtime.GC()
			collected <- true
		}
	}()
	for i := 0; i < rounds; i++ {
		if run.Good {
			growGood(begin)
		} else {
			grow(begin)
		}
		<-collected
	}
	run.Stop()
	run.Heap("heap")
	run.Done(capture.Truth{"detector": "go-growth-delays-stop", "rounds": rounds})
}
