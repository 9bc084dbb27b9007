// SPDX-License-Identifier: Apache-2.0

// A slice of 96 MB grows while the collector marks: marking is done long before the copy is. The twin
// does not grow.
package main

import (
	"runtime"
	"runtime/debug"
	"time"

	"incidents/internal/capture"
)

const (
	numbers = 12 << 20
	rounds  = 2
)

var (
	nodes any
	sink  uint64
)

//go:noinline
func grow(list []uint64) {
	list = append(list, 1) // growth here
	sink += list[len(list)-1]
}

func main() {
	run := capture.Start(capture.Options{Trace: true, CPU: true, GCTrace: true, MemProfileRate: 1 << 16})
	debug.SetGCPercent(-1)
	nodes = capture.Nodes(100_000) // some milliseconds of marking, in which the copy begins
	for i := 0; i < rounds; i++ {
		list := make([]uint64, numbers)
		for j := 0; j < len(list); j += 512 {
			list[j] = uint64(j)
		}
		collected := make(chan bool)
		go func() {
			runtime.GC()
			close(collected)
		}()
		time.Sleep(time.Millisecond)
		if !run.Good {
			grow(list)
		}
		<-collected
	}
	run.Stop()
	run.Heap("heap")
	run.Done(capture.Truth{"detector": "go-growth-delays-mark", "rounds": rounds})
}
