// SPDX-License-Identifier: Apache-2.0

// A program that tidies up by itself: thirty collections nobody needed. The twin leaves it to the runtime.
package main

import (
	"runtime"
	"time"

	"incidents/internal/capture"
)

const passes = 30

var sink []byte

//go:noinline
func tidy() {
	runtime.GC() // growth here
}

func main() {
	run := capture.Start(capture.Options{Trace: true, GCTrace: true})
	for i := 0; i < passes; i++ {
		for j := 0; j < 100; j++ {
			sink = make([]byte, 1000)
		}
		if !run.Good {
			tidy()
		}
		time.Sleep(5 * time.Millisecond)
	}
	forced := passes
	if run.Good {
		forced = 0
	}
	run.Done(capture.Truth{"detector": "go-forced-gc", "events": forced})
}
