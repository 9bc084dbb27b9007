// SPDX-License-Identifier: Apache-2.0
#include "trace/jvm_dump/hs_err.h"

#include <algorithm>
#include <utility>

#include "trace/jvm_dump/frames.h"
#include "trace/jvm_gc/scan.h"

namespace ullage::trace::jvm {
namespace {

constexpr std::size_t kTextMax = 200;

}  // namespace

bool is_hs_err_line(std::string_view line) {
  return line.starts_with("# A fatal error has been detected by the Java Runtime") ||
         line.starts_with("# There is insufficient memory for the Java Runtime");
}

bool HsErrParser::feed(std::string_view line, std::uint64_t number) {
  if (is_hs_err_line(line)) {
    inside_ = true;
    if (line.find("insufficient memory") != std::string_view::npos) {
      what_ = "insufficient memory for the JVM";
    }
    return true;
  }
  if (!inside_) return false;
  if (!line.empty() && line.front() == '#') return comment(trimmed(line.substr(1)));
  evidence::RuntimeFacts& facts = incident_.facts;
  if (line.starts_with("Java frames: ")) {
    in_java_frames_ = true;
    stack_line_ = number;
    return true;
  }
  if (in_java_frames_) {
    if (java_frame(line)) return true;
    in_java_frames_ = false;
  }
  std::string_view rest = line;
  // Current thread (0x00007f...):  JavaThread "main" [_thread_in_vm, id=4711, ...]
  if (line.starts_with("Current thread ")) {
    const std::size_t name = line.find('"');
    if (name != std::string_view::npos) {
      thread_ = line.substr(name + 1, std::min(line.find('"', name + 1) - name - 1, kTextMax));
    }
    return true;
  }
  if (eat(rest, "Command Line: ")) {
    while (!rest.empty() && facts.flags.size() < 256) {
      const std::size_t end = std::min(rest.find(' '), rest.size());
      const std::string_view word = rest.substr(0, end);
      rest.remove_prefix(end);
      skip_blanks(rest);
      if (word.starts_with("-")) {
        facts.flags.emplace_back(word.substr(0, kTextMax));
        std::string_view size = word;
        std::uint64_t bytes = 0;
        if (eat(size, "-Xmx") && eat_integer(size, bytes) && !size.empty()) {
          const char unit = static_cast<char>(size[0] | 0x20);
          const int shift = unit == 'g' ? 30 : unit == 'm' ? 20 : unit == 'k' ? 10 : 0;
          facts.heap_max_bytes = facts.memory_limit = std::min<std::uint64_t>(bytes, 1U << 30)
                                                      << shift;
        }
      } else if (!word.empty() && facts.program.empty()) {
        facts.program = word.substr(0, kTextMax);
      }
    }
    return true;
  }
  if (line.starts_with("Heap:")) {
    in_heap_ = true;
    return true;
  }
  if (in_heap_) {
    std::uint64_t bytes = 0;
    const std::size_t region = line.find("region size ");
    if (region != std::string_view::npos) {
      std::string_view size = line.substr(region + 12);
      if (eat_size(size, bytes)) facts.region_bytes = bytes;
    }
    const std::size_t used = line.find(" used ");
    const std::size_t total = line.find(" total ");
    if (used != std::string_view::npos && total != std::string_view::npos) {
      std::string_view size = line.substr(used + 6);
      std::string_view whole = line.substr(total + 7);
      std::uint64_t capacity = 0;
      if (eat_size(size, bytes) && eat_size(whole, capacity) && incident_.snapshots.size() < 16 &&
          line.find("heap") != std::string_view::npos) {
        incident_.snapshots.emplace_back();
        incident_.snapshots.back().kind = "crash";
        incident_.snapshots.back().inuse_bytes = bytes;
      }
    }
    in_heap_ = !trimmed(line).empty();
  }
  return true;  // of its many sections, the others say nothing about memory
}

bool HsErrParser::comment(std::string_view text) {
  evidence::RuntimeFacts& facts = incident_.facts;
  if (frame_next_ && !text.empty()) {
    frame_ = text.substr(0, kTextMax);
    frame_next_ = false;
    return true;
  }
  if (text.starts_with("Problematic frame:")) {
    frame_next_ = true;
  } else if (text.find("OutOfMemory encountered: ") != std::string_view::npos) {
    // -XX:+CrashOnOutOfMemoryError: "fatal error: OutOfMemory encountered: Java heap space"
    out_of_memory_ = trimmed(text.substr(text.find(": ", text.find("OutOfMemory")) + 2, kTextMax));
  } else if (text.starts_with("SIG") || text.starts_with("Internal Error") ||
             text.starts_with("EXCEPTION_")) {
    what_ = text.substr(0, std::min({text.find(" at pc="), text.find(", pid="), kTextMax}));
  } else if (text.starts_with("Native memory allocation")) {
    what_ = text.substr(0, kTextMax);
  } else if (text.starts_with("JRE version: ")) {
    const std::size_t open = text.find('(');
    const std::size_t build = text.find("(build ");
    if (build != std::string_view::npos) {
      const std::string_view version = text.substr(build + 7, 64);
      facts.version = version.substr(0, version.find(')'));
    } else if (open != std::string_view::npos) {
      const std::string_view version = text.substr(open + 1, 64);
      facts.version = version.substr(0, version.find(')'));
    }
  } else if (text.starts_with("Java VM: ")) {
    for (const auto& [words, name] :
         {std::pair{"g1 gc", "G1"}, std::pair{"parallel gc", "Parallel"},
          std::pair{"serial gc", "Serial"}, std::pair{"z gc", "Z"},
          std::pair{"shenandoah gc", "Shenandoah"}, std::pair{"concurrent mark sweep gc", "CMS"}}) {
      if (text.find(words) != std::string_view::npos) facts.collector = name;
    }
  }
  return true;
}

// "J 12 c1 com.acme.View.get(I)I (14 bytes) @ 0x... [...]", "j  com.acme.Main.main()V+3"
bool HsErrParser::java_frame(std::string_view line) {
  if (line.size() < 3 || line[1] != ' ') return false;
  if (line[0] != 'J' && line[0] != 'j' && line[0] != 'v' && line[0] != 'V') return false;
  if (line[0] == 'v' || line[0] == 'V') return true;
  const std::size_t open = line.find('(');
  if (open == std::string_view::npos) return true;
  std::string_view front = line.substr(0, open);
  const std::size_t blank = front.rfind(' ');
  evidence::Frame frame;
  set_method(front.substr(blank == std::string_view::npos ? 0 : blank + 1), frame);
  const std::size_t plus = line.rfind('+');
  if (line[0] == 'j' && plus != std::string_view::npos) {
    // The byte code index stands where a line number would: equal ones are equal places.
    std::string_view number = line.substr(plus + 1);
    std::uint64_t index = 0;
    if (eat_integer(number, index)) frame.offset = std::min<std::uint64_t>(index, 1U << 20);
  }
  if (stack_.size() < kFramesMax) stack_.push_back(std::move(frame));
  return true;
}

void HsErrParser::finish() {
  if (!inside_) return;
  std::string& crash = incident_.facts.crash;
  crash = what_;
  if (!frame_.empty()) crash += (crash.empty() ? "in " : " in ") + frame_;
  if (!out_of_memory_.empty()) crash = "java.lang.OutOfMemoryError: " + out_of_memory_;
  if (crash.empty()) crash = "a fatal error of the JVM";
  const bool starved =
      what_.starts_with("insufficient memory") || what_.starts_with("Native memory");
  if (!out_of_memory_.empty() || starved) {
    add_out_of_memory(incident_.out_of_memory, {starved ? what_ : out_of_memory_,
                                                thread_,
                                                stack_,
                                                {0, evidence::Position::Unit::kLine, stack_line_}});
    return;
  }
  evidence::Recursion recursion;
  if (find_recursion(stack_, recursion)) {
    recursion.where = {0, evidence::Position::Unit::kLine, stack_line_};
    // A guard page that was hit twice, or native code on a stack that is full.
    recursion.overflowed = true;
    add_recursion(incident_.recursions, std::move(recursion));
  }
}

}  // namespace ullage::trace::jvm
