// SPDX-License-Identifier: Apache-2.0
#pragma once

// Logs of JDK 8 and before (-Xloggc, -XX:+PrintGC, +PrintGCDetails). A collection is a group in
// brackets that holds others, one for each part of the heap:
//
//   763.069: [GC 763.070: [ParNew: 1258368K->93915K(1415616K), 0.14 secs] 1264865K->100412K(...)
//
// Between its brackets other threads may print (concurrent phases, ages, reference counts), also
// over several lines. So the brackets are what is followed, not the lines.

#include <array>
#include <cstdint>
#include <string_view>

#include "trace/jvm_gc/builder.h"
#include "trace/jvm_gc/scan.h"

namespace ullage::trace::jvm {

// True for a line that only such a log has.
bool is_preunified_line(std::string_view line);

class PreunifiedParser {
 public:
  explicit PreunifiedParser(Builder& builder) : builder_(builder) {}
  // One line; false when it is not understood (and not empty).
  bool feed(std::string_view line, std::uint64_t number);
  void finish();

 private:
  enum class Part { kOther, kCollection, kConcurrent, kYoung, kOld };
  struct Group {
    Part part = Part::kOther;
  };
  // A collection whose brackets are open, or whose details follow (G1).
  struct Record {
    bool open = false, ended = false;
    std::size_t depth = 0;  // of its own bracket
    bool details = false;   // any part of the heap was named
    evidence::Pause pause;
    evidence::GcCycle cycle;
    bool has_seconds = false, has_heap = false;
    bool initial_mark = false, cms_mark = false;
  };

  bool known_text(std::string_view line, std::uint64_t number);
  bool header(std::string_view line);
  void flags(std::string_view text);
  bool scan(std::string_view line, std::uint64_t number);
  bool eat_stamp(std::string_view& text, LineTime& time);
  void open_group(std::string_view& text, std::uint64_t number);
  void open_collection(std::string_view& text, std::uint64_t number);
  void name_collection(std::string_view& text, bool full);
  void concurrent_event(std::string_view name, std::uint64_t number);
  void close_group();
  void in_group(std::string_view& text);
  void remark(std::string_view words);
  void g1_sizes(std::string_view line);
  void emit();
  void end_concurrent(bool aborted);
  void collector(const char* name);

  Builder& builder_;
  static constexpr std::size_t kDepthMax = 12;
  std::array<Group, kDepthMax> groups_{};
  std::size_t depth_ = 0;  // may be beyond kDepthMax: then the inner ones are kOther
  Record record_;
  LineTime now_;
  bool in_concurrent_ = false;
  evidence::GcCycle concurrent_;
  std::uint64_t ordinal_ = 0;
};

}  // namespace ullage::trace::jvm
