// SPDX-License-Identifier: Apache-2.0

// Four hundred lists with room for all rows, and none for the sum below them.
package main

import "incidents/internal/capture"

type row struct{ a, b, c uint64 }

const (
	lists    = 400
	rows     = 1000
	rowBytes = 24
)

var (
	sink            []row
	growths, wasted int
)

//go:noinline
func sheet(room int) []row {
	list := make([]row, 0, room)
	for i := 0; i < rows; i++ {
		list = append(list, row{a: uint64(i)})
	}
	before := cap(list)
	list = append(list, row{b: 1}) // growth here
	if cap(list) != before {
		growths++
		wasted += before * rowBytes
	}
	return list
}

func main() {
	run := capture.Start(capture.Options{MemProfileRate: 1})
	room := rows
	if run.Good {
		room = rows + 1
	}
	for i := 0; i < lists; i++ {
		sink = sheet(room)
	}
	run.Heap("heap")
	run.Done(capture.Truth{"detector": "go-capacity-missed", "wasted_bytes": wasted, "growths": growths})
}
