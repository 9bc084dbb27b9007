// SPDX-License-Identifier: Apache-2.0

// Eight writers put batches into one slice behind a lock; when it grows, all of them wait for the copy.
// The twin's slice has its capacity.
package main

import (
	"sync"

	"incidents/internal/capture"
)

type entry struct{ key, value uint64 }

const (
	writers = 8
	batches = 200
	batch   = 4000
)

var (
	lock    sync.Mutex
	entries []entry
	growths int
)

//go:noinline
func put(writer, from uint64) {
	lock.Lock()
	defer lock.Unlock()
	before := cap(entries)
	for i := uint64(0); i < batch; i++ {
		entries = append(entries, entry{writer, from + i}) // growth here
	}
	if cap(entries) != before {
		growths++
	}
}

func main() {
	run := capture.Start(capture.Options{Trace: true, CPU: true, MemProfileRate: 1})
	if run.Good {
		entries = make([]entry, 0, writers*batches*batch)
	}
	var wait sync.WaitGroup
	for w := uint64(0); w < writers; w++ {
		wait.Add(1)
		go func() {
			defer wait.Done()
			for b := uint64(0); b < batches; b++ {
				put(w, b*batch)
			}
		}()
	}
	wait.Wait()
	run.Stop()
	run.Heap("heap")
	run.Done(capture.Truth{"detector": "go-growth-under-lock", "growths": growths})
}
