// SPDX-License-Identifier: Apache-2.0
//
// Pairs of goroutines that talk without pause: the most events a second that a program can trace.
package main

import (
	"flag"
	"os"
	"runtime/trace"
	"sync"
	"time"
)

func main() {
	seconds := flag.Float64("seconds", 10, "how long to talk")
	goroutines := flag.Int("goroutines", 64, "half of them ask, half answer")
	out := flag.String("o", "chatty.trace", "where the trace goes")
	flag.Parse()
	file, err := os.Create(*out)
	if err != nil {
		panic(err)
	}
	if err := trace.Start(file); err != nil {
		panic(err)
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for i := 0; i < *goroutines/2; i++ {
		a, b := make(chan int), make(chan int)
		wg.Add(2)
		go func() {
			defer wg.Done()
			for n := 0; ; n++ {
				select {
				case a <- n:
				case <-stop:
					return
				}
				select {
				case <-b:
				case <-stop:
					return
				}
			}
		}()
		go func() {
			defer wg.Done()
			var keep [][]byte
			for {
				select {
				case n := <-a:
					if n%64 == 0 {
						keep = append(keep, make([]byte, 512))
						if len(keep) > 1000 {
							keep = nil
						}
					}
				case <-stop:
					return
				}
				select {
				case b <- 1:
				case <-stop:
					return
				}
			}
		}()
	}
	time.Sleep(time.Duration(*seconds * float64(time.Second)))
	close(stop)
	wg.Wait()
	trace.Stop()
	file.Close()
}
