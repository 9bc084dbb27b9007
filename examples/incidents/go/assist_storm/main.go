// SPDX-License-Identifier: Apache-2.0

// Eight workers allocate nodes while half a million others must be marked. The twin reuses its nodes.
package main

import (
	"runtime/debug"
	"sync"
	"time"

	"incidents/internal/capture"
)

type node struct {
	next *node
	pad  [14]uint64
}

var nodes any

//go:noinline
func work(last *node) *node {
	return &node{next: last} // growth here
}

//go:noinline
func workGood(last *node) *node {
	last.pad[0]++
	return last
}

func main() {
	run := capture.Start(capture.Options{Trace: true, GCTrace: true})
	debug.SetGCPercent(-1)
	nodes = capture.Nodes(500_000)
	debug.SetGCPercent(25)
	var wait sync.WaitGroup
	for i := 0; i < 8; i++ {
		wait.Add(1)
		go func() {
			defer wait.Done()
			last := &node{}
			capture.For(1200*time.Millisecond, func(pass int) {
				for j := 0; j < 200; j++ {
					if run.Good {
						last = workGood(last)
					} else if j%100 == 0 {
						last = work(nil)
					} else {
						last = work(last)
					}
				}
			})
		}()
	}
	wait.Wait()
	run.Metrics()
	run.Done(capture.Truth{"detector": "go-assist-storm"})
}
