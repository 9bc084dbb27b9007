// SPDX-License-Identifier: Apache-2.0
#pragma once

// What input_open.cpp is made of: telling what is packed, and unpacking it (libarchive).

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "trace/input_open.h"

namespace ullage::trace {

// What was taken of InputLimits so far.
struct InputBudget {
  InputLimits limits;
  std::size_t files = 0;
  std::uint64_t given_bytes = 0;  // of all files, as they are
  std::uint64_t unpacked_bytes = 0;

  // Takes `bytes` more that came out of the first `packed_bytes` of something, `out_bytes` before
  // them. A bomb is known by what it gave so far: nobody waits for its end.
  Result<void> take(const std::string& name, std::uint64_t bytes, std::uint64_t packed_bytes,
                    std::uint64_t out_bytes);
};

// Collects bytes of unknown number: in memory at first, then in an unlinked temporary file.
class Spool {
 public:
  explicit Spool(std::string name) : name_(std::move(name)) {}
  Spool(const Spool&) = delete;
  Spool& operator=(const Spool&) = delete;
  ~Spool();
  Result<void> append(std::span<const std::uint8_t> bytes);
  Result<Input> finish();
  std::uint64_t size() const { return size_; }

 private:
  Result<void> write_out(std::span<const std::uint8_t> bytes);
  Error failed(const char* what) const;
  std::string name_, folder_;
  std::vector<std::uint8_t> memory_;
  int descriptor_ = -1;
  std::uint64_t size_ = 0;
};

enum class Packaging {
  kNone,
  kStream,   // gzip, zstd, xz: one file, compressed
  kArchive,  // tar, zip: members
};
Packaging packaging_of(std::span<const std::uint8_t> bytes);

// The bytes within a compressed stream, under the same name. What a damaged stream gave before the
// damage is a value with a loss(); an error when it gave nothing.
Result<Input> decompress(const Input& input, InputBudget& budget);

// Calls `member` for every file in an archive, in its order, with the input or why there is none;
// stops when it says false. A damaged archive is one last call with the error.
void for_each_member(const Input& archive, InputBudget& budget,
                     const std::function<bool(const std::string& name, Result<Input>)>& member);

}  // namespace ullage::trace
