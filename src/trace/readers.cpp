// SPDX-License-Identifier: Apache-2.0
#include "trace/readers.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>

#include "base/format.h"
#include "record/layout.h"
#include "record/reader.h"
#include "trace/gctrace/reader.h"
#include "trace/go_binary/go_binary.h"
#include "trace/go_binary/reader.h"
#include "trace/go_trace/reader.h"
#include "trace/heap_dump/reader.h"
#include "trace/incident_manifest/reader.h"
#include "trace/input_open.h"
#include "trace/jvm_dump/reader.h"
#include "trace/jvm_gc/reader.h"
#include "trace/native/native.h"
#include "trace/pprof/reader.h"
#include "trace/runtime_metrics/reader.h"

namespace ullage::trace {
namespace {

constexpr const char* kMakeOne = "\n  Make a recording with: ullage record -- CMD";

bool sniff_recording(std::span<const std::uint8_t> bytes) {
  return bytes.size() >= sizeof record::kFileMagic &&
         std::memcmp(bytes.data(), record::kFileMagic, sizeof record::kFileMagic) == 0;
}

Result<evidence::Evidence> read_ulg1(const Input& input, const ReadOptions& options) {
  if (!input.path().empty()) {
    Result<evidence::Evidence> evidence = read_recording(input.path(), options);
    if (evidence.ok()) evidence->process.source = input.name();
    return evidence;
  }
  std::string error;
  const auto recording = record::Recording::from_bytes({input.bytes().begin(), input.bytes().end()},
                                                       input.name(), error);
  if (recording == nullptr) return Error{Code::kInvalid, error};
  return read_recording(*recording, options);
}

// ---- which readers

bool is_text(std::span<const std::uint8_t> bytes) {
  const auto first = bytes.first(std::min(bytes.size(), kSniffBytes));
  return std::find(first.begin(), first.end(), 0) == first.end();
}

// The first one that knows it, and every further one whose lines may stand beside its.
std::vector<const Reader*> readers_of(const Input& input) {
  std::vector<const Reader*> found;
  const auto bytes = input.bytes();
  const auto first = bytes.first(std::min(bytes.size(), kSniffBytes));
  for (const Reader& reader : readers()) {
    if ((found.empty() || reader.anywhere) && reader.sniff(first)) found.push_back(&reader);
  }
  if (!is_text(bytes) || (!found.empty() && !found.front()->anywhere)) return found;
  const auto text = bytes.first(std::min(bytes.size(), kSniffTextBytes));
  for (const Reader& reader : readers()) {
    if (!reader.anywhere || std::find(found.begin(), found.end(), &reader) != found.end()) continue;
    if (reader.sniff(text)) found.push_back(&reader);
  }
  return found;
}

const BinaryOpener* opener_of(const Input& input) {
  const auto first = input.bytes().first(std::min(input.bytes().size(), kSniffBytes));
  for (const BinaryOpener& opener : binary_openers()) {
    if (opener.sniff(first)) return &opener;
  }
  return nullptr;
}

std::string known_formats() {
  std::string known;
  const auto add = [&known](const char* name, const char* summary) {
    known += std::string(known.empty() ? "" : ", ") + name + " (" + summary + ")";
  };
  for (const Reader& reader : readers()) add(reader.name, reader.summary);
  for (const BinaryOpener& opener : binary_openers()) add(opener.name, opener.summary);
  return known;
}

Error unknown_format(const std::string& name) {
  return {Code::kUnsupported,
          name + ": not a format that is known here: " + known_formats() + "." + kMakeOne};
}

InputReport describe(const Input& input, const BinaryOpener* opener,
                     const std::vector<const Reader*>& found) {
  InputReport report;
  report.name = input.name();
  report.bytes = input.bytes().size();
  if (!input.loss().empty()) report.message = input.name() + ": " + input.loss();
  if (opener != nullptr) {
    report.kind = InputReport::Kind::kBinary;
    report.format = opener->name;
  } else if (!found.empty()) {
    report.kind = InputReport::Kind::kRead;
    for (const Reader* reader : found) {
      report.format += std::string(report.format.empty() ? "" : " + ") + reader->name;
    }
  } else if (input.bytes().empty()) {
    report.kind = InputReport::Kind::kEmpty;
  }
  return report;
}

// ---- reading all

// What is common to all readers: the name, and what was lost before they saw the bytes.
void complete(const Input& input, evidence::Evidence& evidence) {
  for (evidence::Artefact& artefact : evidence.incident.artefacts) {
    if (artefact.name.empty()) artefact.name = input.name();
    if (artefact.bytes == 0) artefact.bytes = input.bytes().size();
    if (input.loss().empty()) continue;
    artefact.cut = true;
    artefact.notes.push_back(input.loss());
  }
  if (evidence.incident.empty() && !input.loss().empty()) {
    evidence.understood.notes.push_back(input.loss());
  }
}

class ReadAll {
 public:
  explicit ReadAll(const ReadOptions& options) : options_(options), progress_(options.progress) {}

  void open(const std::string& path) {
    std::vector<InputProblem> problems;
    Result<std::vector<Input>> inputs = open_inputs(path, {}, &problems);
    if (!inputs.ok()) {
      fail(path, inputs.error());
      return;
    }
    for (const InputProblem& problem : problems) fail(problem.name, problem.error);
    const bool alone = inputs->size() == 1 && inputs->front().name() == path;
    for (Input& input : inputs.value()) add(std::move(input), alone);
  }

  Result<std::vector<evidence::Evidence>> read(std::vector<InputReport>* reports) {
    std::vector<evidence::Evidence> all;
    for (Job& job : jobs_) read(job, all);
    for (evidence::Evidence& binary : binaries_) all.push_back(std::move(binary));
    if (reports != nullptr) *reports = reports_;
    if (!all.empty()) return all;
    return first_error_ ? *first_error_ : nothing();
  }

 private:
  struct Job {
    Input input;
    std::vector<const Reader*> found;
    std::size_t report;
  };

  void fail(const std::string& name, const Error& error) {
    reports_.push_back({name, InputReport::Kind::kFailed, {}, 0, error.message});
    if (!first_error_) first_error_ = error;
  }

  void fail(InputReport& report, const Error& error) {
    report.kind = InputReport::Kind::kFailed;
    report.message += (report.message.empty() ? "" : "\n") + error.message;
    if (!first_error_) first_error_ = error;
  }

  void add(Input input, bool alone) {
    const BinaryOpener* opener = opener_of(input);
    std::vector<const Reader*> found;
    if (opener == nullptr) found = readers_of(input);
    InputReport report = describe(input, opener, found);
    if (opener != nullptr) {
      open_binary(*opener, input, alone, report);
    } else if (found.empty() && alone) {
      fail(report, input.bytes().empty() ? Error{Code::kUnsupported,
                                                 input.name() + ": is empty.\n  Expected one of: " +
                                                     known_formats() + "." + kMakeOne}
                                         : unknown_format(input.name()));
    }
    const auto same = std::find_if(jobs_.begin(), jobs_.end(), [&input](const Job& job) {
      return std::ranges::equal(job.input.bytes(), input.bytes());
    });
    if (!found.empty() && same != jobs_.end()) {  // counted twice, it would cost twice
      report.kind = InputReport::Kind::kSame;
      report.message = input.name() + ": has the bytes of " + same->input.name();
      found.clear();
    }
    reports_.push_back(std::move(report));
    if (found.empty()) return;
    bytes_total_ += input.bytes().size() * found.size();
    jobs_.push_back({std::move(input), std::move(found), reports_.size() - 1});
  }

  // A program beside other files is no mistake, whoever built it; one given by its name must serve.
  void open_binary(const BinaryOpener& opener, const Input& input, bool alone,
                   InputReport& report) {
    auto binary = opener.open(input);
    if (!binary.ok()) {
      if (alone) return fail(report, binary.error());
      report.kind = InputReport::Kind::kNotRecognised;
      report.message = binary.error().message;
      return;
    }
    binaries_.push_back(describe_go_binary(**binary, input));
    options_.go_binaries.push_back(std::move(*binary));
  }

  void read(Job& job, std::vector<evidence::Evidence>& all) {
    std::optional<Error> error;
    std::size_t read = 0;
    for (const Reader* reader : job.found) {
      options_.progress = part_of_progress(job.input.bytes().size());
      Result<evidence::Evidence> evidence = reader->read(job.input, options_);
      bytes_done_ += job.input.bytes().size();
      if (!evidence.ok()) {
        if (!error) error = evidence.error();
        continue;
      }
      complete(job.input, *evidence);
      all.push_back(std::move(*evidence));
      ++read;
    }
    if (read == 0) {
      fail(reports_[job.report], *error);
    } else if (error) {
      std::string& message = reports_[job.report].message;
      message += (message.empty() ? "" : "\n") + error->message;
    }
    job.input = {};  // its pages and its temporary file
  }

  std::function<void(double)> part_of_progress(std::uint64_t bytes) const {
    if (!progress_ || bytes_total_ == 0) return progress_;
    const double before = static_cast<double>(bytes_done_) / static_cast<double>(bytes_total_);
    const double share = static_cast<double>(bytes) / static_cast<double>(bytes_total_);
    return [this, before, share](double fraction) { progress_(before + share * fraction); };
  }

  Error nothing() const {
    std::string message = reports_.empty() ? std::string("nothing to read")
                                           : reports_.front().name + ": not recognised";
    if (reports_.size() > 1) {
      message += ", nor is anything of " + format_counted(reports_.size(), "file");
    }
    return {Code::kUnsupported,
            message + ". Formats that are known here: " + known_formats() + "." + kMakeOne};
  }

  ReadOptions options_;
  const std::function<void(double)> progress_;
  std::vector<Job> jobs_;
  std::vector<evidence::Evidence> binaries_;
  std::vector<InputReport> reports_;
  std::optional<Error> first_error_;
  std::uint64_t bytes_total_ = 0, bytes_done_ = 0;
};

}  // namespace

#define READER(name, summary, sniff, read)
#define TEXT_READER(name, summary, sniff, read)
#define BINARY(name, summary, sniff, open) {name, summary, sniff, open},
const std::vector<BinaryOpener>& binary_openers() {
  static const std::vector<BinaryOpener> kOpeners = {
#include "trace/readers.def"
  };
  return kOpeners;
}
#undef READER
#undef TEXT_READER
#undef BINARY

#define READER(name, summary, sniff, read) {name, summary, sniff, read, false},
#define TEXT_READER(name, summary, sniff, read) {name, summary, sniff, read, true},
#define BINARY(name, summary, sniff, open)
const std::vector<Reader>& readers() {
  static const std::vector<Reader> kReaders = {
#include "trace/readers.def"
  };
  return kReaders;
}

const char* to_string(InputReport::Kind kind) {
  switch (kind) {
    case InputReport::Kind::kRead:
      return "read";
    case InputReport::Kind::kBinary:
      return "binary";
    case InputReport::Kind::kEmpty:
      return "empty";
    case InputReport::Kind::kNotRecognised:
      return "not recognised";
    case InputReport::Kind::kSame:
      return "the same as another";
    case InputReport::Kind::kFailed:
      return "failed";
  }
  return "failed";
}

InputReport recognise(const Input& input) {
  return describe(input, opener_of(input), readers_of(input));
}

Result<std::vector<evidence::Evidence>> read_all(const std::vector<std::string>& paths,
                                                 const ReadOptions& options,
                                                 std::vector<InputReport>* reports) {
  ReadAll all(options);
  for (const std::string& path : paths) all.open(path);
  return all.read(reports);
}

Result<evidence::Evidence> read(const std::string& path, const ReadOptions& options) {
  Result<Input> input = Input::map(path);
  if (!input.ok()) {
    return Error{input.error().code, input.error().message +
                                         "\n  Expected a recording. Make one with: ullage record "
                                         "-- CMD"};
  }
  if (input->bytes().empty()) {
    return Error{Code::kUnsupported,
                 path + ": is empty.\n  Expected a recording. Make one with: ullage record -- CMD"};
  }
  const std::vector<const Reader*> found = readers_of(*input);
  if (found.empty()) return unknown_format(path);
  Result<evidence::Evidence> evidence = found.front()->read(*input, options);
  if (evidence.ok()) complete(*input, *evidence);
  return evidence;
}

}  // namespace ullage::trace
