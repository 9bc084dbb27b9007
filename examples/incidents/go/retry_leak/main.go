// SPDX-License-Identifier: Apache-2.0

// Callers give up after two milliseconds and try again; the work they began waits to answer for ever. The twin's
// channel has room for the answer.
package main

import (
	"sync"
	"time"

	"incidents/internal/capture"
)

const (
	callers = 32
	tries   = 20
)

func slow() error {
	time.Sleep(30 * time.Millisecond)
	return nil
}

//go:noinline
func call(done chan error) bool {
	go func() { done <- slow() }() // growth here
	select {
	case <-done:
		return true
	case <-time.After(2 * time.Millisecond):
		return false
	}
}

func main() {
	run := capture.Start(capture.Options{Trace: true})
	run.Goroutines("goroutine.1")
	var wait sync.WaitGroup
	for i := 0; i < callers; i++ {
		wait.Add(1)
		go func() {
			defer wait.Done()
			for try := 0; try < tries; try++ {
				done := make(chan error)
				if run.Good {
					done = make(chan error, 1)
				}
				if call(done) {
					return
				}
			}
		}()
	}
	wait.Wait()
	time.Sleep(100 * time.Millisecond)
	run.Goroutines("goroutine.2")
	leaked := callers * tries
	if run.Good {
		leaked = 0
	}
	run.Done(capture.Truth{"detector": "go-retry-leak", "events": leaked})
}
