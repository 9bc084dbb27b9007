// SPDX-License-Identifier: Apache-2.0
#include "trace/native/stacks.h"

#include <algorithm>
#include <array>

namespace ullage::trace {
namespace {

// Frames between the growth function and the allocator, on either side. Optimised code has 1 to 3.
// At -O0 every accessor is a frame: libstdc++'s _M_rehash_aux is 5 away from operator new and 6
// from operator delete, libc++'s __push_back_slow_path 7 from both, its __rehash 5 and 8.
constexpr std::uint32_t kDepthMax = 8;
// Up to here the two sides may be as different as they like; deeper pairs must be as deep as each
// other (give or take kDepthSkew), as the allocate and deallocate paths of one container are. A
// program's own "make it here, drop it there" from one loop seldom is.
constexpr std::uint32_t kDepthFree = 5;
constexpr std::uint32_t kDepthSkew = 3;
// Frames that must agree beyond the meeting point of two cut contexts, unless they end sooner.
constexpr std::size_t kCutAgree = 4;

constexpr std::uint64_t mix(std::uint64_t h, std::uint64_t v) {
  h = (h ^ v) * 0x9e3779b97f4a7c15ull;
  return h ^ (h >> 29);
}

}  // namespace

void StackTable::add(std::uint32_t first_id, std::span<const record::StackNode> nodes) {
  if (first_id >= record::kStackNodesMax) return;
  const std::size_t count = std::min<std::size_t>(nodes.size(), record::kStackNodesMax - first_id);
  if (nodes_.size() < first_id + count) nodes_.resize(first_id + count);
  std::copy_n(nodes.begin(), count, nodes_.begin() + first_id);
}

void StackTable::seal() {
  // A table that grew by preallocated segments ends in nodes nobody wrote.
  while (nodes_.size() > 1 && nodes_.back().pc == 0) nodes_.pop_back();
  if (nodes_.empty()) nodes_.resize(1);
  nodes_[0] = {};
  cut_.assign(nodes_.size(), false);
  for (std::uint32_t id = 1; id < nodes_.size(); ++id) {
    record::StackNode& n = nodes_[id];
    if (n.pc == 0) ++nodes_missing_;
    if (n.parent >= id) n.parent = 0;
    n.depth = nodes_[n.parent].depth + 1;
    cut_[id] = n.parent == 0 ? n.pc == record::kPcTruncated : cut_[n.parent];
  }
}

Meeting StackTable::judge(std::uint32_t a_child, std::uint32_t b_child, std::uint32_t a_up,
                          std::uint32_t b_up) const {
  if (a_up > kDepthMax || b_up > kDepthMax) return {};
  if (a_up > kDepthFree || b_up > kDepthFree) {
    const std::uint32_t skew = a_up > b_up ? a_up - b_up : b_up - a_up;
    if (skew > kDepthSkew) return {};
  }
  if (a_child != 0 && b_child != 0) {
    const std::uint64_t f = nodes_[a_child].function;
    if (f == 0 || f != nodes_[b_child].function) return {};
    return {a_child, f, false};
  }
  const std::uint32_t only = a_child != 0 ? a_child : b_child;
  if (only == 0) return {};
  return {only, nodes_[only].function, true};
}

Meeting StackTable::meet(std::uint32_t a, std::uint32_t b) const {
  if (a == 0 || b == 0 || a == b) return {};
  if (cut_[a] || cut_[b]) return meet_cut(a, b);
  std::uint32_t a_child = 0, b_child = 0, a_up = 0, b_up = 0;
  while (a != b) {
    if (nodes_[a].depth >= nodes_[b].depth) {
      a_child = a;
      a = nodes_[a].parent;
      if (++a_up > kDepthMax) return {};
    } else {
      b_child = b;
      b = nodes_[b].parent;
      if (++b_up > kDepthMax) return {};
    }
  }
  if (a == 0) return {};  // no common caller: two threads, or two roots
  return judge(a_child, b_child, a_up, b_up);
}

// Contexts deeper than the recording keeps lost their outer frames, so the same caller has another
// id when the frames inside it are more or fewer. Compare addresses from the inside instead.
Meeting StackTable::meet_cut(std::uint32_t a, std::uint32_t b) const {
  std::array<std::uint32_t, kDepthMax + 1> as{}, bs{};
  const auto unroll = [this](std::uint32_t id, auto& out) {
    std::size_t n = 0;
    for (; id != 0 && n < out.size(); id = nodes_[id].parent) out[n++] = id;
    return n;
  };
  const std::size_t an = unroll(a, as), bn = unroll(b, bs);
  const auto agree = [this](std::uint32_t x, std::uint32_t y) {
    for (std::size_t i = 0; i < kCutAgree; ++i) {
      if (x == 0 || y == 0) return i > 0;
      const std::uint64_t px = nodes_[x].pc, py = nodes_[y].pc;
      if (px == record::kPcTruncated || py == record::kPcTruncated) return i > 0;
      if (px != py) return false;
      x = nodes_[x].parent;
      y = nodes_[y].parent;
    }
    return true;
  };
  for (std::size_t sum = 0; sum + 1 < an + bn; ++sum) {  // nearest meeting first
    for (std::size_t i = sum < bn ? 0 : sum - bn + 1; i < an && i <= sum; ++i) {
      const std::size_t j = sum - i;
      if (i + j == 0 || !agree(as[i], bs[j])) continue;
      return judge(i == 0 ? 0 : as[i - 1], j == 0 ? 0 : bs[j - 1], static_cast<std::uint32_t>(i),
                   static_cast<std::uint32_t>(j));
    }
  }
  return {};
}

std::uint64_t StackTable::place(std::uint32_t id) const {
  std::array<std::uint64_t, kRecursionCycle> last{};
  std::uint64_t h = 1;
  std::size_t kept = 0;
  // The second bound keeps one endless recursion from costing its whole depth for each context.
  for (std::size_t seen = 0; id != 0 && kept < kPlaceFrames && seen < 4 * kPlaceFrames; ++seen) {
    const std::uint64_t pc = nodes_[id].pc;
    id = nodes_[id].parent;
    if (pc == record::kPcTruncated) break;
    if (std::find(last.begin(), last.end(), pc) != last.end()) continue;
    last[kept++ % kRecursionCycle] = pc;
    h = mix(h, pc);
  }
  return h;
}

std::uint64_t StackTable::inner(std::uint32_t id, std::size_t frames) const {
  std::uint64_t h = 2;
  for (; id != 0 && frames > 0; --frames, id = nodes_[id].parent) h = mix(h, nodes_[id].pc);
  return h;
}

}  // namespace ullage::trace
