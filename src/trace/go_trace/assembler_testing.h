// SPDX-License-Identifier: Apache-2.0
#pragma once

// Execution traces for tests, written as Go's own fixtures write them:
//
//   assemble("Trace Go1.22\n"
//            "EventBatch gen=1 m=0 time=10\n"      // its size is counted unless it is given
//            "GoStart dt=1 g=7 g_seq=1\n")
//
// A line is an event and its arguments in their order; only the values matter. Stack frames and the
// data of strings follow on lines of their own. What is not understood ends the test program.

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

#include "trace/go_trace/reader.h"
#include "trace/go_trace/wire.h"

namespace ullage::trace::go {

class Assembler {
 public:
  std::vector<std::uint8_t> bytes;

  void line(const std::string& text) {
    if (text.empty() || text[0] == '#') return;
    if (text.starts_with("Trace Go1.")) {
      for (const char c : "go 1." + text.substr(10) + " trace") bytes.push_back(byte(c));
      bytes.resize(kHeaderBytes);
      return;
    }
    if (text[0] == '\t' || text[0] == ' ') return trailer(text);
    std::istringstream words(text);
    std::string name;
    words >> name;
    const std::vector<std::uint64_t> values = numbers(words);
    const std::uint8_t type = type_of(name);
    if (type == kEventBatch || type == kExperimentalBatch || type == kEndOfGeneration) {
      end_batch();
      bytes.push_back(type);
      const std::size_t header = type == kEventBatch ? 3 : type == kExperimentalBatch ? 4 : 0;
      for (std::size_t i = 0; i < header; ++i) append(bytes, values[i]);
      in_batch_ = header != 0;
      size_given_ = values.size() > header;
      if (size_given_) size_ = values[header];
      return;
    }
    payload_.push_back(type);
    for (const std::uint64_t value : values) append(payload_, value);
  }
  void end_batch() {
    if (!in_batch_) return;
    append(bytes, size_given_ ? size_ : payload_.size());
    bytes.insert(bytes.end(), payload_.begin(), payload_.end());
    payload_.clear();
    in_batch_ = false;
  }

 private:
  static std::uint8_t byte(char c) { return static_cast<std::uint8_t>(c); }
  static void append(std::vector<std::uint8_t>& to, std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) to.push_back(static_cast<std::uint8_t>(value | 0x80));
    to.push_back(static_cast<std::uint8_t>(value));
  }
  static std::vector<std::uint64_t> numbers(std::istream& words) {
    std::vector<std::uint64_t> values;
    for (std::string word; words >> word;) {
      values.push_back(std::stoull(word.substr(word.find('=') + 1)));
    }
    return values;
  }
  static std::uint8_t type_of(const std::string& name) {
    if (name.starts_with("Type")) return static_cast<std::uint8_t>(std::stoi(name.substr(4)));
    for (std::size_t i = 0; i < kEvents.size(); ++i) {
      if (kEvents[i].name != nullptr && name == kEvents[i].name)
        return static_cast<std::uint8_t>(i);
    }
    std::abort();  // a test names an event that does not exist
  }
  void trailer(const std::string& text) {
    const std::size_t data = text.find("data=\"");
    if (data == std::string::npos) {
      std::istringstream words(text);
      for (const std::uint64_t value : numbers(words)) append(payload_, value);
      return;
    }
    const std::string inside = text.substr(data + 6, text.rfind('"') - data - 6);
    append(payload_, inside.size());
    for (const char c : inside) payload_.push_back(byte(c));
  }

  std::vector<std::uint8_t> payload_;
  bool in_batch_ = false, size_given_ = false;
  std::uint64_t size_ = 0;
};

inline std::vector<std::uint8_t> assemble(const std::string& text) {
  Assembler assembler;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) assembler.line(line);
  assembler.end_batch();
  return assembler.bytes;
}

// Strings and stacks of one generation, and a nanosecond as its tick. Stack 1 is main.work, called
// by main.main; 2 is runtime.growslice, called by main.grow; 3 the runtime alone; 4 main.release.
inline std::string tables(int gen) {
  const std::string batch =
      "EventBatch gen=" + std::to_string(gen) + " m=18446744073709551615 time=0\n";
  return batch + "Frequency freq=1000000000\n" + batch +
         "Stacks\n"
         "Stack id=1 n=2\n\tpc=1 func=1 file=9 line=10\n\tpc=2 func=2 file=9 line=20\n"
         "Stack id=2 n=2\n\tpc=3 func=3 file=9 line=30\n\tpc=4 func=4 file=9 line=40\n"
         "Stack id=3 n=1\n\tpc=5 func=5 file=9 line=50\n"
         "Stack id=4 n=1\n\tpc=6 func=6 file=9 line=60\n" +
         batch +
         "Strings\n"
         "String id=1\n\tdata=\"main.work\"\nString id=2\n\tdata=\"main.main\"\n"
         "String id=3\n\tdata=\"runtime.growslice\"\nString id=4\n\tdata=\"main.grow\"\n"
         "String id=5\n\tdata=\"runtime.gopark\"\nString id=6\n\tdata=\"main.release\"\n"
         "String id=9\n\tdata=\"main.go\"\nString id=10\n\tdata=\"preempted\"\n"
         "String id=11\n\tdata=\"sync\"\nString id=12\n\tdata=\"GC sweep termination\"\n"
         "String id=13\n\tdata=\"system goroutine wait\"\n";
}

// Goroutine 1 runs on thread 1 and processor 0, goroutine 2 on thread 2 and processor 1.
inline std::string two_threads(const std::string& first, const std::string& second, int gen = 1) {
  const std::string g = std::to_string(gen);
  return "EventBatch gen=" + g +
         " m=1 time=1000\nProcStatus dt=0 p=0 s=1\nGoStatus dt=0 g=1 m=1 s=2\n" + first +
         "EventBatch gen=" + g +
         " m=2 time=1000\nProcStatus dt=0 p=1 s=1\nGoStatus dt=0 g=2 m=2 s=2\n" + second +
         tables(gen);
}

inline Result<evidence::Evidence> read_bytes(std::vector<std::uint8_t> bytes, bool verify = false,
                                             unsigned threads = 1) {
  ReadOptions options;
  options.verify = verify;
  options.threads = threads;
  return read_go_trace(Input::from_bytes("test.trace", std::move(bytes)), options);
}
inline Result<evidence::Evidence> read_text(const std::string& text, bool verify = false) {
  return read_bytes(assemble(text), verify);
}

// Files of a test: as they are, or what is in a .gz. (assembler_test.cpp)
std::vector<std::uint8_t> read_file(const std::filesystem::path& path);

// Data that others made, beside the source tree or where ULLAGE_SHARED_DATA says; may be missing.
inline std::filesystem::path shared_data() {
  const char* given = std::getenv("ULLAGE_SHARED_DATA");
  return given != nullptr ? std::filesystem::path(given)
                          : std::filesystem::path(ULLAGE_SOURCE_DIR) / "../shared/data";
}
inline std::filesystem::path testdata() {
  return std::filesystem::path(ULLAGE_SOURCE_DIR) / "src/trace/go_trace/testdata";
}

}  // namespace ullage::trace::go
