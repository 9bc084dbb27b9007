// SPDX-License-Identifier: Apache-2.0

// Answers are remembered and never forgotten; the twin forgets the oldest.
package main

import (
	"fmt"
	"time"

	"incidents/internal/capture"
)

const (
	answers     = 60_000
	answerBytes = 1024
	bound       = 4_000
	profiles    = 4
)

var known = make(map[int][]byte, answers)

//go:noinline
func answer(id int) []byte {
	text := make([]byte, answerBytes) // growth here
	text[0] = byte(id)
	return text
}

func main() {
	run := capture.Start(capture.Options{GCTrace: true, MemProfileRate: 4096})
	for i := 0; i < answers; i++ {
		known[i] = answer(i)
		if run.Good {
			delete(known, i-bound)
		}
		if (i+1)%(answers/profiles) == 0 {
			run.Heap(fmt.Sprintf("heap.%d", (i+1)/(answers/profiles)))
			time.Sleep(100 * time.Millisecond)
		}
	}
	wasted := answers * answerBytes * (profiles - 1) / profiles
	if run.Good {
		wasted = 0
	}
	run.Done(capture.Truth{"detector": "go-unbounded-growth", "wasted_bytes": wasted})
}
