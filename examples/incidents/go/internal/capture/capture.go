// SPDX-License-Identifier: Apache-2.0

// Package capture writes the artefacts of a planted incident into a folder, and what is true about it
// to standard output.
//
//	run := capture.Start(capture.Options{Trace: true, CPU: true})
//	... the incident ...
//	run.Heap("heap")
//	run.Done(capture.Truth{"detector": "go-forced-gc", "events": 30})
//
// Flags of every program: -out FOLDER (made when missing), -good for the twin without the fault.
package capture

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"runtime/pprof"
	"runtime/trace"
	"time"
)

// Options say what is recorded from the start; profiles and dumps are taken when they are asked for.
type Options struct {
	Trace, CPU, GCTrace bool
	// MemProfileRate: 1 samples every allocation. 0 keeps the runtime's rate.
	MemProfileRate int
}

// Truth is what the program counted itself.
type Truth map[string]any

// Run is one run with its folder.
type Run struct {
	Good    bool
	folder  string
	options Options
	trace   *os.File
	cpu     *os.File
}

var (
	out  = flag.String("out", "", "folder for the artefacts")
	good = flag.Bool("good", false, "the twin without the fault")
)

const child = "INCIDENT_CHILD"

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// Start reads the flags and begins to record. gctrace can only be asked for from outside, so the program
// then runs itself once more.
func Start(options Options) *Run {
	if options.MemProfileRate > 0 {
		runtime.MemProfileRate = options.MemProfileRate
	}
	flag.Parse()
	if *out == "" {
		fmt.Fprintln(os.Stderr, "give -out FOLDER")
		os.Exit(2)
	}
	must(os.MkdirAll(*out, 0o755))
	if options.GCTrace && os.Getenv(child) == "" {
		again()
	}
	run := &Run{Good: *good, folder: *out, options: options}
	run.program()
	if options.CPU {
		run.cpu = run.create("cpu.pb.gz")
		must(pprof.StartCPUProfile(run.cpu))
	}
	if options.Trace {
		run.trace = run.create("run.trace")
		must(trace.Start(run.trace))
	}
	return run
}

func again() {
	log, err := os.Create(filepath.Join(*out, "gctrace.log"))
	must(err)
	command := exec.Command(os.Args[0], os.Args[1:]...)
	command.Env = append(os.Environ(), child+"=1", "GODEBUG=gctrace=1")
	command.Stdout = os.Stdout
	command.Stderr = log
	err = command.Run()
	must(log.Close())
	must(err)
	os.Exit(0)
}

func (run *Run) create(name string) *os.File {
	file, err := os.Create(filepath.Join(run.folder, name))
	must(err)
	return file
}

// The program itself is an artefact: its file tells which routine of the runtime a line called.
func (run *Run) program() {
	path, err := os.Executable()
	must(err)
	from, err := os.Open(path)
	must(err)
	to := run.create("program")
	_, err = io.Copy(to, from)
	must(err)
	must(from.Close())
	must(to.Close())
}

func (run *Run) lookup(profile, name string, debug int) {
	file := run.create(name)
	must(pprof.Lookup(profile).WriteTo(file, debug))
	must(file.Close())
}

// Heap writes name.pb.gz and name.txt, which has the program counters. Both tell of the last collection,
// so one is forced.
func (run *Run) Heap(name string) {
	runtime.GC()
	run.lookup("heap", name+".pb.gz", 0)
	run.lookup("heap", name+".txt", 1)
}

// Goroutines writes a profile, name.pb.gz, and a dump with states, name.txt.
func (run *Run) Goroutines(name string) {
	run.lookup("goroutine", name+".pb.gz", 0)
	run.lookup("goroutine", name+".txt", 2)
}

// HeapDump writes heap.dump. The world stands still meanwhile.
func (run *Run) HeapDump() {
	file := run.create("heap.dump")
	debug.WriteHeapDump(file.Fd())
	must(file.Close())
}

// Metrics writes what the runtime counts of itself, as {name: value}.
func (run *Run) Metrics() {
	values := map[string]any{}
	for _, description := range metrics.All() {
		sample := []metrics.Sample{{Name: description.Name}}
		metrics.Read(sample)
		switch sample[0].Value.Kind() {
		case metrics.KindUint64:
			values[description.Name] = sample[0].Value.Uint64()
		case metrics.KindFloat64:
			values[description.Name] = sample[0].Value.Float64()
		}
	}
	file := run.create("metrics.json")
	must(json.NewEncoder(file).Encode(values))
	must(file.Close())
}

// Stop ends what Start began; Done does so, too.
func (run *Run) Stop() {
	if run.trace != nil {
		trace.Stop()
		must(run.trace.Close())
		run.trace = nil
	}
	if run.cpu != nil {
		pprof.StopCPUProfile()
		must(run.cpu.Close())
		run.cpu = nil
	}
}

// Done prints the truth.
func (run *Run) Done(truth Truth) {
	run.Stop()
	truth["go"] = runtime.Version()
	must(json.NewEncoder(os.Stdout).Encode(truth))
}

// Nodes is a linked structure of n nodes: something for the collector to mark.
func Nodes(n int) any {
	type node struct {
		next *node
		pad  [6]uint64
	}
	var head *node
	for i := 0; i < n; i++ {
		head = &node{next: head}
	}
	return head
}

// For calls work until the time is over; it returns how often.
func For(duration time.Duration, work func(pass int)) int {
	end := time.Now().Add(duration)
	pass := 0
	for ; time.Now().Before(end); pass++ {
		work(pass)
	}
	return pass
}
