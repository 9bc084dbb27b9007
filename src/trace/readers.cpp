// SPDX-License-Identifier: Apache-2.0
#include "trace/readers.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "record/layout.h"
#include "trace/go_binary/reader.h"
#include "trace/native/native.h"

namespace ullage::trace {
namespace {

bool sniff_recording(std::span<const std::uint8_t> bytes) {
  return bytes.size() >= sizeof record::kFileMagic &&
         std::memcmp(bytes.data(), record::kFileMagic, sizeof record::kFileMagic) == 0;
}

Result<evidence::Evidence> read_ulg1(const Input& input, const ReadOptions& options) {
  return read_recording(input.path(), options);
}

struct Close {
  void operator()(std::FILE* f) const { std::fclose(f); }
};

}  // namespace

const std::vector<Reader>& readers() {
#define READER(name, summary, sniff, read) {name, summary, sniff, read},
  static const std::vector<Reader> kReaders = {
#include "trace/readers.def"
  };
#undef READER
  return kReaders;
}

Result<evidence::Evidence> read(const std::string& path, const ReadOptions& options) {
  std::uint8_t first[kSniffBytes];
  std::size_t count = 0;
  {
    const std::unique_ptr<std::FILE, Close> file(std::fopen(path.c_str(), "rbe"));
    if (file == nullptr) {
      return Error{errno == ENOENT ? Code::kNotFound : Code::kIo,
                   path + ": can't be opened: " + std::strerror(errno) +
                       ".\n  Expected a recording. Make one with: ullage record -- CMD"};
    }
    count = std::fread(first, 1, sizeof first, file.get());
    if (count == 0 && std::ferror(file.get()) != 0) {
      return Error{Code::kIo, path + ": can't be read: " + std::strerror(errno) +
                                  ".\n  Expected a recording. Make one with: ullage record -- CMD"};
    }
  }
  if (count == 0) {
    return Error{Code::kUnsupported,
                 path + ": is empty.\n  Expected a recording. Make one with: ullage record -- CMD"};
  }
  for (const Reader& reader : readers()) {
    if (reader.sniff({first, count})) {
      Result<Input> input = Input::map(path);
      if (!input.ok()) return input.error();
      return reader.read(input.value(), options);
    }
  }
  std::string known;
  for (const Reader& reader : readers()) {
    known += std::string(known.empty() ? "" : ", ") + reader.name + " (" + reader.summary + ")";
  }
  return Error{Code::kUnsupported, path + ": not a format that is known here: " + known +
                                       ".\n  Make a recording with: ullage record -- CMD"};
}

}  // namespace ullage::trace
