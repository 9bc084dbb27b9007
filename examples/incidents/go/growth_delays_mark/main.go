// SPDX-License-Identifier: Apache-2.0

// A slice of 112 MB grows while the collector marks: marking is done long before the copy is. The twin
// does not grow.
package main

import (
	"runtime"
	"runtime/debug"
	"time"

	"incidents/internal/capture"
)

const (
	numbers = 14 << 20
	rounds  = 3
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
	list := make([]uint64, numbers)
	for i := 0; i < len(list); i += 512 {
		list[i] = uint64(i)
	}
	for i := 0; i < rounds; i++ {
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
