// SPDX-License-Identifier: Apache-2.0
#pragma once

// Where a Recording's bytes come from. Read with pread: a mapped file that is cut short while it is
// read would be a SIGBUS.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace ullage::record {

class ByteSource {
 public:
  virtual ~ByteSource() = default;
  virtual uint64_t bytes() const = 0;
  // Bytes read: less than `count` only at the end of the source or where reading fails.
  virtual size_t read(uint64_t offset, void* out, size_t count) const = 0;
  // First offset >= `offset` that may hold something else than zeros; bytes() when there is none.
  virtual uint64_t next_data(uint64_t offset) const = 0;
};

// nullptr: `error` says why, without the path. Only regular files are opened.
std::unique_ptr<ByteSource> open_file_source(const std::string& path, std::string& error);
std::unique_ptr<ByteSource> memory_source(std::vector<uint8_t> bytes);

}  // namespace ullage::record
