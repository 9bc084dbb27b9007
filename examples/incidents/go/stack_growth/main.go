// SPDX-License-Identifier: Apache-2.0

// Fresh goroutines recurse two thousand frames deep, and each grows its stack anew; the twin walks with a list.
package main

import (
	"sync"
	"time"

	"incidents/internal/capture"
)

const depth = 2000

var sum int

//go:noinline
func walk(n int) int { // growth here
	var frame [256]byte
	frame[n&255] = 1
	if n == 0 {
		return int(frame[0])
	}
	return walk(n-1) + int(frame[n&255])
}

//go:noinline
func walkGood(n int) int {
	todo := make([]int, 0, n)
	for i := 0; i < n; i++ {
		todo = append(todo, i)
	}
	total := 0
	for _, one := range todo {
		total += one & 1
	}
	return total
}

func main() {
	run := capture.Start(capture.Options{CPU: true})
	goroutines := 0
	capture.For(1500*time.Millisecond, func(pass int) {
		var wait sync.WaitGroup
		for i := 0; i < 8; i++ {
			wait.Add(1)
			goroutines++
			go func() {
				defer wait.Done()
				if run.Good {
					walkGood(depth)
				} else {
					walk(depth)
				}
			}()
		}
		wait.Wait()
	})
	run.Done(capture.Truth{"detector": "go-stack-growth", "goroutines": goroutines})
}
