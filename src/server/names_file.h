// SPDX-License-Identifier: Apache-2.0
#pragma once

// NamesFile: a file of keys, one on a line, read a part at a time however large it is.
//
//   Result<std::unique_ptr<NamesFile>> file = NamesFile::open(path);
//   bool more = true;
//   while (more) { more = file.value()->next(names).value(); ...names... }
//
// Empty lines and those that are too long for a key are left out. Threads: one at a time.

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace ullage::server {

class NamesFile {
 public:
  static constexpr std::size_t kPartBytes = std::size_t{1} << 20;

  // Does not wait for a writer: what is no regular file is refused.
  static Result<std::unique_ptr<NamesFile>> open(const std::string& path);
  ~NamesFile();
  NamesFile(const NamesFile&) = delete;
  NamesFile& operator=(const NamesFile&) = delete;

  // Replaces `names` by those of the next part, which may be none. False: that was all.
  Result<bool> next(std::vector<std::string>& names);

 private:
  NamesFile(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}
  void take(std::string_view line, std::vector<std::string>& names);

  const std::string path_;
  const int fd_;
  std::string part_, rest_;  // `rest_`: of a line that goes on in the next part
  bool too_long_ = false;    // that line is
};

}  // namespace ullage::server
