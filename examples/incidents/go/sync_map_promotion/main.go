// SPDX-License-Identifier: Apache-2.0

// New keys and Range take turns on a sync.Map: until Go 1.23 each turn copies all keys. The twin has a map
// behind a lock.
package main

import (
	"sync"

	"incidents/internal/capture"
)

const (
	keys  = 20_000
	turns = 100 // keys between two calls of Range
)

var (
	seen  sync.Map
	lock  sync.RWMutex
	plain = map[int]int{}
	sum   int
)

//go:noinline
func remember(key int) {
	seen.Store(key, key) // growth here
}

//go:noinline
func rememberGood(key int) {
	lock.Lock()
	defer lock.Unlock()
	plain[key] = key
}

func main() {
	run := capture.Start(capture.Options{CPU: true, MemProfileRate: 1 << 14})
	for key := 0; key < keys; key++ {
		if run.Good {
			rememberGood(key)
		} else {
			remember(key)
		}
		if key%turns == 0 && !run.Good {
			seen.Range(func(_, value any) bool {
				sum += value.(int)
				return true
			})
		}
	}
	run.Heap("heap")
	run.Done(capture.Truth{"detector": "go-sync-map-promotion"})
}
