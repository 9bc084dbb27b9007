// SPDX-License-Identifier: Apache-2.0
#include "trace/jvm_gc/reader.h"

#include <string>
#include <utility>

#include "trace/jvm_dump/exceptions.h"
#include "trace/jvm_gc/builder.h"
#include "trace/jvm_gc/decorations.h"
#include "trace/jvm_gc/preunified.h"
#include "trace/jvm_gc/scan.h"
#include "trace/jvm_gc/unified.h"

namespace ullage::trace {
namespace {

using namespace jvm;  // NOLINT(google-build-using-namespace)

enum class Form { kNone, kUnified, kPreunified };

// Progress is told, and read pages are given back, after each of these.
constexpr std::size_t kChunkBytes = 8 << 20;

// Tags that only a JVM's own log has: a log of everything (-Xlog:all) begins with others than gc.
bool is_jvm_tag(std::string_view tags) {
  for (const std::string_view tag : {"gc", "safepoint", "os", "pagesize", "arguments", "cds",
                                     "startuptime", "codecache", "biasedlocking", "logging"}) {
    if (tags == tag || (tags.starts_with(tag) && tags[tag.size()] == ',')) return true;
  }
  return tags.starts_with("class,") || tags.starts_with("jit,");
}

Form form_of_line(std::string_view line) {
  const Decorations d = parse_decorations(line);
  if (d.has_level && is_jvm_tag(d.tags)) return Form::kUnified;
  if (is_unified_message(d.message)) return Form::kUnified;
  return is_preunified_line(line) ? Form::kPreunified : Form::kNone;
}

// By the first line that tells: a program may print before its JVM does.
Form form_of(std::string_view text) {
  while (!text.empty()) {
    const Form form = form_of_line(next_line(text));
    if (form != Form::kNone) return form;
  }
  return Form::kNone;
}

template <class Parser>
void feed_all(const Input& input, const ReadOptions& options, Parser& parser, Builder& builder) {
  std::string_view text = input.text();
  ExceptionScanner exceptions(builder.incident());
  std::uint64_t number = 0;
  std::size_t told = 0;
  while (!text.empty()) {
    const std::string_view line = next_line(text);
    ++number;
    if (parser.feed(line, number) || exceptions.feed(line, number)) {
      builder.understood();
    } else {
      builder.not_understood();
    }
    const std::size_t at = input.text().size() - text.size();
    if (at - told >= kChunkBytes) {
      input.drop(told, at - told);
      told = at;
      if (options.progress) {
        options.progress(static_cast<double>(at) / static_cast<double>(input.text().size()));
      }
    }
  }
  parser.finish();
  exceptions.finish();
}

}  // namespace

bool sniff_jvm_gc(std::span<const std::uint8_t> first_bytes) {
  const std::string_view text{reinterpret_cast<const char*>(first_bytes.data()),
                              first_bytes.size()};
  if (text.find('\0') != std::string_view::npos) return false;
  return form_of(text) != Form::kNone;
}

Result<evidence::Evidence> read_jvm_gc(const Input& input, const ReadOptions& options) {
  const Form form = form_of(input.text().substr(0, kSniffTextBytes));
  if (form == Form::kNone) {
    return Error{Code::kInvalid, input.name() +
                                     ": no line of a JVM's garbage collection log.\n"
                                     "  Expected what -Xlog:gc* (JDK 9 and later) or "
                                     "-XX:+PrintGCDetails (JDK 8) writes."};
  }
  Builder builder;
  if (form == Form::kUnified) {
    UnifiedParser parser(builder);
    feed_all(input, options, parser, builder);
  } else {
    PreunifiedParser parser(builder);
    feed_all(input, options, parser, builder);
  }
  const bool cut = !input.text().empty() && input.text().back() != '\n';
  evidence::Evidence evidence;
  evidence.incident = builder.take(input.name(), input.bytes().size());
  evidence::Artefact& artefact = evidence.incident.artefacts.front();
  artefact.format =
      form == Form::kUnified ? "JVM GC log (unified)" : "JVM GC log (JDK 8 and before)";
  artefact.cut = cut;
  const evidence::RuntimeFacts& facts = evidence.incident.facts;
  artefact.version = facts.version.empty() ? "" : "JDK " + facts.version;
  if (!facts.collector.empty()) {
    artefact.version += (artefact.version.empty() ? "" : ", ") + facts.collector;
  }
  if (options.progress) options.progress(1.0);
  return evidence;
}

}  // namespace ullage::trace
