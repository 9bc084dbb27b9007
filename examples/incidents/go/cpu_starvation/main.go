// SPDX-License-Identifier: Apache-2.0

// Eight threads for each processor spin, and collections have to stop them all. The twin has as many threads as
// processors, and one that spins.
package main

import (
	"runtime"
	"sync/atomic"
	"time"

	"incidents/internal/capture"
)

var (
	sink []byte
	over atomic.Bool
	spun atomic.Uint64
)

//go:noinline
func spin() {
	for !over.Load() {
		spun.Add(1)
	}
}

func main() {
	spinners := 1
	run := capture.Start(capture.Options{Trace: true})
	if !run.Good {
		spinners = 8 * runtime.NumCPU()
		runtime.GOMAXPROCS(spinners)
	}
	for i := 0; i < spinners; i++ {
		go spin()
	}
	capture.For(1500*time.Millisecond, func(int) {
		for i := 0; i < 1000; i++ {
			sink = make([]byte, 10_000)
		}
		time.Sleep(time.Millisecond)
	})
	over.Store(true)
	run.Done(capture.Truth{"detector": "go-cpu-starvation"})
}
