// SPDX-License-Identifier: Apache-2.0
#pragma once

// ProtobufWriter: the three kinds of protobuf field that profile.proto uses, nothing more.
//
//   ProtobufWriter line;
//   line.number(1, function_id);     // varint; zero is left out, as proto3 does
//   ProtobufWriter location;
//   location.message(4, line);       // length-delimited
//   location.packed(2, values);      // repeated numbers, zeros kept
//
// Appends to a string; allocates nothing else. Field numbers are below 2^28.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ullage::diagnose {

class ProtobufWriter {
 public:
  void number(unsigned field, std::uint64_t value) {
    if (value == 0) return;
    varint(field << 3);
    varint(value);
  }
  void text(unsigned field, std::string_view value) { bytes(field, value); }
  void message(unsigned field, const ProtobufWriter& value) { bytes(field, value.out_); }
  void packed(unsigned field, const std::vector<std::uint64_t>& values) {
    ProtobufWriter inner;
    for (const std::uint64_t value : values) inner.varint(value);
    bytes(field, inner.out_);
  }
  const std::string& out() const { return out_; }

 private:
  void bytes(unsigned field, std::string_view value) {
    varint(field << 3 | 2);
    varint(value.size());
    out_ += value;
  }
  void varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) out_ += static_cast<char>(value | 0x80);
    out_ += static_cast<char>(value);
  }

  std::string out_;
};

}  // namespace ullage::diagnose
