// SPDX-License-Identifier: Apache-2.0
#pragma once

// Words of case files, and what they mean. Readers throw, so that their lines stay readable;
// read_case() turns that into an Error.

#include <cctype>
#include <cstdint>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/format.h"
#include "evidence/evidence.h"

namespace ullage::diagnose {

[[noreturn]] inline void fail(const std::string& why) { throw std::runtime_error(why); }

inline std::uint64_t bytes(const std::string& word) {
  const Result<std::uint64_t> value = parse_bytes(word);
  if (!value.ok()) fail(value.error().message);
  return value.value();
}

inline std::uint64_t time_ns(const std::string& word) {
  const Result<std::uint64_t> value = parse_duration_ns(word);
  if (!value.ok()) fail(value.error().message);
  return value.value();
}

class Words {
 public:
  explicit Words(const std::string& line) {
    std::istringstream in(line);
    for (std::string word; in >> word;) words_.push_back(word);
  }
  bool more() const { return at_ < words_.size(); }
  std::string peek() const { return more() ? words_[at_] : std::string(); }
  std::string next(const char* what) {
    if (!more()) fail(std::string("expected ") + what + " at the end of the line");
    return words_[at_++];
  }
  std::string rest() {
    std::string text;
    while (more()) text += (text.empty() ? "" : " ") + words_[at_++];
    return text;
  }

 private:
  std::vector<std::string> words_;
  std::size_t at_ = 0;
};

// "load_orders orders.cpp:88", the last word being the place when it has a colon and a number.
inline evidence::Frame frame(Words& words) {
  evidence::Frame frame;
  std::string text = words.rest();
  const std::size_t space = text.rfind(' ');
  const std::size_t colon = text.rfind(':');
  if (space != std::string::npos && colon != std::string::npos && colon > space &&
      colon + 1 < text.size() && std::isdigit(static_cast<unsigned char>(text[colon + 1]))) {
    frame.file = text.substr(space + 1, colon - space - 1);
    frame.line = std::stoi(text.substr(colon + 1));
    text.resize(space);
  }
  frame.function = text;
  frame.module = "shop";
  return frame;
}

// Pairs "name value" after the first value of a line.
inline void read_pairs(Words& words, const std::map<std::string, std::uint64_t*>& fields) {
  while (words.more()) {
    const std::string name = words.next("a name");
    const auto found = fields.find(name);
    if (found == fields.end()) fail("unknown field " + name);
    *found->second = bytes(words.next("a number"));
  }
}

}  // namespace ullage::diagnose
