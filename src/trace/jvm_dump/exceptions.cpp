// SPDX-License-Identifier: Apache-2.0
#include "trace/jvm_dump/exceptions.h"

#include <algorithm>
#include <utility>

#include "trace/jvm_dump/frames.h"
#include "trace/jvm_gc/scan.h"

namespace ullage::trace::jvm {
namespace {

constexpr std::size_t kTextMax = 200;
constexpr std::string_view kOverflow = "java.lang.StackOverflowError";
constexpr std::string_view kNoMemory = "java.lang.OutOfMemoryError";

// Exception in thread "worker-3" java.lang...
std::string_view thread_of(std::string_view line) {
  const std::size_t at = line.find("in thread \"");
  if (at == std::string_view::npos) return {};
  std::string_view name = line.substr(at + 11);
  return name.substr(0, std::min(name.find('"'), kTextMax));
}

}  // namespace

void ExceptionScanner::begin(Error error, std::string_view line, std::uint64_t number) {
  collecting_ = error;
  line_ = number;
  thread_ = thread_of(line);
}

bool ExceptionScanner::feed(std::string_view line, std::uint64_t number) {
  if (collecting_ != Error::kNone) {
    evidence::Frame frame;
    if (parse_java_frame(line, frame)) {
      ++frames_;
      if (stack_.size() < kFramesMax) stack_.push_back(std::move(frame));
      return true;
    }
    const bool rest = trimmed(line).starts_with("... ");
    finish();
    if (rest) return true;
  }
  if (line.find("java.lang.") == std::string_view::npos) return false;
  if (trimmed(line).starts_with("at ")) return false;  // a frame of its constructor
  if (line.find(kOverflow) != std::string_view::npos) {
    begin(Error::kOverflow, line, number);
    return true;
  }
  const std::size_t memory = line.find(kNoMemory);
  if (memory != std::string_view::npos) {
    begin(Error::kNoMemory, line, number);
    const std::string_view text = trimmed(line.substr(memory, kTextMax));
    if (incident_.facts.crash.empty()) incident_.facts.crash = text;
    std::string_view what = text.substr(kNoMemory.size());
    eat(what, ":");
    what_ = trimmed(what);
    return true;
  }
  return false;
}

void ExceptionScanner::finish() {
  const Error error = std::exchange(collecting_, Error::kNone);
  const evidence::Position where = {0, evidence::Position::Unit::kLine, line_};
  if (error == Error::kNoMemory) {
    add_out_of_memory(incident_.out_of_memory,
                      {std::move(what_), std::move(thread_), std::move(stack_), where});
  }
  evidence::Recursion recursion;
  if (error == Error::kOverflow && find_recursion(stack_, recursion)) {
    recursion.thread = thread_;
    recursion.frames = frames_;
    recursion.overflowed = true;
    // A whole stack ends in main or Thread.run; one that ends inside the cycle was cut.
    recursion.cut = recursion.entered_from.function.empty();
    recursion.where = where;
    add_recursion(incident_.recursions, std::move(recursion));
  }
  if (error == Error::kOverflow && incident_.facts.crash.empty()) incident_.facts.crash = kOverflow;
  stack_.clear();
  frames_ = 0;
}

}  // namespace ullage::trace::jvm
