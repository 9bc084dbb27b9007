// SPDX-License-Identifier: Apache-2.0
//
// A bit of everything that a trace can hold: assists, stops of several kinds, a lock, system calls,
// regions, tasks, goroutines that come and go, CPU samples.
package main

import (
	"context"
	"flag"
	"os"
	"runtime"
	"runtime/pprof"
	"runtime/trace"
	"sync"
	"time"
)

type node struct {
	next *node
	data [6]int
}

var keep [8]*node
var grown []int

func handler(ctx context.Context, i int, lock *sync.Mutex, until time.Time) {
	for n := 0; time.Now().Before(until); n++ {
		trace.WithRegion(ctx, "work", func() {
			var list *node
			for k := 0; k < 2000; k++ {
				list = &node{next: list}
			}
			keep[i%8] = list
		})
		lock.Lock()
		grown = append(grown, n)
		if len(grown) > 1<<20 {
			grown = nil
		}
		lock.Unlock()
		if n%16 == 0 {
			done := make(chan bool)
			go func() {
				os.Getwd()
				_, task := trace.NewTask(ctx, "look")
				trace.Log(ctx, "key", "value")
				task.End()
				close(done)
			}()
			<-done
		}
	}
}

func main() {
	seconds := flag.Float64("seconds", 1.5, "how long")
	out := flag.String("o", "busy.trace", "where the trace goes")
	flag.Parse()
	file, err := os.Create(*out)
	if err != nil {
		panic(err)
	}
	null, _ := os.Create(os.DevNull)
	pprof.StartCPUProfile(null)
	if err := trace.Start(file); err != nil {
		panic(err)
	}
	until := time.Now().Add(time.Duration(*seconds * float64(time.Second)))
	var lock sync.Mutex
	var all sync.WaitGroup
	for i := 0; i < 8; i++ {
		all.Add(1)
		go func() {
			defer all.Done()
			handler(context.Background(), i, &lock, until)
		}()
	}
	for time.Now().Before(until) {
		time.Sleep(50 * time.Millisecond)
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		pprof.Lookup("goroutine").WriteTo(null, 0)
	}
	runtime.GC()
	runtime.GOMAXPROCS(3)
	all.Wait()
	trace.Stop()
	pprof.StopCPUProfile()
	file.Close()
}
