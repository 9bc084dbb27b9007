// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdio>

#include "base/text.h"
#include "trace/heap_dump/facts.h"

namespace ullage::trace::heap_dump {
namespace {

using evidence::Position;
using evidence::Retention;

std::string hex(std::uint64_t value) {
  char text[24];
  std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(value));
  return text;
}

// Bytes that the views of one object reach together. They are sorted by their offset here.
std::uint64_t union_bytes(std::vector<const View*>& views) {
  std::sort(views.begin(), views.end(),
            [](const View* a, const View* b) { return a->reach.offset < b->reach.offset; });
  std::uint64_t bytes = 0, end = 0;
  for (const View* v : views) {
    const std::uint64_t from = std::max(end, v->reach.offset);
    const std::uint64_t to = v->reach.offset + v->reach.length_bytes;
    if (to > from) bytes += to - from;
    end = std::max(end, to);
  }
  return bytes;
}

class Describe {
 public:
  Describe(const Dump& dump, const Graph& graph, std::span<const std::uint8_t> file)
      : dump_(dump), graph_(graph), file_(file) {}

  // "global at 0x5a3f20 (data segment +0x120)", "goroutine 7 main.keep": of whatever begins the
  // way to this view.
  std::string root_of(const View& view) const {
    const Graph::Origin origin = graph_.origin_of(view.holder);
    const Root& root = dump_.roots[Graph::root_index(origin.root)];
    switch (root.kind) {
      case Root::Kind::kData:
      case Root::Kind::kBss: {
        const std::uint64_t address =
            origin.object == Graph::kNobody ? view.holder_address : pointer_to(root, origin.object);
        return "global at " + hex(address) +
               (root.kind == Root::Kind::kData ? " (data segment +" : " (bss segment +") +
               hex(address - root.address) + ")";
      }
      case Root::Kind::kFrame:
        return goroutine(root) + " " + clean_utf8(root.name);
      case Root::Kind::kDefer:
        return goroutine(root) + " (a deferred call)";
      case Root::Kind::kFinalizer:
        return "an object with a finalizer";
      case Root::Kind::kOther:
        return clean_utf8(root.name);
    }
    return {};
  }

 private:
  std::string goroutine(const Root& root) const {
    return "goroutine " + std::to_string(dump_.goroutines[root.goroutine].id);
  }
  // Where in a segment the first pointer to this object stands.
  std::uint64_t pointer_to(const Root& root, std::uint32_t object) const {
    const Object& o = dump_.objects[object];
    std::uint64_t found = root.address;
    bool done = false;
    for_each_pointer(file_, root.fields, root.size, dump_.pointer_bytes, [&](std::uint64_t at) {
      if (done) return;
      const std::uint64_t pointer = dump_.word(file_, root.contents + at);
      if (pointer < o.address || pointer - o.address >= o.size) return;
      found = root.address + at;
      done = true;
    });
    return found;
  }

  const Dump& dump_;
  const Graph& graph_;
  const std::span<const std::uint8_t> file_;
};

Retention retention_of(const Object& object, const std::vector<const View*>& views,
                       std::uint64_t reached) {
  // The one that reaches most stands for all.
  const View& first = **std::max_element(views.begin(), views.end(), [](auto* a, auto* b) {
    return a->reach.length_bytes < b->reach.length_bytes;
  });
  Retention r;
  r.object = object.address;
  r.object_bytes = object.size;
  r.offset = first.reach.offset;
  r.length_bytes = first.reach.length_bytes;
  r.capacity_bytes = first.reach.capacity_bytes;
  r.holders = views.size();
  r.holder = first.holder_address;
  r.wasted_bytes = object.size - std::min(object.size, reached);
  r.where = {0, Position::Unit::kByte, object.contents};
  r.element_bytes = first.reach.element_bytes;
  r.string = first.reach.string;
  return r;
}

struct Found {
  Retention retention;
  const View* view = nullptr;
};

}  // namespace

void add_retentions(const Dump& dump, const Graph& graph, std::span<const std::uint8_t> file,
                    evidence::Incident& incident) {
  const std::vector<View>& views = graph.views();
  std::vector<Found> found;
  std::vector<const View*> of_one;
  for (std::size_t i = 0; i < views.size();) {
    const std::uint32_t target = views[i].target;
    of_one.clear();
    for (; i < views.size() && views[i].target == target; ++i) of_one.push_back(&views[i]);
    const Object& object = dump.objects[target];
    const std::uint64_t reached = union_bytes(of_one);
    if (reached >= object.size / 2) continue;
    const Retention r = retention_of(object, of_one, reached);
    ++incident.retention_totals.objects;
    incident.retention_totals.object_bytes += r.object_bytes;
    incident.retention_totals.wasted_bytes += r.wasted_bytes;
    const auto* view = *std::find_if(of_one.begin(), of_one.end(),
                                     [&](const View* v) { return v->holder_address == r.holder; });
    found.push_back({r, view});
  }
  std::sort(found.begin(), found.end(), [](const Found& a, const Found& b) {
    if (a.retention.wasted_bytes != b.retention.wasted_bytes) {
      return a.retention.wasted_bytes > b.retention.wasted_bytes;
    }
    return a.retention.object < b.retention.object;
  });
  if (found.size() > evidence::kRetentionsMax) found.resize(evidence::kRetentionsMax);
  const Describe describe(dump, graph, file);
  for (Found& f : found) {
    f.retention.root = describe.root_of(*f.view);
    if (const auto sample = dump.samples.find(f.retention.object); sample != dump.samples.end()) {
      if (const auto b = dump.buckets.find(sample->second); b != dump.buckets.end()) {
        f.retention.allocated_at = split_stack(b->second).user;
      }
    }
    incident.retentions.push_back(std::move(f.retention));
  }
}

}  // namespace ullage::trace::heap_dump
