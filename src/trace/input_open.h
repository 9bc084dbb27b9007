// SPDX-License-Identifier: Apache-2.0
#pragma once

// open_inputs: everything that can be read under one name.
//
//   std::vector<InputProblem> problems;
//   auto inputs = trace::open_inputs("incident/", {}, &problems);
//   if (!inputs.ok()) return inputs.error();     // nothing at all could be read
//   for (const InputProblem& p : problems) tell(p.message);
//
// A file is mapped as it is. gzip, zstd and xz are decompressed by magic, whatever the name;
// tar (ustar, pax, GNU) and zip archives give one input for each member, named "archive!member";
// folders are walked, hidden files left out. "-" is standard input; pipes are read to their end.
// The order is that of the names, numbers in them by value: gc.log.2 comes before gc.log.10.
//
// Cost    What was compressed or piped goes to an unlinked temporary file in $TMPDIR (else /tmp),
//         pieces of up to kInMemoryBytesMax stay in memory. Members stored as they are take no
//         copy.
// Limits  InputLimits. What meets one is left out with a problem that names it; the rest is read.

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "trace/input.h"

namespace ullage::trace {

// Files and members of one call. An incident has dozens; a mistyped "/" has millions.
inline constexpr std::size_t kInputFilesMax = 10'000;
// Folders within folders.
inline constexpr unsigned kFolderDepthMax = 16;
// Archives and compressed streams within each other; "x.tar.gz" in a zip is three.
inline constexpr unsigned kPackDepthMax = 4;
// Bytes unpacked or piped by one call: temporary space that may be taken.
inline constexpr std::uint64_t kUnpackedBytesMax = std::uint64_t{64} << 30;
// Unpacked bytes for each packed one that was read so far, beyond kRatioFreeBytes; and all that one
// call unpacks for each byte that it was given. Logs reach 50, dumps with many zeros 200; a bomb of
// gzip 1000, of zstd and xz more.
inline constexpr std::uint64_t kUnpackRatioMax = 250;
// Below this a high ratio does no harm: 256 MiB of temporary space, half a second.
inline constexpr std::uint64_t kRatioFreeBytes = std::uint64_t{256} << 20;
// Unpacked pieces that stay in memory; larger ones have a temporary file.
inline constexpr std::size_t kInMemoryBytesMax = std::size_t{256} << 10;

struct InputLimits {
  std::size_t files_max = kInputFilesMax;
  unsigned folder_depth_max = kFolderDepthMax;
  unsigned pack_depth_max = kPackDepthMax;
  std::uint64_t unpacked_bytes_max = kUnpackedBytesMax;
  std::uint64_t ratio_max = kUnpackRatioMax;
  std::uint64_t ratio_free_bytes = kRatioFreeBytes;
};

// Something under the name that could not be read, or was left out.
struct InputProblem {
  std::string name;  // of the file or member
  Error error;       // its message begins with the name
};
// Problems kept by one call; the last one says that there were more.
inline constexpr std::size_t kInputProblemsMax = 1000;

// Fails when nothing could be read, with the first problem. Otherwise what was not read goes to
// `problems`, where that is given.
Result<std::vector<Input>> open_inputs(const std::string& path, const InputLimits& limits = {},
                                       std::vector<InputProblem>* problems = nullptr);

// The same for bytes that are here already: unpacks what is packed.
std::vector<Input> unpack_inputs(const Input& input, const InputLimits& limits = {},
                                 std::vector<InputProblem>* problems = nullptr);

// Whether `a` comes before `b`: by characters, runs of digits by their value.
bool name_before(const std::string& a, const std::string& b);

}  // namespace ullage::trace
