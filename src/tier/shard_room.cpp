// SPDX-License-Identifier: Apache-2.0
//
// Room for an operation that was denied: first what nobody misses (spare slabs, freed pages, free
// cells that packing brings together), then entries. For a cell some go by policy, one by one: one
// of them is likely to leave just such a cell. Where that is not enough, or whole slabs are needed,
// slabs are emptied whoever is in them, so that what goes is about what was asked for.
#include <algorithm>

#include "tier/state.h"

namespace ullage::tier {
namespace {

// Cells moved, or entries evicted, between two looks at whether it is enough.
constexpr std::size_t kPackCells = 128, kEmptyCells = 32, kEvictSlice = 16;
// Evictions by policy that an operation tries for a cell before it empties a slab.
constexpr std::size_t kPatience = 64;
// Slabs that are compared before one is emptied, where chance begins to look for each and how far
// it looks; entries looked at in each.
constexpr int kCandidates = 8;
constexpr std::uint32_t kSlabsPassed = 64;
constexpr unsigned kSamples = 8;
// Of what is granted beyond what is allowed, the most that one operation pays for; what the process
// takes besides comes and goes by less. After a limit was lowered it is step() that reclaims.
constexpr std::uint64_t kExcessMax = 2 << 20;
// What it costs to lose bytes that nobody may ask for again: as one use for each of these.
constexpr std::uint64_t kBytesPerUse = 4096;

}  // namespace

std::uint64_t Shard::State::budget_free() const {
  const std::uint64_t allowed = budget.allowed_bytes(), granted = budget.granted_bytes();
  return allowed > granted ? allowed - granted : 0;
}

bool Shard::State::is_there(const Need& need) const {
  if (need.cell && store->heap().has_cell(*need.cell)) return true;
  return need.bytes != 0 && budget_free() >= need.bytes;
}

// Whether all that may go would be enough: if not, nothing has to go.
bool Shard::State::can_be_made(std::uint64_t bytes) const {
  const Heap& heap = store->heap();
  const Large& large = store->large();
  std::uint64_t mine = options.eviction == Eviction::kNone
                           ? heap.free_bytes() + large.resident_bytes() - large.live_bytes()
                           : heap.entry_slab_bytes() + large.resident_bytes();
  std::uint64_t kept = large.kept_bytes() + moving_bytes;
  for (const auto& old : retired) {
    mine += old->heap().resident_bytes() + old->large().resident_bytes() + old->directory_bytes();
    kept += old->large().kept_bytes();
  }
  mine -= std::min(mine, kept);
  if (!dying.empty()) mine += heap.resident_bytes();
  const std::uint64_t allowed = budget.allowed_bytes(), granted = budget.granted_bytes();
  return bytes <= allowed && granted <= allowed + mine && bytes <= allowed + mine - granted;
}

// The uses that are lost with a slab, from some of its entries, and a little for its bytes.
std::uint64_t Shard::State::loss_of(std::uint32_t slab, unsigned live) {
  constexpr std::uint64_t kNotAtAll = ~std::uint64_t{0};
  const Heap& heap = store->heap();
  const unsigned cells = heap.cells_in(slab);
  const unsigned stride = std::max(cells / kSamples, 1u);
  std::uint64_t uses = 0, bytes = 0, seen = 0;
  for (auto cell = static_cast<unsigned>(random() % stride); cell < cells; cell += stride) {
    const Ref ref = heap.entry_in(slab, cell);
    if (ref == 0) continue;
    const Entry e = store->entry(ref);
    ++seen;
    if (db_of(e.table()) < 0 || e.expired(now_ms)) continue;
    if (options.eviction == Eviction::kVolatile && e.expires_ms() == 0) return kNotAtAll;
    const std::uint64_t hash = store->hash_of(ref);
    Segment* segment = store->segment_for(store->table(e.table()), hash);
    uses += sketch::estimate(segment->sketch(segment->home(place_of(hash))), hash);
    bytes += store->weight(ref);
  }
  if (seen == 0) return live;
  return (uses + bytes / kBytesPerUse) * live / seen;
}

// Of a few slabs the one that is missed the least; 0: none was found.
std::uint32_t Shard::State::choose_slab() {
  const Heap& heap = store->heap();
  const std::uint32_t end = heap.slabs_end();
  if (end < 2) return 0;
  std::uint32_t best = 0;
  std::uint64_t least = ~std::uint64_t{0};
  for (int i = 0; i < kCandidates; ++i) {
    auto slab = static_cast<std::uint32_t>(1 + random() % (end - 1));
    unsigned live = heap.entries_in(slab);
    for (std::uint32_t passed = 1; live == 0 && passed < std::min(end, kSlabsPassed); ++passed) {
      slab = slab + 1 < end ? slab + 1 : 1;
      live = heap.entries_in(slab);
    }
    if (live == 0 || slab == best) continue;
    const std::uint64_t loss = loss_of(slab, live);
    if (loss >= least) continue;
    least = loss;
    best = slab;
  }
  return best;
}

// Large values that went, with their cell or by policy, give their pages back in this operation.
void Shard::State::release_large_since(std::uint64_t live_before) {
  const std::uint64_t live = store->large().live_bytes();
  if (live >= live_before) return;
  releases_left = std::max<std::size_t>(releases_left, 1 + (live_before - live) / kReleaseBytes);
}

// A part of a slab: of the one that is being emptied, or of another.
bool Shard::State::empty_one() {
  Heap& heap = store->heap();
  // One that has an entry which must stay is left as it is, and another looked for.
  for (int i = 0; i < kCandidates; ++i) {
    if (!heap.emptying()) {
      const std::uint32_t slab = choose_slab();
      if (slab == 0) return false;
      heap.empty(slab);
    }
    const std::uint64_t large = store->large().live_bytes();
    const std::size_t gone = pack(kEmptyCells, Heap::Packing::kForced);
    release_large_since(large);
    use_up(gone, 0);
    if (gone != 0) return true;
  }
  return false;
}

// By policy, until it is enough or may be.
bool Shard::State::evict_some(const Need& need) {
  const std::uint64_t large = store->large().live_bytes();
  const std::uint64_t before = counters.evicted_bytes.value();
  const std::uint64_t enough = before + need.bytes;
  bool gone = false;
  for (std::size_t i = 0; i < kEvictSlice && evict_one(); ++i) {
    gone = true;
    use_up(0, 1);
    release_large_since(large);
    if (is_there(need) || store->large().live_bytes() < large) break;
    if (!need.cell && counters.evicted_bytes.value() >= enough) break;
  }
  return gone;
}

// Something on the way to it. False: there is nothing more that can be done.
bool Shard::State::room_step(const Need& need) {
  Heap& heap = store->heap();
  if (!need.cell && heap.spare_slabs() != 0) {
    const std::uint64_t allowed = budget.allowed_bytes(), granted = budget.granted_bytes();
    const std::uint64_t missing = granted + need.bytes - std::min(granted + need.bytes, allowed);
    return heap.purge(missing / kSlabBytes + 1) != 0;
  }
  if (releases_left != 0) {
    const std::uint64_t entries = store->entries(), free = budget_free();
    const bool more = release_some();
    releases_left -= more ? 1 : releases_left;
    use_up(entries - store->entries(), 0);
    if (more || budget_free() > free) return true;
  }
  if (heap.emptying() && empty_one()) return true;
  const std::size_t moved = pack(kPackCells, Heap::Packing::kHard);
  use_up(moved, 0);
  if (moved != 0) return true;
  if (options.eviction == Eviction::kNone) return false;
  // Large values are in no slab: their turn is as often as they are in the way.
  const std::uint64_t large = store->large().live_bytes();
  const bool by_policy = need.cell ? evictions_done < kPatience
                                   : random() % (large + heap.cell_bytes_live() + 1) < large;
  if (by_policy && evict_some(need)) return true;
  return empty_one() || (!by_policy && evict_some(need));
}

bool Shard::State::make_room(Heap::Class c) noexcept {
  Heap& heap = store->heap();
  Need need{.bytes = kSlabBytes, .cell = c};
  if (heap.has_cell(c)) {  // then it was the directory that could not be doubled
    need = {.bytes = (store->table(own_table).directory.size() + 1) * sizeof(Ref)};
  } else if (budget_free() >= kSlabBytes) {
    need.bytes = 0;  // the heap is at the end of its addresses
  }
  bool may = can_be_made(need.bytes);
  while (may) {
    if (moves_done + evictions_done >= work_max) return false;
    may = room_step(need);
    if (is_there(need)) return true;
  }
  lacking_bytes = std::max(lacking_bytes, need.bytes);
  report(growth_kind::denied, growth_cause::insert, heap.resident_bytes(),
         heap.resident_bytes() + Heap::cell_bytes(c), 0);
  return false;
}

// Until the budget has so much to give: slabs have to be emptied and given back.
bool Shard::State::make_room_bytes(std::uint64_t bytes) {
  const Need need{.bytes = bytes};
  lacking_bytes = std::max(lacking_bytes, bytes);  // until it is there
  if (!can_be_made(bytes)) return false;
  // What is granted beyond what is allowed has to go before.
  const std::uint64_t allowed = budget.allowed_bytes(), granted = budget.granted_bytes();
  const std::uint64_t excess = granted > allowed ? std::min(granted - allowed, kExcessMax) : 0;
  const std::uint64_t all = bytes + excess;
  work_max = std::max(work_max, (kSlabsPerOperation + all / kSlabBytes + 1) * kWorkPerSlab);
  releases_left = std::max(releases_left, kReleasesPerOperation + 2 * (all / kReleaseBytes));
  while (budget_free() < bytes) {
    if (moves_done + evictions_done >= work_max || !room_step(need)) return false;
  }
  lacking_bytes = 0;
  return true;
}

std::uint64_t Shard::take_lacking() noexcept { return std::exchange(state_->lacking_bytes, 0); }

bool Shard::make_room(std::uint64_t bytes) {
  state_->begin_operation(nullptr);
  const bool made = state_->make_room_bytes(bytes);
  state_->publish();
  return made;
}

}  // namespace ullage::tier
