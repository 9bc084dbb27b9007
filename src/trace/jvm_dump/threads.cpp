// SPDX-License-Identifier: Apache-2.0
#include "trace/jvm_dump/threads.h"

#include <algorithm>
#include <utility>

#include "trace/jvm_dump/frames.h"
#include "trace/jvm_gc/scan.h"

namespace ullage::trace::jvm {
namespace {

using evidence::Position;

constexpr std::size_t kNameMax = 200;
// Groups and locks of one dump; a dump of a hundred thousand threads is beyond use anyway.
constexpr std::size_t kGroupsMax = 20000;
constexpr std::size_t kLocksMax = 200000;
constexpr std::size_t kHeldMax = 4096;
constexpr std::size_t kSnapshotsMax = 1000;
// Frames of all groups in a file (about 100 MB); beyond, a group keeps its innermost ones, and
// beyond kGroupsTotal none is begun.
constexpr std::size_t kFramesTotal = 500'000;
constexpr std::size_t kFramesBeyond = 16;
constexpr std::size_t kGroupsTotal = 200'000;

// "<0x00000000fc0a1b28> (a java.lang.Object)"
bool parse_lock(std::string_view text, std::string_view& address, std::string_view& of) {
  const std::size_t open = text.find('<');
  const std::size_t close = text.find('>');
  if (open == std::string_view::npos || close == std::string_view::npos || close < open) {
    return false;
  }
  address = text.substr(open + 1, std::min(close - open - 1, kNameMax));
  const std::size_t a = text.find("(a ", close);
  const std::size_t end = text.rfind(')');
  if (a != std::string_view::npos && end != std::string_view::npos && end > a + 3) {
    of = text.substr(a + 3, std::min(end - a - 3, kNameMax));
  }
  return true;
}

}  // namespace

bool ThreadDumpParser::feed(std::string_view line, std::uint64_t number) {
  if (line.starts_with("Full thread dump ")) {
    end_dump();
    begin_dump(line);
    return true;
  }
  if (!in_dump_) return false;
  if (line.starts_with("Found one Java-level deadlock") || line.starts_with("Found ")) {
    // What follows shows stacks again that were counted already.
    incident_.event_counts.emplace_back("deadlock", 1);
    end_dump();
    return true;
  }
  if (!line.empty() && line.front() == '"') {
    end_thread();
    begin_thread(line, number);
    return true;
  }
  const std::string_view text = trimmed(line);
  if (text.empty()) {
    return true;  // between threads; also before "Locked ownable synchronizers"
  }
  if (!in_thread_) {
    return text.starts_with("Threads class SMR") || text.starts_with("_java_thread_list") ||
           text.starts_with("0x") || text == "}" || text.starts_with("JNI global ref");
  }
  if (text.starts_with("java.lang.Thread.State: ")) {
    const std::string_view state = text.substr(24);
    state_ = state.substr(0, std::min(state.find(' '), kNameMax));
    return true;
  }
  if (text.starts_with("Locked ownable synchronizers")) {
    in_synchronizers_ = true;
    return true;
  }
  if (text.front() == '-') return lock_line(text.substr(1));
  evidence::Frame frame;
  if (parse_java_frame(text, frame)) {
    if (stack_.size() < kFramesMax) stack_.push_back(std::move(frame));
    return true;
  }
  return text.starts_with("No compile task") || text.starts_with("Compiling:") ||
         text.starts_with("Carrying virtual thread") || text.starts_with("JNI global ref");
}

void ThreadDumpParser::begin_dump(std::string_view line) {
  if (incident_.snapshots.size() >= kSnapshotsMax) return;
  in_dump_ = true;
  snapshot_ = static_cast<std::uint32_t>(incident_.snapshots.size());
  incident_.snapshots.emplace_back();
  incident_.snapshots.back().kind = "thread dump";
  const std::size_t version = line.find(" VM (");
  if (version != std::string_view::npos && incident_.facts.version.empty()) {
    const std::string_view rest = line.substr(version + 5, 64);
    incident_.facts.version = rest.substr(0, rest.find_first_of(" ,)"));
  }
}

void ThreadDumpParser::begin_thread(std::string_view line, std::uint64_t number) {
  in_thread_ = true;
  line_ = number;
  ++threads_;
  const std::size_t end = line.rfind('"');
  name_ = line.substr(1, std::min(end > 1 ? end - 1 : 0, kNameMax));
}

bool ThreadDumpParser::lock_line(std::string_view text) {
  skip_blanks(text);
  std::string_view address, of;
  if (text == "None") return true;
  if (in_synchronizers_ || text.starts_with("locked ")) {
    if (parse_lock(text, address, of) && held_.size() < kHeldMax) held_.emplace_back(address);
    return true;
  }
  if (text.starts_with("waiting to lock ") || text.starts_with("parking to wait for ") ||
      text.starts_with("waiting to re-lock ")) {
    if (parse_lock(text, address, of)) {
      waits_for_ = address;
      waits_for_class_ = of;
    }
    return true;
  }
  return text.starts_with("waiting on") || text.starts_with("eliminated");
}

void ThreadDumpParser::end_thread() {
  if (!in_thread_) return;
  in_thread_ = in_synchronizers_ = false;
  if (stack_.empty() && state_.empty()) {  // the JVM's own threads: no Java stack
    name_.clear();
    held_.clear();
    return;
  }
  evidence::Recursion recursion;
  if (find_recursion(stack_, recursion)) {
    recursion.thread = name_;
    recursion.cut = recursion.entered_from.function.empty();
    recursion.where = {0, Position::Unit::kLine, line_};
    add_recursion(incident_.recursions, std::move(recursion));
  }
  // A thread that was caught while it threw: the frame that asked for memory is below.
  const auto thrown = std::find_if(stack_.begin(), stack_.end(), [](const evidence::Frame& f) {
    return f.function == "java.lang.OutOfMemoryError.<init>";
  });
  if (thrown != stack_.end()) {
    add_out_of_memory(incident_.out_of_memory,
                      {"", name_, {thrown + 1, stack_.end()}, {0, Position::Unit::kLine, line_}});
  }
  key_.assign(state_);
  for (const evidence::Frame& frame : stack_) {
    key_.append(1, '\n').append(frame.function).append(1, ':').append(std::to_string(frame.line));
  }
  const auto found = groups_.find(key_);
  std::size_t group = incident_.goroutines.size();
  if (found != groups_.end()) {
    group = found->second;
    ++incident_.goroutines[group].count;
  } else if (groups_.size() < kGroupsMax && group < kGroupsTotal) {
    groups_.emplace(key_, group);
    evidence::GoroutineGroup made;
    if (frames_kept_ >= kFramesTotal && stack_.size() > kFramesBeyond) {
      stack_.resize(kFramesBeyond);
    }
    frames_kept_ += stack_.size();
    made.stack = stack_;
    made.state = state_;
    made.count = 1;
    made.snapshot = snapshot_;
    incident_.goroutines.push_back(std::move(made));
  }
  if (group < incident_.goroutines.size()) {
    for (std::string& lock : held_) {
      if (holders_.size() >= kLocksMax) break;
      // A thread that waits inside Object.wait() shows the lock it gave up as locked.
      if (lock == waits_for_) continue;
      holder_names_.emplace(lock, name_);
      holders_.emplace(std::move(lock), group);
    }
    if (!waits_for_.empty() && waiting_.size() < kLocksMax) {
      waiting_.push_back({waits_for_, waits_for_class_, group});
    }
  }
  held_.clear();
  stack_.clear();
  state_.clear();
  waits_for_.clear();
  waits_for_class_.clear();
}

void ThreadDumpParser::end_dump() {
  if (!in_dump_) return;
  end_thread();
  in_dump_ = false;
  incident_.snapshots[snapshot_].goroutines = threads_;
  threads_ = 0;
  // Waiters of one lock with one stack are one wait; only locks with a known holder are told: a
  // pool that parks for work waits for nobody.
  std::unordered_map<std::string, std::size_t> waits;
  std::unordered_map<std::string, std::uint64_t> per_lock;
  for (const Waiting& w : waiting_) ++per_lock[w.lock];
  for (const Waiting& w : waiting_) {
    const auto holder = holders_.find(w.lock);
    if (holder == holders_.end()) continue;
    key_.assign(w.lock).append(1, ' ').append(std::to_string(w.group));
    const auto [entry, added] = waits.try_emplace(key_, incident_.waits.size());
    if (added) {
      if (incident_.waits.size() >= evidence::kWaitsMax) break;
      evidence::Wait wait;
      wait.stack = incident_.goroutines[w.group].stack;
      wait.reason = "lock of " + w.of + " held by \"" + holder_names_[w.lock] + "\"";
      wait.released_by = incident_.goroutines[holder->second].stack;
      wait.waiters_max = per_lock[w.lock];
      incident_.waits.push_back(std::move(wait));
    }
    ++incident_.waits[entry->second].count;
  }
  groups_.clear();
  holders_.clear();
  holder_names_.clear();
  waiting_.clear();
}

void ThreadDumpParser::finish() { end_dump(); }

}  // namespace ullage::trace::jvm
