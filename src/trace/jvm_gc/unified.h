// SPDX-License-Identifier: Apache-2.0
#pragma once

// Unified logs (JDK 9 and later, -Xlog): one message a line, told apart by its words. Decorations
// and tags are used where they are there and needed nowhere.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "trace/jvm_gc/builder.h"
#include "trace/jvm_gc/scan.h"

namespace ullage::trace::jvm {

// True for a message that only a garbage collector's log has.
bool is_unified_message(std::string_view message);

// Collections that are under way at once: one concurrent, one young, one full inside it; more are
// left over from lines that never came.
inline constexpr std::size_t kOpenMax = 8;

class UnifiedParser {
 public:
  explicit UnifiedParser(Builder& builder) : builder_(builder) {}
  // One line; false when it is not understood (and not empty).
  bool feed(std::string_view line, std::uint64_t number);
  void finish();

 private:
  // What is told of one collection, until its last line.
  struct Open {
    std::uint64_t id = 0;
    evidence::GcCycle cycle;
    bool concurrent = false, pausing = false;
    bool has_start = false;
    std::uint64_t nested_ns = 0;  // pauses inside its pause
  };
  struct Message {
    std::string_view text;
    bool has_id = false;
    std::uint64_t id = 0;
    LineTime time;
    std::uint64_t line = 0;
  };

  bool dispatch(const Message& m);
  bool pause(const Message& m);
  bool pause_end(const Message& m, std::string_view words, const HeapChange& heap, bool has_heap,
                 std::uint64_t ns);
  bool concurrent(const Message& m);
  bool z_collection(const Message& m, std::string_view kind);
  bool safepoint(const Message& m);
  bool stopped_line(const Message& m);
  bool stall(const Message& m, std::string_view prefix);
  bool regions(const Message& m, bool humongous);
  bool old_generation(const Message& m);
  bool collector(std::string_view name);
  bool fact(const Message& m);
  Open& open(const Message& m);
  Open* find(std::uint64_t id);
  void close(std::size_t index);
  void close_all_but(std::uint64_t id);

  Builder& builder_;
  std::vector<Open> open_;
  std::string operation_text_;  // of "Entering safepoint region"
  bool promotion_failed_ = false, concurrent_failure_ = false;
};

}  // namespace ullage::trace::jvm
