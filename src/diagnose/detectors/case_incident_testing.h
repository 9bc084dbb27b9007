// SPDX-License-Identifier: Apache-2.0
#pragma once

// Incidents of Go (and JVM) programs in case files. Blocks belong to the artefact named last.
//
//   go go1.26.1 processors 2                 the runtime; `jvm 17 G1` likewise
//   window 0s 10s                            extent of the incident
//   artefact heap.pb.gz pprof heap profile   what follows was read there
//   snapshot heap at 10s alloc 1GB inuse 64MB goroutines 12
//   site                                     what one stack allocated
//     at main.load main.go:26                innermost first, one line per frame
//     hidden runtime.growslice               frames that were recovered
//     call append pc                         unknown append make map makemap new concat convert
//     element 24                             defer stack chan; none ladder pc callsite stack
//     rungs 64KB*5/1 80KB*5/0                size * allocated / in use
//     ladder 64KB 1.25 20 *5/0               first size, factor, sizes, objects of each
//   pause 7.894ms GC sweep termination       one stop of the world
//     when 1.2s
//     asked 24                               goroutine
//     by main.metrics main.go:7              its stack
//     waited 1 7.855ms                       for whom, until; or: nobody 60us | inside 60us
//     at main.huge main.go:205               the culprit's stack
//     grew 2                                 CPU samples say so; how many, if known
//   cycle 83                                 a collection
//     when 12s
//     clock 630us 1763ms 5.6ms               stop, mark, stop
//     cpu 0ms 0.6ms 0ms 2                    assists, workers, idle; processors
//     heap 515MB 515MB 515MB goal 1GB stacks 0
//     forced | cause timer | by runtime.GC proc.go:1
//     samples 3                              in growth; `at` gives their stack
//   cycles 20 from 10MB to 100MB every 1s    a series of plain ones; flat from `plateau` on
//   assist 3877 7.6s 258ms                   count, total, longest; `at`, `over 0s 10s`,
//     goroutines 8
//   assists 3877 11.72s 258ms window 2s      totals of the incident
//   samples 245 2.45s                        all CPU samples
//   cpu 201 2.01s                            samples under one stack: `at` lines, `call append`
//   wait 100 2s 80ms sync                    count, total, longest, reason; `at`, `over`
//     released main.put main.go:9
//     behind growth 10 800ms                 or assist, stop
//     grew main.put main.go:9
//     waiters 8
//   delay 99% 20ms                           99 of 100 ready goroutines wait less
//   goroutines 1280 chan send                a group: `at`, `created` (stack), `snapshot 0`,
//     told 1300 20                           started and ended in a trace (no snapshot), `over`
//   retention 1MB 100 64 1048476 root main.keep   size, offset, len, cap; *20: as many
//   defers 7 100000                          goroutine, records; `at`
//   metric /cpu/classes/total:cpu-seconds 12

#include <string>

#include "diagnose/detectors/case_words_testing.h"

namespace ullage::diagnose {

bool is_incident_section(const std::string& word);
void read_incident_section(evidence::Incident& incident, const std::string& key, Words& words);
void read_incident_line(evidence::Incident& incident, const std::string& section,
                        const std::string& key, Words& words);

}  // namespace ullage::diagnose
