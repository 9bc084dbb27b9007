// SPDX-License-Identifier: Apache-2.0
#pragma once

// Script: a program written down as the events it would cause, for tests of the linker. Not part of
// the product.
//
//   Script s;
//   // Frames are a function and a call site in it, outermost first.
//   const auto push = s.stack({{kMain, 1}, {kGrow, 1}});
//   const auto drop = s.stack({{kMain, 1}, {kGrow, 2}});
//   s.alloc(0x1000, 64, push);
//   s.run();
//   s.growth().places()

#include <cstdint>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "record/event.h"
#include "trace/native/linker.h"

namespace ullage::trace {

class Script {
 public:
  using Tag = record::Tag;
  static constexpr std::uint64_t kStep = 80;  // ticks between events
  static constexpr unsigned kShift = 3;

  // A function is any number; a call site is a number within it.
  static std::uint64_t function(std::uint64_t id) { return 0x400000 + id * 0x1000; }
  std::uint32_t stack(const std::vector<std::pair<std::uint64_t, std::uint64_t>>& frames) {
    std::uint32_t id = 0;
    for (const auto& [f, site] : frames)
      id = child(id, f == 0 ? record::kPcTruncated : function(f) + site);
    return id;
  }

  void alloc(std::uint64_t p, std::uint64_t size, std::uint32_t stack, Tag tag = Tag::kAlloc) {
    record::Event& e = next(tag, p);
    e.size = size;
    e.stack = stack;
  }
  void free(std::uint64_t p) { next(Tag::kFree, p); }
  void free(Tag tag, std::uint64_t p, std::uint32_t stack) { next(tag, p).stack = stack; }
  void free_unused(std::uint64_t p, std::uint64_t unused) { next(Tag::kFree, p).unused = unused; }
  void realloc(std::uint64_t old, std::uint64_t p, std::uint64_t size, std::uint32_t stack,
               std::uint64_t duration = 40, Tag tag = Tag::kRealloc) {
    record::Event& e = next(tag, p);
    e.size = size;
    e.stack = stack;
    e.old_address = old;
    e.duration = duration;
  }
  void unmap(std::uint64_t p, std::uint64_t size) { next(Tag::kUnmap, p).size = size; }
  // A container of `site` told that it grew: by moving, unless `kind` says otherwise.
  void grew(const char* site, std::uint64_t moved, std::uint32_t stack, std::uint64_t duration_ns,
            std::uint64_t kind = 1) {
    record::Event& e = next(Tag::kExtension, 0x7000);
    e.extension = record::Extension::kContainerGrowth;
    e.stack = stack;
    named(e, site);
    record::ContainerGrowth growth{};
    growth.kind = kind;
    growth.moved = moved;
    growth.element_bytes = 8;
    growth.bytes_before = 8 * moved;
    growth.bytes_after = 16 * moved;
    growth.capacity = 2 * moved;
    growth.duration_ns = duration_ns;
    e.container = growth;
  }
  void ended(const char* site, std::uint64_t elements) {
    record::Event& e = next(Tag::kExtension, 0);
    e.extension = record::Extension::kContainerEnd;
    e.size = elements;
    named(e, site);
  }
  void thread(std::uint32_t tid) { tid_ = tid; }
  void wait(std::uint64_t ticks) { ticks_ += ticks; }
  void next_step_is(std::uint64_t ticks) { step_ = ticks; }
  void sample(std::uint64_t bytes) { sample_bytes_ = bytes; }

  Linker& run() {
    stacks_.add(0, nodes_);
    stacks_.seal();
    Clock clock;
    clock.shift = kShift;
    clock.steps_total = std::max<std::uint64_t>(1, ticks_ >> kShift);
    linker_ = std::make_unique<Linker>(stacks_, LinkerOptions{clock, sample_bytes_});
    for (const record::Event& e : events_) linker_->add(e);
    linker_->finish();
    return *linker_;
  }
  const Growth& growth() const { return linker_->growth(); }
  // All places as one.
  std::uint64_t links() const { return sum(&GrowthPlace::links); }
  std::uint64_t chains() const { return sum(&GrowthPlace::chains); }
  std::uint64_t sum(std::uint64_t GrowthPlace::*what) const {
    std::uint64_t total = 0;
    for (const GrowthPlace& p : growth().places()) total += p.*what;
    return total;
  }
  const StackTable& stacks() const { return stacks_; }

 private:
  std::uint32_t child(std::uint32_t parent, std::uint64_t pc) {
    for (std::uint32_t i = 1; i < nodes_.size(); ++i) {
      if (nodes_[i].parent == parent && nodes_[i].pc == pc) return i;
    }
    nodes_.push_back({parent, 0, pc, pc == record::kPcTruncated ? pc : pc & ~std::uint64_t{0xfff}});
    return static_cast<std::uint32_t>(nodes_.size() - 1);
  }
  static void named(record::Event& e, const char* site) {
    e.name = site;
    e.name_bytes = static_cast<std::uint32_t>(std::strlen(site));
    e.type = "vector";
    e.type_bytes = 6;
  }
  record::Event& next(Tag tag, std::uint64_t p) {
    ticks_ += step_;
    record::Event e;
    e.tag = tag;
    e.tid = tid_;
    e.ticks = ticks_;
    e.address = p;
    events_.push_back(e);
    return events_.back();
  }

  std::vector<record::StackNode> nodes_{{}};
  std::vector<record::Event> events_;
  std::uint64_t ticks_ = 0, step_ = kStep, sample_bytes_ = 0;
  std::uint32_t tid_ = 1;
  StackTable stacks_;
  std::unique_ptr<Linker> linker_;
};

}  // namespace ullage::trace
