// SPDX-License-Identifier: Apache-2.0

// Sixty-four callers wait for one server, and the server stands still with the world, because the copy of a
// slice of 96 MB holds up a collection. The twin copies nothing.
package main

import (
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"incidents/internal/capture"
)

const (
	callers = 64
	numbers = 12 << 20
	rounds  = 3
)

var (
	asked atomic.Int64
	sink  uint64
)

//go:noinline
func ask(requests chan<- chan int) int {
	reply := make(chan int, 1)
	requests <- reply
	asked.Add(1)
	return <-reply // growth here
}

func serve(requests <-chan chan int) {
	for reply := range requests {
		time.Sleep(500 * time.Microsecond) // what an answer takes
		reply <- 1
	}
}

//go:noinline
func disturb(begin chan<- bool, list []uint64) {
	begin <- true
	list = append(list, 1)
	sink += list[len(list)-1]
}

func main() {
	run := capture.Start(capture.Options{Trace: true, CPU: true})
	debug.SetGCPercent(-1) // only the collections that are asked for below
	requests := make(chan chan int, callers)
	go serve(requests)
	begin := make(chan bool)
	go func() {
		for range begin {
			time.Sleep(2 * time.Millisecond) // the copy has begun by now
			runtime.GC()
		}
	}()
	for i := 0; i < rounds; i++ {
		list := make([]uint64, numbers)
		for j := 0; j < len(list); j += 512 {
			list[j] = uint64(j)
		}
		var wait sync.WaitGroup
		for j := 0; j < callers; j++ {
			wait.Add(1)
			go func() {
				defer wait.Done()
				ask(requests)
			}()
		}
		for asked.Load() < int64((i+1)*callers) {
			time.Sleep(100 * time.Microsecond)
		}
		if run.Good {
			begin <- true
		} else {
			disturb(begin, list)
		}
		wait.Wait()
	}
	run.Done(capture.Truth{"detector": "go-waits-on-stop"})
}
