// SPDX-License-Identifier: Apache-2.0
#include "trace/go_trace/stacks.h"

#include <algorithm>
#include <array>

namespace ullage::trace::go {
namespace {

// Ids up to here are remembered by a generation's cache: 4 MiB at most.
constexpr std::uint32_t kCachedIdsMax = 1 << 20;

constexpr std::array<std::string_view, 6> kCollectorRoots = {
    "runtime.gcBgMarkWorker", "runtime.bgsweep",  "runtime.bgscavenge",
    "runtime.gcDrain",        "runtime.markroot", "runtime.gcStart"};

}  // namespace

Stacks::Stacks() {
  texts_.emplace_back();
  text_ids_.emplace(texts_.back(), 0);
  entries_.emplace_back();
}

std::uint32_t Stacks::text_locked(std::string_view text) {
  const auto found = text_ids_.find(text);
  if (found != text_ids_.end()) return found->second;
  texts_.emplace_back(text);
  const auto id = static_cast<std::uint32_t>(texts_.size() - 1);
  text_ids_.emplace(texts_.back(), id);
  return id;
}

std::uint32_t Stacks::intern(const Tables& tables, std::uint64_t stack_id) {
  const std::span<const RawFrame> raw = tables.stack(stack_id);
  if (raw.empty()) return 0;
  std::vector<Frame> frames;
  frames.reserve(raw.size());
  const std::lock_guard lock(mutex_);
  std::uint64_t hash = raw.size();
  for (const RawFrame& r : raw) {
    const Frame frame{text_locked(tables.string(r.function)), text_locked(tables.string(r.file)),
                      static_cast<std::uint32_t>(std::min<std::uint64_t>(r.line, INT32_MAX))};
    frames.push_back(frame);
    for (const std::uint64_t part : {frame.function, frame.file, frame.line}) {
      hash = (hash ^ part) * 0x9e3779b97f4a7c15u;
      hash ^= hash >> 29;
    }
  }
  const auto [begin, end] = by_hash_.equal_range(hash);
  for (auto it = begin; it != end; ++it) {
    const Entry& entry = entries_[it->second];
    const auto first = frames_.begin() + static_cast<std::ptrdiff_t>(entry.begin);
    if (entry.count == frames.size() && std::equal(frames.begin(), frames.end(), first)) {
      return it->second | (entry.traits.runtime_only ? kRuntimeOnly : 0);
    }
  }
  const std::uint32_t id = add(frames, hash);
  return id | (entries_[id].traits.runtime_only ? kRuntimeOnly : 0);
}

std::uint32_t Stacks::add(const std::vector<Frame>& frames, std::uint64_t hash) {
  if (entries_.size() >= kStacksKept) {
    ++dropped_;
    return 0;
  }
  const auto id = static_cast<std::uint32_t>(entries_.size());
  entries_.push_back(
      {frames_.size(), static_cast<std::uint32_t>(frames.size()), hash, traits_of(frames)});
  frames_.insert(frames_.end(), frames.begin(), frames.end());
  by_hash_.emplace(hash, id);
  return id;
}

Stacks::Traits Stacks::traits_of(const std::vector<Frame>& frames) const {
  Traits traits;
  traits.runtime_only = true;
  for (const Frame& frame : frames) {
    const std::string& name = texts_[frame.function];
    if (traits.growth == evidence::CallKind::kUnknown) {
      const evidence::CallKind kind = evidence::call_kind_of(name);
      if (evidence::is_growth(kind)) traits.growth = kind;
    }
    if (name.starts_with("runtime.gcAssistAlloc")) traits.assist = true;
    if (std::any_of(kCollectorRoots.begin(), kCollectorRoots.end(),
                    [&name](std::string_view root) { return name.starts_with(root); })) {
      traits.collector = true;
    }
    if (!evidence::is_go_runtime(name)) traits.runtime_only = false;
  }
  return traits;
}

evidence::Stack Stacks::stack(std::uint32_t stack) const {
  evidence::Stack result;
  const Entry& entry = entries_[index(stack)];
  for (std::size_t i = 0; i < entry.count; ++i) {
    const Frame& raw = frames_[entry.begin + i];
    evidence::Frame frame;
    frame.function = texts_[raw.function];
    frame.file = texts_[raw.file];
    frame.line = static_cast<int>(raw.line);
    frame.library = evidence::is_go_runtime(frame.function);
    result.push_back(std::move(frame));
  }
  return result;
}

std::uint32_t StackCache::ask(std::uint32_t id) {
  if (id == 0) return 0;
  const std::uint32_t interned = stacks_.intern(*tables_, id);
  if (id < kCachedIdsMax) {
    if (id >= known_.size()) known_.resize(std::size_t{id} + 1 + id / 2, kAsk);
    known_[id] = interned;
  }
  return interned;
}

}  // namespace ullage::trace::go
