// SPDX-License-Identifier: Apache-2.0
#include "trace/jvm_dump/frames.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "trace/jvm_gc/scan.h"

namespace ullage::trace::jvm {
namespace {

using evidence::Frame;
using evidence::Recursion;
using evidence::Stack;

constexpr std::size_t kNameMax = 512;

bool is_library(std::string_view function) {
  for (const std::string_view start : {"java.", "javax.", "jdk.", "sun.", "com.sun."}) {
    if (function.starts_with(start)) return true;
  }
  return false;
}

bool same(const Frame& a, const Frame& b) {
  return a.line == b.line && a.function == b.function && a.file == b.file;
}

bool same_cycle(const std::vector<Frame>& a, const std::vector<Frame>& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t shift = 0; shift < a.size(); ++shift) {
    std::size_t i = 0;
    while (i < a.size() && same(a[i], b[(i + shift) % a.size()])) ++i;
    if (i == a.size()) return true;
  }
  return a.empty();
}

}  // namespace

void set_method(std::string_view qualified, Frame& frame) {
  qualified = qualified.substr(0, kNameMax);
  // "app//", "java.base@17.0.15/", "loader/module@1.0/": up to the last slash that does not stand
  // inside the name of a hidden class.
  std::size_t slash = qualified.rfind('/');
  std::size_t hidden = std::string_view::npos;
  while (slash != std::string_view::npos && qualified.substr(slash + 1).starts_with("0x")) {
    hidden = slash;
    slash = slash == 0 ? std::string_view::npos : qualified.rfind('/', slash - 1);
  }
  std::string name;
  if (slash != std::string_view::npos) {
    std::string_view module = qualified.substr(0, slash);
    const std::size_t loader = module.rfind('/');
    if (loader != std::string_view::npos) module.remove_prefix(loader + 1);
    frame.module = module.substr(0, module.find('@'));
  }
  const std::size_t begin = slash == std::string_view::npos ? 0 : slash + 1;
  if (hidden == std::string_view::npos) {
    name = qualified.substr(begin);
  } else {
    std::string_view front = qualified.substr(begin, hidden - begin);
    while (!front.empty() && is_digit(front.back())) front.remove_suffix(1);
    while (!front.empty() && front.back() == '$') front.remove_suffix(1);
    const std::size_t dot = qualified.find('.', hidden);
    name = front;
    if (dot != std::string_view::npos) name += qualified.substr(dot);
  }
  frame.function = std::move(name);
  frame.library = is_library(frame.function);
}

bool parse_java_frame(std::string_view line, Frame& frame) {
  std::string_view text = trimmed(line);
  if (!eat(text, "at ")) return false;
  const std::size_t open = text.find('(');
  const std::size_t close = text.find(')', open == std::string_view::npos ? 0 : open);
  if (open == std::string_view::npos || close == std::string_view::npos || open == 0) return false;
  const std::string_view method = text.substr(0, open);
  if (method.find(' ') != std::string_view::npos || method.find('.') == std::string_view::npos) {
    return false;
  }
  frame = {};
  set_method(method, frame);
  std::string_view source = text.substr(open + 1, close - open - 1);
  // Thread dumps put the module here: "(java.base@17.0.15/ArrayList.java:427)".
  const std::size_t slash = source.rfind('/');
  if (slash != std::string_view::npos) {
    std::string_view module = source.substr(0, slash);
    const std::size_t loader = module.rfind('/');
    if (loader != std::string_view::npos) module.remove_prefix(loader + 1);
    frame.module = module.substr(0, std::min(module.find('@'), kNameMax));
    source.remove_prefix(slash + 1);
  }
  if (source == "Native Method" || source == "Unknown Source") return true;
  const std::size_t colon = source.rfind(':');
  frame.file = source.substr(0, std::min(colon, kNameMax));
  if (colon != std::string_view::npos) {
    const std::string_view number = source.substr(colon + 1);
    int value = 0;
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), value);
    if (error == std::errc{} && value > 0) frame.line = value;
  }
  return true;
}

bool find_recursion(const Stack& stack, Recursion& recursion) {
  std::size_t best_begin = 0, best_frames = 0, best_length = 0;
  for (std::size_t length = 1; length <= kCycleMax && length * 2 <= stack.size(); ++length) {
    std::size_t begin = 0;
    for (std::size_t i = 0; i + length <= stack.size(); ++i) {
      const bool goes_on = i + length < stack.size() && same(stack[i], stack[i + length]);
      if (goes_on) continue;
      // Frames begin .. i + length - 1 repeat with this length.
      const std::size_t frames = i - begin + length;
      // A longer cycle must explain more than a part of the last repeat.
      if (i > begin && frames > best_frames + kCycleMax) {
        best_begin = begin;
        best_frames = frames;
        best_length = length;
      }
      begin = i + 1;
    }
  }
  if (best_frames < kCycleFramesMin) return false;
  const auto first = stack.begin() + static_cast<std::ptrdiff_t>(best_begin);
  recursion.cycle.assign(first, first + static_cast<std::ptrdiff_t>(best_length));
  recursion.repeats = best_frames / best_length;
  recursion.frames = stack.size();
  const std::size_t after = best_begin + best_frames;
  recursion.entered_from = after < stack.size() ? stack[after] : Frame{};
  return true;
}

void add_recursion(std::vector<Recursion>& all, Recursion recursion) {
  for (Recursion& known : all) {
    if (known.overflowed != recursion.overflowed || !same_cycle(known.cycle, recursion.cycle)) {
      continue;
    }
    ++known.count;
    known.repeats = std::max(known.repeats, recursion.repeats);
    if (known.entered_from.function.empty()) known.entered_from = recursion.entered_from;
    return;
  }
  if (all.size() < evidence::kRecursionsMax) all.push_back(std::move(recursion));
}

void add_out_of_memory(std::vector<evidence::OutOfMemory>& all, evidence::OutOfMemory event) {
  Stack& stack = event.stack;
  if (stack.empty()) return;
  if (stack.size() > evidence::kOutOfMemoryFramesMax) {
    stack.resize(evidence::kOutOfMemoryFramesMax);
  }
  for (evidence::OutOfMemory& known : all) {
    if (known.what != event.what ||
        !std::equal(known.stack.begin(), known.stack.end(), stack.begin(), stack.end(), same)) {
      continue;
    }
    ++known.count;
    return;
  }
  if (all.size() < evidence::kOutOfMemoriesMax) all.push_back(std::move(event));
}

}  // namespace ullage::trace::jvm
