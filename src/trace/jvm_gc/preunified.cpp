// SPDX-License-Identifier: Apache-2.0
#include "trace/jvm_gc/preunified.h"

#include <algorithm>
#include <utility>

namespace ullage::trace::jvm {
namespace {

using evidence::GcCycle;
using evidence::Pause;
using evidence::Position;

constexpr std::size_t kCauseMax = 80;

Position at_line(std::uint64_t line) { return {0, Position::Unit::kLine, line}; }

bool starts_collection(std::string_view text) {
  return (text.starts_with("[GC") || text.starts_with("[Full GC")) &&
         !text.starts_with("[GC concurrent") && !text.starts_with("[GC ref-proc") &&
         !text.starts_with("[GCLAB");
}

}  // namespace

// "2017-03-05T07:46:46.551-0500: ", "4.097: ", or both.
bool PreunifiedParser::eat_stamp(std::string_view& text, LineTime& time) {
  std::string_view rest = text;
  bool has_wall = false, has_uptime = false;
  std::int64_t wall = 0;
  std::uint64_t uptime = 0;
  std::string_view after = rest;
  if (eat_wall_time(after, wall) && eat(after, ": ")) {
    has_wall = true;
    rest = after;
  }
  after = rest;
  unsigned digits = 0;
  if (eat_decimal(after, 9, uptime, &digits) && digits == 3 && eat(after, ":")) {
    has_uptime = true;
    eat(after, " ");
    rest = after;
  }
  if (!has_wall && !has_uptime) return false;
  time = builder_.stamp(has_uptime, static_cast<std::int64_t>(uptime), has_wall, wall, 1'000'000);
  text = rest;
  return true;
}

bool PreunifiedParser::feed(std::string_view line, std::uint64_t number) {
  if (line.empty()) return true;
  if (depth_ == 0 && line.starts_with("   ")) {  // details of the collection above
    if (line.starts_with("   [Eden: ")) {
      g1_sizes(line);
      return true;
    }
    const std::string_view text = trimmed(line);
    return text.front() == '[' || text.find("space") != std::string_view::npos;
  }
  if (known_text(line, number)) return true;
  return scan(line, number);
}

bool PreunifiedParser::scan(std::string_view line, std::uint64_t number) {
  std::string_view rest = line;
  bool known = eat_stamp(rest, now_);
  // A collection cannot begin inside another: what was open has lost its end.
  if (starts_collection(rest)) {
    if (record_.open) {
      record_.open = record_.ended = false;
      builder_.not_understood();
    }
    depth_ = 0;
  }
  const bool inside = depth_ > 0;
  known |= inside;
  while (!rest.empty()) {
    switch (rest.front()) {
      case '[':
        known = true;
        open_group(rest, number);
        break;
      case ']':
        rest.remove_prefix(1);
        close_group();
        break;
      default:
        if (depth_ > 0) {
          in_group(rest);
        } else if (is_digit(rest.front())) {
          if (!eat_stamp(rest, now_)) {
            std::uint64_t ignored = 0;
            eat_integer(rest, ignored);
          }
        } else {
          // Between collections only brackets and stamps matter.
          const std::size_t next = rest.find_first_of("[0123456789", 1);
          if (rest.substr(0, next).find("CMS: abort preclean") != std::string_view::npos) {
            known = true;
          }
          rest.remove_prefix(next == std::string_view::npos ? rest.size() : next);
        }
    }
  }
  return known || trimmed(line).empty();
}

void PreunifiedParser::open_group(std::string_view& text, std::uint64_t number) {
  const auto push = [this](Part part) {
    if (depth_ < kDepthMax) groups_[depth_] = {part};
    ++depth_;
  };
  const auto skip_to = [&text](char end) {
    const std::size_t at = text.find(end);
    text.remove_prefix(at == std::string_view::npos ? text.size() : at + 1);
  };
  if (text.starts_with("[Times: ")) return skip_to(']');
  if (text.starts_with("[0x")) return skip_to(')');
  if (text.starts_with("[G1Ergonomics")) {
    if (text.find("humongous") != std::string_view::npos) builder_.count("humongous request");
    return skip_to(']');
  }
  if (text.starts_with("[GC concurrent-") || text.starts_with("[CMS-concurrent-")) {
    const std::size_t begin = text.starts_with("[GC ") ? 4 : 1;
    const std::size_t end = text.find_first_of(",:]", begin);
    concurrent_event(text.substr(begin, end == std::string_view::npos ? end : end - begin), number);
    push(Part::kConcurrent);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end);
    return;
  }
  if (!record_.open && starts_collection(text)) {
    push(Part::kCollection);
    open_collection(text, number);
    return;
  }
  text.remove_prefix(1);
  Part part = Part::kOther;
  struct Name {
    std::string_view start;
    Part part;
    const char* collector;
  };
  static constexpr Name kNames[] = {{"ParNew", Part::kYoung, "CMS"},
                                    {"PSYoungGen", Part::kYoung, "Parallel"},
                                    {"DefNew", Part::kYoung, "Serial"},
                                    {"ASParNew", Part::kYoung, "CMS"},
                                    {"ParOldGen", Part::kOld, "Parallel"},
                                    {"PSOldGen", Part::kOld, "Parallel"},
                                    {"Tenured", Part::kOld, "Serial"},
                                    {"CMS Perm", Part::kOther, "CMS"},
                                    {"CMS", Part::kOld, "CMS"},
                                    {"ASCMS", Part::kOld, "CMS"},
                                    {"1 CMS-initial-mark", Part::kOld, "CMS"},
                                    {"1 CMS-remark", Part::kOld, "CMS"}};
  for (const Name& name : kNames) {
    if (!text.starts_with(name.start)) continue;
    part = name.part;
    collector(name.collector);
    if (record_.open) {
      record_.details = true;
      if (name.start[0] == '1') {
        record_.cms_mark = true;
        record_.pause.kind = name.start.substr(2);
      }
    }
    text.remove_prefix(name.start.size());
    break;
  }
  if (part == Part::kOther) {
    // A name may hold digits and blanks: "[Rescan (parallel) , 0.1 secs]", "[JNI Weak Reference".
    const std::size_t end = text.find_first_of(":,[]");
    text.remove_prefix(end == std::string_view::npos ? text.size() : end);
  }
  push(part);
}

void PreunifiedParser::open_collection(std::string_view& text, std::uint64_t number) {
  emit();
  record_ = Record{};
  record_.open = true;
  record_.depth = depth_;
  record_.pause.start_ns = now_.known ? now_.ns : 0;
  record_.pause.where = at_line(number);
  record_.cycle.times_known = now_.known;
  const bool full = text.starts_with("[Full");
  text.remove_prefix(full ? 8 : 3);
  name_collection(text, full);
}

// What follows "[GC": words that name the kind, groups that name it or the cause.
void PreunifiedParser::name_collection(std::string_view& text, bool full) {
  Pause& pause = record_.pause;
  pause.full = full;
  pause.kind = full ? "Full GC" : "GC";
  for (;;) {
    skip_blanks(text);
    if (text.starts_with("--")) {
      remark("promotion failed");
      text.remove_prefix(2);
      continue;
    }
    bool word = false;
    for (const std::string_view name : {"pause", "remark", "cleanup"}) {
      if (!text.starts_with(name)) continue;
      collector("G1");
      pause.kind.append(" ").append(name);
      text.remove_prefix(name.size());
      word = true;
    }
    if (word) continue;
    if (text.empty() || text.front() != '(') return;
    int depth = 0;
    std::size_t end = 0;
    for (; end < text.size(); ++end) {
      if (text[end] == '(') ++depth;
      if (text[end] == ')' && --depth == 0) break;
    }
    const std::string_view words = text.substr(1, std::max<std::size_t>(end, 1) - 1);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (words == "young" || words == "mixed" || words == "initial-mark" || words == "partial") {
      pause.kind.append(" (").append(words).append(")");
      record_.initial_mark |= words == "initial-mark";
    } else if (words.starts_with("to-space") || words == "promotion failed" ||
               words.starts_with("concurrent mode")) {
      remark(words);
    } else if (pause.cause.empty()) {
      pause.cause = words.substr(0, kCauseMax);
      if (words == "CMS Initial Mark" || words == "CMS Final Remark") {
        record_.cms_mark = true;
        pause.kind = words == "CMS Initial Mark" ? "CMS-initial-mark" : "CMS-remark";
      }
    }
  }
}

// What went wrong, wherever it stands inside a collection.
void PreunifiedParser::remark(std::string_view words) {
  if (words.starts_with("to-space")) {
    record_.cycle.to_space_exhausted = true;
    builder_.count("to-space exhausted");
  } else if (words == "promotion failed") {
    record_.cycle.promotion_failed = true;
    builder_.count("promotion failed");
  } else if (words == "concurrent mode failure") {
    record_.cycle.concurrent_failure = true;
    builder_.count("concurrent mode failure");
    if (in_concurrent_) end_concurrent(true);
  }
}

// Text between the brackets of some group: sizes, seconds, remarks, stamps.
void PreunifiedParser::in_group(std::string_view& text) {
  const char c = text.front();
  const Part part = depth_ <= kDepthMax ? groups_[depth_ - 1].part : Part::kOther;
  const bool own = record_.open && depth_ == record_.depth;
  if (c == '(') {
    const std::size_t end = text.find(')');
    if (end == std::string_view::npos || (text.size() > 1 && is_digit(text[1]))) {
      text.remove_prefix(1);
      return;
    }
    if (record_.open) remark(text.substr(1, end - 1));
    text.remove_prefix(end + 1);
    return;
  }
  if (c == '-' && own && text.starts_with("--")) {
    remark("promotion failed");
    text.remove_prefix(2);
    return;
  }
  if (!is_digit(c)) {
    const std::size_t next = text.find_first_of("[](-0123456789", 1);
    text.remove_prefix(next == std::string_view::npos ? text.size() : next);
    return;
  }
  HeapChange change;
  std::string_view rest = text;
  if (eat_heap_change(rest, change)) {
    text = rest;
    if (own) {
      record_.has_heap = true;
      record_.pause.before_bytes = change.before;
      record_.pause.after_bytes = change.after;
      record_.pause.capacity_bytes = change.capacity;
    } else if (record_.open && part == Part::kOld) {
      record_.cycle.old_known = true;
      record_.cycle.old_before_bytes = change.before;
      record_.cycle.old_after_bytes = change.after;
      record_.cycle.old_capacity_bytes = change.capacity;
    }
    return;
  }
  std::uint64_t bytes = 0;
  if (eat_size(rest, bytes)) {  // "8191K(20480K)": occupancy without a change
    std::uint64_t capacity = 0;
    std::string_view inner = rest;
    if (eat(inner, "(") && eat_size(inner, capacity) && eat(inner, ")")) rest = inner;
    text = rest;
    if (own && capacity != 0) {
      record_.has_heap = true;
      record_.pause.before_bytes = record_.pause.after_bytes = bytes;
      record_.pause.capacity_bytes = capacity;
      if (!record_.cms_mark && !record_.details) {
        record_.cms_mark = true;
        record_.pause.kind = "GC (CMS mark)";
        collector("CMS");
      }
    } else if (record_.open && part == Part::kOld && capacity != 0) {
      record_.cycle.old_known = true;
      record_.cycle.old_before_bytes = record_.cycle.old_after_bytes = bytes;
      record_.cycle.old_capacity_bytes = capacity;
    }
    return;
  }
  std::uint64_t ns = 0;
  if (eat_decimal(rest, 9, ns)) {
    if (rest.starts_with(" secs")) {
      rest.remove_prefix(5);
      if (own) {
        record_.has_seconds = true;
        record_.pause.duration_ns = ns;
      }
      text = rest;
      return;
    }
    LineTime time;
    if (!eat_stamp(text, time)) {
      text = rest;
    } else {
      now_ = time;
    }
    return;
  }
  text.remove_prefix(1);
}

void PreunifiedParser::close_group() {
  if (depth_ == 0) return;
  if (record_.open && depth_ == record_.depth) {
    record_.open = false;
    record_.ended = record_.has_seconds;
    if (!record_.has_seconds) builder_.not_understood();
  }
  --depth_;
}

}  // namespace ullage::trace::jvm
