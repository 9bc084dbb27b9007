// SPDX-License-Identifier: Apache-2.0
#pragma once

// Thread dumps: jstack, jcmd PID Thread.print, kill -QUIT. Each "Full thread dump" becomes a
// snapshot with its threads in groups of equal stacks, with who waits for whose lock, and with the
// stacks that repeat themselves.

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "evidence/incident.h"

namespace ullage::trace::jvm {

class ThreadDumpParser {
 public:
  explicit ThreadDumpParser(evidence::Incident& incident) : incident_(incident) {}
  bool feed(std::string_view line, std::uint64_t number);
  void finish();

 private:
  struct Waiting {
    std::string lock, of;  // address, class
    std::size_t group = 0;
  };

  void begin_dump(std::string_view line);
  void begin_thread(std::string_view line, std::uint64_t number);
  bool lock_line(std::string_view text);
  void end_thread();
  void end_dump();

  evidence::Incident& incident_;
  bool in_dump_ = false, in_thread_ = false, in_synchronizers_ = false;
  std::uint32_t snapshot_ = 0;
  std::uint64_t threads_ = 0, line_ = 0;
  std::string name_, state_, waits_for_, waits_for_class_;
  evidence::Stack stack_;
  std::vector<std::string> held_;
  std::string key_;
  std::unordered_map<std::string, std::size_t> groups_;   // state and stack -> group
  std::unordered_map<std::string, std::size_t> holders_;  // lock -> group
  std::unordered_map<std::string, std::string> holder_names_;
  std::vector<Waiting> waiting_;
};

}  // namespace ullage::trace::jvm
