// SPDX-License-Identifier: Apache-2.0
#pragma once

// Readers: from the bytes of an incident to evidence, whatever format they have.
//
//   std::vector<InputReport> reports;
//   auto parts = trace::read_all({"incident.tar.gz", "server.log"}, {.progress = show}, &reports);
//   if (!parts.ok()) return parts.error();         // nothing at all could be read
//   for (const InputReport& r : reports) tell(r);  // what each input was, and what went wrong
//
// A reader is one line in readers.def: a name, a function that knows its format by the first bytes,
// and one that reads it. Threads: any.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "evidence/evidence.h"
#include "trace/input.h"

namespace ullage::trace {

struct GoBinary;  // go_binary/go_binary.h

struct ReadOptions {
  bool symbolize = true;    // false: module+offset only
  bool debuginfod = false;  // may ask DEBUGINFOD_URLS over the network
  std::vector<std::string> debug_dirs = {};
  std::function<void(double fraction)> progress = {};  // 0 to 1, never less than before
  bool verify = false;   // Go traces: read in strict order, every sequence checked
  unsigned threads = 0;  // 0: as many as there are processors
  // Binaries given beside the artefacts: profiles are decoded with the one of their build id.
  std::vector<std::shared_ptr<const GoBinary>> go_binaries = {};
};

// Bytes from the start of a file that a reader may look at to know its format.
inline constexpr std::size_t kSniffBytes = 4096;

// Bytes of a text that a reader may look at when its first line comes late.
inline constexpr std::size_t kSniffTextBytes = std::size_t{64} << 20;

struct Reader {
  const char* name;     // "ULG1"
  const char* summary;  // "recordings of ullage record"
  bool (*sniff)(std::span<const std::uint8_t> first_bytes);
  Result<evidence::Evidence> (*read)(const Input& input, const ReadOptions& options);
  // Lines of it may stand anywhere in a text, among those of others: sniffed a second time with up
  // to kSniffTextBytes of it, and several such readers may read the same input.
  bool anywhere = false;
};
const std::vector<Reader>& readers();

// Binaries given beside the artefacts. They are opened before anything is read, and reach the
// readers by ReadOptions::go_binaries.
struct BinaryOpener {
  const char* name;     // "Go binary"
  const char* summary;  // "programs, for the call sites in their profiles"
  bool (*sniff)(std::span<const std::uint8_t> first_bytes);
  Result<std::shared_ptr<const GoBinary>> (*open)(const Input& input);
};
const std::vector<BinaryOpener>& binary_openers();

// What became of one input.
struct InputReport {
  enum class Kind {
    kRead,           // has given evidence
    kBinary,         // helps to read the others
    kEmpty,          // has no bytes
    kNotRecognised,  // found in a folder or archive, of no format that is known
    kSame,           // has the bytes of another, which was read
    kFailed,         // `message` says why
  };
  std::string name;
  Kind kind = Kind::kNotRecognised;
  std::string format;  // names of its readers, parted by " + "; empty = none
  std::uint64_t bytes = 0;
  std::string message;  // of a failure, or of what was lost; begins with the name
};
const char* to_string(InputReport::Kind kind);

// What an input would be read as. kRead here means that a reader knows it.
InputReport recognise(const Input& input);

// Everything under these paths (input_open.h), each with its readers. One evidence for each input
// and reader, in the order of the inputs. One bad file does not hide the others: it is in
// `reports`. Fails when nothing could be read, with what the reports say.
Result<std::vector<evidence::Evidence>> read_all(const std::vector<std::string>& paths,
                                                 const ReadOptions& options,
                                                 std::vector<InputReport>* reports = nullptr);

// Reads one file that is not packed, with the first reader that knows it.
Result<evidence::Evidence> read(const std::string& path, const ReadOptions& options);

}  // namespace ullage::trace
