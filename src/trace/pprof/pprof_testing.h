// SPDX-License-Identifier: Apache-2.0
#pragma once

// Writes pprof profiles for tests, in the order Go does: sample types, samples, tables, strings.

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ullage::trace {

class ProfileBuilder {
 public:
  using Bytes = std::vector<std::uint8_t>;
  struct Line {
    std::string function, file;
    std::uint64_t line = 0;
  };

  explicit ProfileBuilder(std::initializer_list<std::pair<const char*, const char*>> types) {
    for (const auto& [type, unit] : types) {
      Bytes m;
      number(m, 1, string(type));
      number(m, 2, string(unit));
      message(head_, 1, m);
    }
  }
  void mapping(std::uint64_t start, std::uint64_t offset, std::string_view file,
               std::string_view build_id) {
    Bytes m;
    number(m, 1, 1);
    number(m, 2, start);
    number(m, 3, start + 0x100000);
    number(m, 4, offset);
    number(m, 5, string(file));
    number(m, 6, string(build_id));
    message(tables_, 3, m);
  }
  // Lines innermost first; returns its id.
  std::uint64_t location(std::uint64_t address, const std::vector<Line>& lines) {
    Bytes m;
    number(m, 1, ++locations_);
    number(m, 2, 1);
    number(m, 3, address);
    for (const Line& line : lines) {
      Bytes f;
      number(f, 1, ++functions_);
      number(f, 2, string(line.function));
      number(f, 4, string(line.file));
      message(functions_bytes_, 5, f);
      Bytes l;
      number(l, 1, functions_);
      number(l, 2, line.line);
      message(m, 4, l);
    }
    message(tables_, 4, m);
    return locations_;
  }
  std::uint64_t location(std::uint64_t address, const std::string& function) {
    return location(address, {{function, "app/main.go", address & 0xff}});
  }
  void sample(const std::vector<std::uint64_t>& locations, const std::vector<std::int64_t>& values,
              std::uint64_t bytes_label = 0) {
    Bytes m, packed;
    for (const std::uint64_t id : locations) varint(packed, id);
    message(m, 1, packed);
    packed.clear();
    for (const std::int64_t v : values) varint(packed, static_cast<std::uint64_t>(v));
    message(m, 2, packed);
    if (bytes_label > 0) {
      Bytes label;
      number(label, 1, string("bytes"));
      number(label, 3, bytes_label);
      message(m, 3, label);
    }
    message(samples_, 2, m);
  }
  void time(std::int64_t ns) { number(tail_, 9, static_cast<std::uint64_t>(ns)); }
  void duration(std::int64_t ns) { number(tail_, 10, static_cast<std::uint64_t>(ns)); }
  void default_type(std::string_view type) { number(tail_, 14, string(type)); }

  Bytes build() const {
    Bytes all = head_;
    for (const Bytes* part : {&samples_, &tables_, &functions_bytes_, &tail_}) {
      all.insert(all.end(), part->begin(), part->end());
    }
    for (const std::string& s : strings_) message(all, 6, {s.begin(), s.end()});
    return all;
  }

  static void varint(Bytes& to, std::uint64_t v) {
    for (; v >= 0x80; v >>= 7) to.push_back(static_cast<std::uint8_t>(v | 0x80));
    to.push_back(static_cast<std::uint8_t>(v));
  }
  static void number(Bytes& to, unsigned field, std::uint64_t v) {
    varint(to, field << 3);
    varint(to, v);
  }
  static void message(Bytes& to, unsigned field, const Bytes& m) {
    varint(to, field << 3 | 2);
    varint(to, m.size());
    to.insert(to.end(), m.begin(), m.end());
  }

 private:
  std::uint64_t string(std::string_view text) {
    for (std::size_t i = 0; i < strings_.size(); ++i) {
      if (strings_[i] == text) return i;
    }
    strings_.emplace_back(text);
    return strings_.size() - 1;
  }

  Bytes head_, samples_, tables_, functions_bytes_, tail_;
  std::vector<std::string> strings_{""};
  std::uint64_t locations_ = 0, functions_ = 0;
};

}  // namespace ullage::trace
