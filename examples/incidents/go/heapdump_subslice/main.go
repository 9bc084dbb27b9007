// SPDX-License-Identifier: Apache-2.0

// heapdump_subslice: small views that keep large buffers alive, and the twin that copies them.
//
//	go run . -bad -dump bad.dump     # 20 buffers of 1 MiB, 64 bytes of each are used
//	go run . -good -dump good.dump   # the same, cloned
//	ullage diagnose bad.dump
//
// Prints a line for each view: how it is held, its offset, length and capacity in its buffer.
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
)

type record struct {
	id   int
	body []byte
	name string
}

var (
	views  [][]byte           // elements of a slice
	byID   = map[int]record{} // values of a map
	names  []string           // substrings
	last   *record            // a field of an object
	global []byte             // a variable
)

// A buffer as it came from the network, full of something.
func receive(size int) []byte {
	buffer := make([]byte, size)
	for i := range buffer {
		buffer[i] = 'a' + byte(i%7)
	}
	return buffer
}

func cloneBytes(b []byte) []byte  { return append([]byte(nil), b...) }
func cloneString(s string) string { return string([]byte(s)) }

func plant(count, size, reach int, good bool) {
	for i := 0; i < count; i++ {
		buffer := receive(size)
		offset := (i*size/count + 24) &^ 7
		view := buffer[offset : offset+reach]
		how, capacity := "slice", cap(view)
		text := ""
		switch {
		case i%5 == 1:
			how, view = "clipped", buffer[offset:offset+reach:offset+reach]
			capacity = cap(view)
		case i%5 == 2:
			how, text = "string", string(buffer)[offset:offset+reach]
			capacity = reach
		}
		fmt.Println(how, offset, reach, capacity)
		if good {
			view, text = cloneBytes(view), cloneString(text)
		}
		switch {
		case how == "string" && i%2 == 0:
			names = append(names, text)
		case how == "string":
			byID[i] = record{id: i, name: text}
		case i == 0:
			global = view
		case i == 1:
			last = &record{id: i, body: view}
		case i%2 == 0:
			views = append(views, view)
		default:
			byID[i] = record{id: i, body: view}
		}
	}
}

func main() {
	bad := flag.Bool("bad", false, "keep views of the buffers")
	good := flag.Bool("good", false, "keep copies")
	path := flag.String("dump", "heap.dump", "where the dump is written to")
	count := flag.Int("count", 20, "buffers")
	size := flag.Int("size", 1<<20, "bytes of each")
	flag.Parse()
	if *bad == *good {
		fmt.Fprintln(os.Stderr, "give -bad or -good")
		os.Exit(2)
	}
	plant(*count, *size, 64, *good)
	file, err := os.Create(*path)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	// The profile is in the dump as well when the program may ask for it; it lags by a collection.
	runtime.MemProfile(nil, true)
	runtime.GC() // what is not reached any more is not in the dump
	runtime.GC()
	debug.WriteHeapDump(file.Fd())
	file.Close()
	runtime.KeepAlive(views)
	runtime.KeepAlive(names)
	runtime.KeepAlive(byID)
	runtime.KeepAlive(last)
	runtime.KeepAlive(global)
}
