// SPDX-License-Identifier: Apache-2.0
#pragma once

// Input: the bytes of one artefact, wherever they came from. A plain file is mapped; what was
// compressed, archived or piped is unpacked into an unlinked temporary file first and mapped from
// there, so a reader always sees one flat range and nothing large lives on the heap.
//
//   auto inputs = trace::open_inputs("incident.tar.gz");   // input_open.h: one per member
//   for (const trace::Input& input : inputs.value()) read(input.bytes());
//
// Threads: an Input may be read by any number of threads; dropping pages is advice only.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
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
  // Maps a file that has no name any more, and owns its descriptor from now on.
  static Result<Input> adopt(std::string name, int descriptor);
  // A range of this one under a name of its own (a member of an archive); shares the storage.
  Input part(std::string name, std::size_t offset, std::size_t size) const;

  const std::string& name() const { return name_; }  // as a person should see it
  std::span<const std::uint8_t> bytes() const { return bytes_; }
  std::string_view text() const {
    return {reinterpret_cast<const char*>(bytes_.data()), bytes_.size()};
  }
  // A path that opens the same bytes again while this lives, for libraries that want one; empty for
  // from_bytes, parts and small members.
  const std::string& path() const { return path_; }
  // What was lost on the way here, as a sentence ("cut short: ..."); empty: nothing.
  const std::string& loss() const { return loss_; }
  void set_loss(std::string loss) { loss_ = std::move(loss); }
  // The pages of this range are not needed again soon: lets the kernel take them back.
  void drop(std::size_t offset, std::size_t size) const;

 private:
  struct Storage;
  static Result<Input> map_descriptor(std::string name, int descriptor);
  std::string name_, path_, loss_;
  std::span<const std::uint8_t> bytes_;
  std::shared_ptr<Storage> storage_;
};

}  // namespace ullage::trace
