// SPDX-License-Identifier: Apache-2.0
#pragma once

// Input: the bytes of one artefact, wherever they came from. A plain file is mapped; what was
// compressed, archived or piped is unpacked into an unlinked temporary file first and mapped from
// there, so a reader always sees one flat range and nothing large lives on the heap.
//
//   auto inputs = trace::open_inputs("incident.tar.gz");   // one per member, recursively
//   for (const trace::Input& input : inputs.value()) read(input.bytes());
//
// Threads: an Input may be read by any number of threads; dropping pages is advice only.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace ullage::trace {

class Input {
 public:
  // Bytes that are in memory already (tests, fuzzers, small members).
  static Input from_bytes(std::string name, std::vector<std::uint8_t> bytes);
  static Input from_text(std::string name, std::string_view text);
  // Maps a file as it is: nothing is decompressed.
  static Result<Input> map(const std::string& path);

  const std::string& name() const { return name_; }  // as a person should see it
  std::span<const std::uint8_t> bytes() const { return bytes_; }
  std::string_view text() const {
    return {reinterpret_cast<const char*>(bytes_.data()), bytes_.size()};
  }
  // A path that opens the same bytes again, for libraries that want one; empty for from_bytes.
  const std::string& path() const { return path_; }
  // The pages of this range are not needed again soon: lets the kernel take them back.
  void drop(std::size_t offset, std::size_t size) const;

 private:
  struct Storage;
  std::string name_, path_;
  std::span<const std::uint8_t> bytes_;
  std::shared_ptr<const Storage> storage_;
};

}  // namespace ullage::trace
