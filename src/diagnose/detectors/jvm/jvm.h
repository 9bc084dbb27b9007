// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the detectors of JVM incidents share: places in logs, times in sentences, sums of pauses.

#include <cstdint>
#include <string>
#include <vector>

#include "diagnose/finding.h"
#include "evidence/incident.h"

namespace ullage::diagnose::jvm {

// Pauses from here on are seen by people, and by every dashboard.
inline constexpr std::uint64_t kErrorNs = 100'000'000;

bool is_jvm(const evidence::Incident& incident);
// "gc.log:123" as a place: no function, the artefact as the file, the line where it has lines.
evidence::Frame place_of(const evidence::Incident& incident, const evidence::Position& where);
// "gc.log line 123".
std::string at(const evidence::Incident& incident, const evidence::Position& where);
// "between 0.36 s and 10.1 s of the log", or "" where the log has no times.
std::string window(std::int64_t from_ns, std::int64_t to_ns, bool known);
// "GC(19)": as the log counts, from 0. JDK 8 logs do not number: "collection 20".
std::string gc_name(const evidence::Incident& incident, std::uint64_t ordinal);
// Nanoseconds after the start, "12.3 s".
std::string moment(std::int64_t at_ns);

// "Orders.java:12 in com.acme.Orders.load".
std::string site_text(const evidence::Frame& frame);

// A sum over collections, with the longest of them.
struct Sum {
  std::uint64_t count = 0, total_ns = 0, max_ns = 0;
  std::int64_t first_ns = 0, last_ns = 0;
  bool times_known = false;
  const evidence::GcCycle* first = nullptr;
  const evidence::GcCycle* longest = nullptr;
  void add(const evidence::GcCycle& cycle);
};

// -Xmx as it could be written: the heap's maximum (or the most it had) times `factor`.
std::string larger_heap(const evidence::Incident& incident, double factor);
// Bytes of a reference: compressed below 32 GB of heap.
std::uint64_t reference_bytes(const evidence::Incident& incident);
// The command that shows what fills the heap of a live JVM.
inline constexpr const char* kHistogramCommand =
    "jcmd PID GC.class_histogram > a.txt; sleep 60; jcmd PID GC.class_histogram > b.txt; "
    "ullage diagnose a.txt b.txt";

}  // namespace ullage::diagnose::jvm
