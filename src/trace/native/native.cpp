// SPDX-License-Identifier: Apache-2.0
#include "trace/native/native.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "record/reader.h"
#include "trace/native/facts.h"
#include "trace/native/frames.h"
#include "trace/native/linker.h"
#include "trace/native/load.h"
#include "trace/native/sites.h"
#include "trace/native/stream.h"
#include "trace/native/symbols.h"

namespace ullage::trace {
namespace {

// Share of the work that is done when the events are linked; symbols are the rest.
constexpr double kEventsShare = 0.8;

}  // namespace

Result<evidence::Evidence> read_recording(const std::string& path, const ReadOptions& options) {
  std::string error;
  const auto recording = record::Recording::open(path, error);
  if (recording == nullptr) return Error{Code::kInvalid, error};
  return read_recording(*recording, options);
}

Result<evidence::Evidence> read_recording(const record::Recording& recording,
                                          const ReadOptions& options) {
  Loaded loaded = load(recording);
  Linker linker{loaded.stacks,
                {.clock = loaded.clock, .sample_bytes = recording.header().sample_bytes}};
  EventStream stream{recording};
  if (options.progress) {
    stream.on_progress([&](double share) { options.progress(share * kEventsShare); });
  }
  stream.for_each([&](const record::Event& e) { linker.add(e); },
                  [&](const record::Event& e) { linker.prefetch(e); });
  linker.finish();

  evidence::Evidence out;
  fill_facts(recording, loaded, stream.damage(), linker, out);
  std::optional<Symbolizer> symbols;
  if (options.symbolize) {
    symbols.emplace(loaded.modules, SymbolOptions{.debuginfod = options.debuginfod,
                                                  .debug_dirs = options.debug_dirs});
    symbols->resolve(addresses_of_interest(linker));
  }
  Frames frames{loaded.stacks, loaded.modules, symbols ? &*symbols : nullptr};
  fill_growth_sites(linker, frames, symbols ? &*symbols : nullptr, out);
  fill_container_sites(linker, frames, out);
  fill_allocation_sites(linker, frames, out);
  fill_thread_names(linker, out);
  if (symbols) {
    out.process.missing_debug = symbols->missing_debug();
    for (const std::string& note : symbols->notes()) out.understood.notes.push_back(note);
    out.process.symbols_missing = mostly_unnamed(out);
  }
  if (options.progress) options.progress(1.0);
  return out;
}

}  // namespace ullage::trace
