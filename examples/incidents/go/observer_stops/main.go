// SPDX-License-Identifier: Apache-2.0

// A metrics loop reads MemStats two hundred times a second; the twin reads runtime/metrics.
package main

import (
	"runtime"
	"runtime/metrics"
	"time"

	"incidents/internal/capture"
)

const reads = 200

var total uint64

//go:noinline
func report() {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats) // growth here
	total += stats.HeapAlloc
}

//go:noinline
func reportGood() {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	total += sample[0].Value.Uint64()
}

func main() {
	run := capture.Start(capture.Options{Trace: true})
	for i := 0; i < reads; i++ {
		if run.Good {
			reportGood()
		} else {
			report()
		}
		time.Sleep(5 * time.Millisecond)
	}
	stops := reads
	if run.Good {
		stops = 0
	}
	run.Done(capture.Truth{"detector": "go-observer-stops", "events": stops})
}
