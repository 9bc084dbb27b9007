// SPDX-License-Identifier: Apache-2.0

// Sixty-four bytes are kept of each of forty messages of a megabyte; the twin keeps copies.
package main

import (
	"bytes"
	"runtime"

	"incidents/internal/capture"
)

const (
	messages    = 40
	headerBytes = 64
)

var (
	messageBytes = 1 << 20
	headers      [][]byte
)

//go:noinline
func receive(i int) []byte {
	message := make([]byte, messageBytes) // growth here
	message[0] = byte(i)
	return message
}

func main() {
	run := capture.Start(capture.Options{MemProfileRate: 1})
	wasted := 0
	for i := 0; i < messages; i++ {
		header := receive(i)[100 : 100+headerBytes]
		if run.Good {
			header = bytes.Clone(header)
		} else {
			wasted += messageBytes - headerBytes
		}
		headers = append(headers, header)
	}
	run.Heap("heap")
	run.HeapDump()
	run.Done(capture.Truth{"detector": "go-subslice-retention", "wasted_bytes": wasted, "growths": messages})
	runtime.KeepAlive(headers)
}
