// SPDX-License-Identifier: Apache-2.0
#include "trace/heap_dump/graph.h"

#include <algorithm>
#include <bit>
#include <charconv>

namespace ullage::trace::heap_dump {
namespace {

// Go 1.22 put a word in front of objects with pointers between these sizes.
constexpr std::uint64_t kHeaderedBytesMin = 512, kHeaderedBytesMax = 32768;
constexpr unsigned kHeadersSince = 22;

// "go1.22.12" -> 22; development versions ("devel go1.28-...") likewise; 0: something else.
unsigned minor_version(std::string_view version) {
  const std::size_t at = version.find("go1.");
  if (at == std::string_view::npos) return 0;
  unsigned minor = 0;
  std::from_chars(version.data() + at + 4, version.data() + version.size(), minor);
  return minor;
}

}  // namespace

Graph::Graph(const Dump& dump, std::span<const std::uint8_t> file)
    : dump_(dump),
      file_(file),
      headers_(minor_version(dump.version) >= kHeadersSince),
      reached_by_(dump.objects.size(), kNobody),
      whole_(dump.objects.size(), 0) {
  build_index();
  mark();
  keep_partial();
}

// Buckets of equal width over the addresses, about one for each object: the heap of a Go program is
// dense, so that few objects share one. Within a bucket the search is binary.
void Graph::build_index() {
  const std::vector<Object>& objects = dump_.objects;
  if (objects.empty()) return;
  base_ = objects.front().address;
  const std::uint64_t range = objects.back().address - base_ + 1;
  const std::uint64_t width = std::bit_ceil(range / objects.size() + 1);
  bucket_shift_ = static_cast<unsigned>(std::countr_zero(width));
  const auto buckets = static_cast<std::size_t>(range >> bucket_shift_) + 2;
  first_in_bucket_.resize(buckets);
  std::size_t object = 0;
  for (std::size_t b = 0; b < buckets; ++b) {
    while (object < objects.size() && (objects[object].address - base_) >> bucket_shift_ < b) {
      ++object;
    }
    first_in_bucket_[b] = static_cast<std::uint32_t>(object);
  }
}

std::uint32_t Graph::object_at(std::uint64_t address) const {
  const std::vector<Object>& objects = dump_.objects;
  if (objects.empty() || address < base_) return kNobody;
  const std::uint64_t bucket =
      std::min<std::uint64_t>((address - base_) >> bucket_shift_, first_in_bucket_.size() - 2);
  auto after = std::upper_bound(objects.begin() + first_in_bucket_[bucket],
                                objects.begin() + first_in_bucket_[bucket + 1], address,
                                [](std::uint64_t a, const Object& o) { return a < o.address; });
  if (after == objects.begin()) return kNobody;
  --after;  // it may begin buckets before
  if (address - after->address >= after->size) return kNobody;
  return static_cast<std::uint32_t>(after - objects.begin());
}

bool Graph::has_pointers(const Object& object) const {
  return object.contents + object.size < file_.size() && file_[object.contents + object.size] != 0;
}

std::uint64_t Graph::allocator_bytes(const Object& object, bool pointers) const {
  const bool headered =
      headers_ && pointers && object.size > kHeaderedBytesMin && object.size <= kHeaderedBytesMax;
  return headered ? dump_.pointer_bytes : 0;
}

void Graph::mark() {
  for (std::size_t i = 0; i < dump_.roots.size(); ++i) {
    const Root& root = dump_.roots[i];
    const std::uint32_t holder = kFirstRoot + static_cast<std::uint32_t>(i);
    if (root.contents == 0) {
      const std::uint32_t target = object_at(root.address);
      if (target != kNobody) {
        whole_[target] = 1;
        reach(target, holder);
      }
    } else {
      scan(holder, root.address, root.contents, root.size, root.fields);
    }
    while (!waiting_.empty()) {
      const std::uint32_t next = waiting_.back();
      waiting_.pop_back();
      const Object& o = dump_.objects[next];
      scan(next, o.address, o.contents, o.size, o.contents + o.size);
    }
  }
  for (std::size_t i = 0; i < dump_.objects.size(); ++i) {
    if (reached_by_[i] == kNobody) {
      unreached_bytes_ += dump_.objects[i].size;
    } else {
      ++reached_;
    }
  }
}

void Graph::reach(std::uint32_t target, std::uint32_t holder) {
  if (reached_by_[target] != kNobody) return;
  reached_by_[target] = holder;
  waiting_.push_back(target);
}

// Follows every pointer in a block of memory.
void Graph::scan(std::uint32_t holder, std::uint64_t address, std::uint64_t contents,
                 std::uint64_t size, std::uint64_t fields) {
  offsets_.clear();
  const unsigned word = dump_.pointer_bytes;
  for_each_pointer(file_, fields, size, word, [this](std::uint64_t o) { offsets_.push_back(o); });
  for (std::size_t i = 0; i < offsets_.size(); ++i) {
    const std::uint64_t offset = offsets_[i];
    const std::uint64_t pointer = dump_.word(file_, contents + offset);
    if (pointer == 0) continue;
    const std::uint32_t target = object_at(pointer);
    if (target == kNobody || target == holder) continue;  // itself is no holder
    reach(target, holder);
    const Object& object = dump_.objects[target];
    if (object.size < kLargeBytesMin || whole_[target] != 0) continue;
    // Words behind it that are pointers are no length.
    const std::uint64_t next = i + 1 < offsets_.size() ? offsets_[i + 1] : UINT64_MAX;
    Header header;
    header.has_second = size - offset >= 2 * word && next != offset + word;
    header.has_third = header.has_second && size - offset >= 3 * word && next != offset + 2 * word;
    if (header.has_second) header.second = dump_.word(file_, contents + offset + word);
    if (header.has_third) header.third = dump_.word(file_, contents + offset + 2 * word);
    const bool pointers = has_pointers(object);
    const std::uint64_t reserved = allocator_bytes(object, pointers);
    header.offset = pointer - object.address - std::min(reserved, pointer - object.address);
    hold(target, {target, holder, address + offset,
                  reach_of({object.size - reserved, pointers, word}, header)});
  }
}

void Graph::hold(std::uint32_t target, const View& view) {
  if (view.reach.whole) {
    whole_[target] = 1;
  } else if (views_.size() < kViewsMax) {
    views_.push_back(view);
  } else {
    whole_[target] = 1;
    ++views_dropped_;
  }
}

void Graph::keep_partial() {
  std::erase_if(views_, [this](const View& v) { return whole_[v.target] != 0; });
  std::sort(views_.begin(), views_.end(), [](const View& a, const View& b) {
    return a.target != b.target ? a.target < b.target : a.holder_address < b.holder_address;
  });
}

Graph::Origin Graph::origin_of(std::uint32_t holder) const {
  Origin origin{holder, kNobody};
  while (!is_root(origin.root)) {
    origin.object = origin.root;
    origin.root = reached_by_[origin.root];
  }
  return origin;
}

}  // namespace ullage::trace::heap_dump
