// SPDX-License-Identifier: Apache-2.0

// Each of forty thousand passes defers the release of a kilobyte; the twin releases it at the end of its pass.
package main

import "incidents/internal/capture"

const (
	passes    = 40_000
	dataBytes = 1024
)

var released int

func release(data []byte) { released += len(data) }

//go:noinline
func process(run *capture.Run) {
	for i := 0; i < passes; i++ {
		data := make([]byte, dataBytes)
		data[0] = byte(i)
		defer func() { release(data) }() // growth here
	}
	look(run)
}

//go:noinline
func processGood(run *capture.Run) {
	for i := 0; i < passes; i++ {
		func() {
			data := make([]byte, dataBytes)
			data[0] = byte(i)
			defer func() { release(data) }()
		}()
	}
	look(run)
}

// What is left when the last pass is done, and the function has not yet returned.
func look(run *capture.Run) {
	run.Heap("heap")
	run.Goroutines("goroutine")
	run.HeapDump()
}

func main() {
	run := capture.Start(capture.Options{MemProfileRate: 1})
	wasted := 0
	if run.Good {
		processGood(run)
	} else {
		process(run)
		wasted = passes * dataBytes
	}
	run.Done(capture.Truth{"detector": "go-defer-in-loop", "wasted_bytes": wasted, "growths": passes})
}
