// SPDX-License-Identifier: Apache-2.0
//
// Numbers are shared, rings are not. A lane that is about to take a number says from which on
// (`pending_`), so that whoever reads knows up to which number nothing is still being written:
//
//   lane    pending_ = last_id_ + 1; id = ++last_id_; ring; written_; pending_ = none
//   reader  last = last_id_; every lane's pending_; then the rings
//
// All of the first line and of the reader's two loads are in one order (seq_cst): a number up to
// `last` was announced before `last` was read, so its lane shows as pending, or as done.
#include "server/growth_feed.h"

#include <algorithm>

#include "server/clock.h"

namespace ullage::server {
namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;
constexpr std::uint64_t kNone = UINT64_MAX;

}  // namespace

class GrowthFeed::Lane final : public growth_sink {
 public:
  explicit Lane(GrowthFeed& feed) : feed_(feed) {}

  void on_growth(const growth_event& event) noexcept override {
    pending_.store(feed_.last_id_.load() + 1);
    const std::uint64_t id = feed_.last_id_.fetch_add(1) + 1;
    const std::uint64_t at = written_.load(kRelaxed);
    // Before the ring changes it is seen that it will: (1).
    writing_.store(at + 1, kRelaxed);
    std::atomic_thread_fence(std::memory_order_release);
    const std::uint64_t what = std::uint64_t{event.thread} << 16 |
                               static_cast<std::uint64_t>(event.kind) << 8 |
                               static_cast<std::uint64_t>(event.cause);
    const std::uint64_t words[] = {id,
                                   unix_ms(),
                                   what,
                                   event.bytes_before,
                                   event.bytes_after,
                                   event.moved,
                                   event.elements,
                                   event.duration_ns};
    Words& place = ring_[at % kKept];
    for (std::size_t i = 0; i < kWords; ++i) place[i].store(words[i], kRelaxed);
    written_.store(at + 1, std::memory_order_release);
    pending_.store(kNone);
    if (feed_.also_ != nullptr) feed_.also_->on_growth(event);
  }

  std::uint64_t pending() const { return pending_.load(); }

  // Adds events with numbers from `first` to `last`.
  void read(std::uint64_t first, std::uint64_t last, std::vector<Event>& into) const {
    const std::uint64_t end = written_.load(std::memory_order_acquire);
    const std::size_t from = into.size();
    std::vector<std::uint64_t> places;
    for (std::uint64_t at = end; at > 0 && end - at < kKept; --at) {
      std::array<std::uint64_t, kWords> words;
      const Words& place = ring_[(at - 1) % kKept];
      for (std::size_t i = 0; i < kWords; ++i) words[i] = place[i].load(kRelaxed);
      if (words[0] > last) continue;
      if (words[0] < first) break;
      into.push_back({.id = words[0],
                      .unix_ms = words[1],
                      .kind = static_cast<growth_kind>(words[2] >> 8 & 0xff),
                      .cause = static_cast<growth_cause>(words[2] & 0xff),
                      .thread = static_cast<std::uint32_t>(words[2] >> 16),
                      .bytes_before = words[3],
                      .bytes_after = words[4],
                      .moved = words[5],
                      .elements = words[6],
                      .duration_ns = words[7]});
      places.push_back(at - 1);
    }
    // (1): what may have been written over while it was read is not told.
    std::atomic_thread_fence(std::memory_order_acquire);
    const std::uint64_t writing = writing_.load(kRelaxed);
    while (!places.empty() && places.back() + kKept < writing) {
      places.pop_back();
      into.pop_back();
    }
    std::reverse(into.begin() + static_cast<std::ptrdiff_t>(from), into.end());
  }

 private:
  static constexpr std::size_t kWords = 8;
  using Words = std::array<std::atomic<std::uint64_t>, kWords>;

  GrowthFeed& feed_;
  std::atomic<std::uint64_t> pending_{kNone};
  std::atomic<std::uint64_t> writing_{0}, written_{0};  // how many
  std::array<Words, kKept> ring_{};
};

GrowthFeed::GrowthFeed(std::size_t lanes) {
  for (std::size_t i = 0; i < lanes; ++i) lanes_.push_back(std::make_unique<Lane>(*this));
}
GrowthFeed::~GrowthFeed() = default;

growth_sink& GrowthFeed::lane(std::size_t index) { return *lanes_[index]; }

std::uint64_t GrowthFeed::newest() const {
  std::uint64_t last = last_id_.load();
  for (const auto& lane : lanes_) {
    const std::uint64_t pending = lane->pending();
    if (pending != kNone) last = std::min(last, pending - 1);
  }
  return last;
}

std::uint64_t GrowthFeed::since(std::uint64_t id, std::size_t most,
                                std::vector<Event>& into) const {
  into.clear();
  const std::uint64_t last = newest();
  if (id >= last) return 0;
  const std::uint64_t there = last - id;
  const std::uint64_t wanted = std::min({there, std::uint64_t{most}, std::uint64_t{kKept}});
  for (const auto& lane : lanes_) lane->read(last - wanted + 1, last, into);
  std::sort(into.begin(), into.end(), [](const Event& a, const Event& b) { return a.id < b.id; });
  return into.empty() ? 0 : into.back().id - id - into.size();
}

}  // namespace ullage::server
