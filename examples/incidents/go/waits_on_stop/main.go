// SPDX-License-Identifier: Apache-2.0

// Sixty-four callers wait for one server, and the server stands still with the world whenever a copy of 96 MB holds
// up a collection. The twin copies nothing.
package main

import (
	"runtime"
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
	over atomic.Bool
	sink uint64
)

//go:noinline
func ask(requests chan chan int) int {
	reply := make(chan int)
	requests <- reply
	return <-reply // growth here
}

//go:noinline
func disturb(begin chan<- bool) {
	list := make([]uint64, numbers)
	for i := 0; i < len(list); i += 512 {
		list[i] = uint64(i)
	}
	begin <- true
	list = append(list, 1)
	sink += list[len(list)-1]
}

func main() {
	run := capture.Start(capture.Options{Trace: true, CPU: true})
	requests := make(chan chan int, callers)
	go func() {
		for reply := range requests {
			reply <- 1
		}
	}()
	var wait sync.WaitGroup
	for i := 0; i < callers; i++ {
		wait.Add(1)
		go func() {
			defer wait.Done()
			for !over.Load() {
				sum := ask(requests)
				time.Sleep(time.Duration(sum) * time.Millisecond)
			}
		}()
	}
	begin := make(chan bool)
	go func() {
		for range begin {
			time.Sleep(3 * time.Millisecond) // the copy has begun by now
			runtime.GC()
		}
	}()
	for i := 0; i < rounds; i++ {
		if run.Good {
			begin <- true
		} else {
			disturb(begin)
		}
		time.Sleep(50 * time.Millisecond)
	}
	over.Store(true)
	wait.Wait()
	run.Done(capture.Truth{"detector": "go-waits-on-stop"})
}
