// SPDX-License-Identifier: Apache-2.0
//
// segment_arena: where the segments of all maps with slots of one form come from. Three ranges of
// reserved address space run in step, cut from the front in units:
//
//   tags    | unit 0 | unit 1 | ...        16 bytes a group
//   slots   |     unit 0     |     ...     15 slots a group
//   heads   |0|1|...                       kHeadBytes a unit
//
// A segment is a run of units, so one number names all three of its parts, and the tags of a map of
// ten million entries lie in 14 MB of their own: what a search reads first stays in the caches.
// Runs that are given back wait in a list per length. Their pages stay, for the next map; trim()
// (arena_trim.h) gives them to the system. What a run is (how long; held, free, or free and without
// pages) is noted in the last bytes of its heads, so that all runs can be walked from the end.
//
// Cost      get, put: O(1) under one lock; a map calls them once per ~200 inserts. trim: in steps,
//           the lock is free in between.
// Memory    Reserving costs address space only. Pages are touched when a segment is. Under
//           RLIMIT_AS, where address space is what is short, nothing is reserved (address_space.h).
// Threads   All members from any thread. A fork waits for the lock: the child's arena works.
// Limit     kReachBytes of slots (64 GiB) and kUnitsReach units for each form of slot; less where
//           address space is scarce. get() then says so. Maps that need more take a plain
//           allocator.
#pragma once

#include <ullage/arena.h>
#include <ullage/detail/address_space.h>
#include <ullage/detail/arena_helper.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <new>

#if defined(__unix__)
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>
#endif

namespace ullage {

namespace detail {

class [[gnu::visibility("default")]] segment_arena {
 public:
  static constexpr std::size_t kReachBytes = std::size_t{64} << 30;
  // Below this there is no point in reserving; get() returns kNone.
  static constexpr std::size_t kReachBytesMin = std::size_t{64} << 20;
  // Slots made usable at a time: three system calls per 16 MiB taken. They zero and copy nothing.
  static constexpr std::size_t kCommitBytes = std::size_t{16} << 20;
  static constexpr std::size_t kHeadBytes = 16;  // of a unit; a segment has three units at least
  static constexpr std::size_t kNoteBytes = 4;   // of these, at the segment's end: the arena's
  static constexpr unsigned kUnitsMax = 4;       // of a segment
  static constexpr std::uint32_t kNone = 0;      // unit 0 names "no segment"
  static constexpr std::size_t kUnitsReach = std::size_t{1} << 27;  // what 32-bit entries can name

  /// The arena for units of these sizes. Never destroyed: maps with static storage may outlive any
  /// other static.
  template <std::size_t TagBytes, std::size_t SlotBytes>
  static segment_arena& of() noexcept {
    // No static object with a guard: a child that is forked while another thread makes it would
    // wait for ever. It is made under a lock that forks wait for.
    alignas(segment_arena) static constinit unsigned char place[sizeof(segment_arena)] = {};
    segment_arena* made = one_of<TagBytes, SlotBytes>().load(std::memory_order_acquire);
    if (made == nullptr) [[unlikely]] {
      made = make(one_of<TagBytes, SlotBytes>(), place, TagBytes, SlotBytes);
    }
    return *made;
  }
  /// The same if there is one by now, else null.
  template <std::size_t TagBytes, std::size_t SlotBytes>
  static segment_arena* made() noexcept {
    return one_of<TagBytes, SlotBytes>().load(std::memory_order_acquire);
  }

  unsigned char* tags() const noexcept { return tags_.base; }
  unsigned char* slots() const noexcept { return slots_.base; }
  unsigned char* heads() const noexcept { return heads_.base; }

  /// The first of `units` units, or kNone. The contents are whatever they were.
  std::uint32_t get(unsigned units) noexcept {
    std::uint32_t first = kNone;
    bool ask = false;
    {
      const turn hold(*this);
      if (fails()) [[unlikely]]
        return kNone;
      if (free_[units] != kNone) {
        first = free_[units];
        free_[units] = next_of(first);
        free_units_ -= units;
        note& said = note_before(first + units);
        if (said.is == state::bare) bare_units_ -= units;
        said.is = state::held;
        if (first >= trimmed_ && first < run_end_) run_end_ = first;  // keeps (1) of arena_trim.h
      } else if (commit(used_ + units)) {
        first = used_;
        used_ += units;
        note_before(used_) = {static_cast<std::uint16_t>(units), state::held};
        ask = used_ >= ask_at_;
        if (ask) ask_at_ = kNever;
      }
    }
    if (ask) [[unlikely]]
      helper_->ask();
    return first;
  }
  void put(std::uint32_t first, unsigned units) noexcept {
    const turn hold(*this);
    next_of(first) = free_[units];
    free_[units] = first;
    free_units_ += units;
    note_before(first + units).is = state::free;
  }
  /// Gives pages of free segments back to the system. A segment that is looked at counts as one of
  /// `work`, a page that goes as kWorkPerPage; it does about so much, and one step's. True: there
  /// is more to do.
  bool trim(std::size_t & work) noexcept;
  static constexpr std::size_t kWorkPerPage = 8;

  arena_usage usage() const noexcept {
    const std::lock_guard<std::mutex> hold(lock_);
    const std::size_t unit = tags_.unit + slots_.unit + heads_.unit;
    return {(used_ - 1) * unit, free_units_ * unit};
  }
  /// See arena.h.
  static arena_usage usage_of_all() noexcept {
    arena_usage sum;
    for (const segment_arena* a = first_of_all().load(); a != nullptr; a = a->next_arena_) {
      const arena_usage one = a->usage();
      sum.used_bytes += one.used_bytes;
      sum.free_bytes += one.free_bytes;
    }
    return sum;
  }
  /// See arena.h.
  static bool trim_all(std::size_t bytes) noexcept;
  /// See arena.h.
  static bool configure(const arena_options& options) noexcept {
    const std::lock_guard<std::mutex> one_at_a_time(configuring());
    {
      // An arena that is being made reads the wish before, or joins the list and is told.
      const std::lock_guard<std::mutex> hold_list(list_lock());
      wants_huge_pages().store(options.huge_pages);
      wants_ahead().store(options.ahead_bytes);
      for (segment_arena* a = first_of_all().load(); a != nullptr; a = a->next_arena_) {
        const std::lock_guard<std::mutex> hold(a->lock_);
        for (range* r : {&a->tags_, &a->slots_, &a->heads_}) advise(r->base, r->reach);
        a->ask_at_ = options.ahead_bytes == 0 ? kNever : 0;
      }
    }
    if (options.ahead_bytes != 0) return arena_helper::get().start(&touch_all);
    arena_helper::get().stop();
    return true;
  }
  /// How often the helper woke. It sleeps until an arena has used up what it touched.
  static std::uint64_t helper_wakes() noexcept { return arena_helper::get().wakes(); }
  /// Tests only: the next `n` segments, then none for ever; -1: no such limit.
  void fail_after(long n) noexcept {
    const std::lock_guard<std::mutex> hold(lock_);
    fail_after_ = n;
  }

 private:
  struct range {
    std::size_t unit = 0;  // bytes
    unsigned char* base = nullptr;
    std::size_t reach = 0, committed = 0;
  };
  // The lock, for a map: trim() lets it go first.
  class turn {
   public:
    explicit turn(segment_arena& of) noexcept : of_(of) {
      if (!of.lock_.try_lock()) [[unlikely]]
        of.wait_for_lock();
    }
    ~turn() { of_.lock_.unlock(); }
    turn(const turn&) = delete;
    turn& operator=(const turn&) = delete;

   private:
    segment_arena& of_;
  };
  [[gnu::noinline, gnu::cold]] void wait_for_lock() noexcept {
    waiting_.fetch_add(1);
    lock_.lock();
    waiting_.fetch_sub(1);
  }

  enum class state : std::uint16_t {
    held,
    free,  // it may have its pages
    bare,  // free, and its pages are the system's, but for those that it shares with others
  };
  struct note {
    std::uint16_t units;
    state is;
  };
  static_assert(sizeof(note) == kNoteBytes);
  static constexpr std::size_t kHugeBytes = std::size_t{2} << 20;
  // Of the address space there may be, a reservation takes a sixteenth at most.
  static constexpr std::size_t kReservedShareMin = 16;

  segment_arena(std::size_t tag_bytes, std::size_t slot_bytes) noexcept {
    tags_.unit = tag_bytes;
    slots_.unit = slot_bytes;
    heads_.unit = kHeadBytes;
    reserve();
    if (wants_ahead().load() != 0) ask_at_ = 0;
  }

  template <std::size_t TagBytes, std::size_t SlotBytes>
  static std::atomic<segment_arena*>& one_of() noexcept {
    static constinit std::atomic<segment_arena*> one{nullptr};
    return one;
  }
  [[gnu::noinline, gnu::cold]] static segment_arena* make(
      std::atomic<segment_arena*> & one, unsigned char* place, std::size_t tag_bytes,
      std::size_t slot_bytes) noexcept {
    const std::lock_guard<std::mutex> hold(list_lock());
    segment_arena* made = one.load(std::memory_order_relaxed);
    if (made != nullptr) return made;
    made = ::new (static_cast<void*>(place)) segment_arena(tag_bytes, slot_bytes);
    made->next_arena_ = first_of_all().load();
    first_of_all().store(made);
    one.store(made, std::memory_order_release);
    return made;
  }

  // Locks are taken in this order: configuring, list, arenas. A fork takes them all, so that the
  // child finds nothing half done. (All statics here are constant-initialised: no guards.)
  static std::mutex& configuring() noexcept { return arena_helper::get().lock(); }
  // Held while an arena is made.
  static std::mutex& list_lock() noexcept {
    static constinit std::mutex lock;
    return lock;
  }
  static std::atomic<segment_arena*>& first_of_all() noexcept {
    static constinit std::atomic<segment_arena*> first{nullptr};
    return first;
  }
  static std::atomic<bool>& wants_huge_pages() noexcept {
    static constinit std::atomic<bool> huge{false};
    return huge;
  }
  // ---- the helper that touches memory ahead of use --------------------------------------------

  static std::atomic<std::size_t>& wants_ahead() noexcept {
    static constinit std::atomic<std::size_t> bytes{0};
    return bytes;
  }
  static bool touch_all() noexcept {
    const std::size_t ahead = wants_ahead().load();
    bool worked = false;
    for (segment_arena* a = first_of_all().load(); a != nullptr; a = a->next_arena_) {
      worked |= a->touch_ahead(ahead);
    }
    return worked;
  }
  // One small step, so that nobody waits long for the address space. True: it was needed. False: it
  // will be when more is in use, and get() then asks.
  bool touch_ahead([[maybe_unused]] std::size_t ahead) noexcept {
#if defined(MADV_POPULATE_WRITE)
    constexpr std::size_t kStepBytes = std::size_t{256} << 10;
    std::size_t from = 0, upto = 0;
    {
      const std::lock_guard<std::mutex> hold(lock_);
      const std::size_t bytes = wants_huge_pages().load() ? kHugeBytes : kStepBytes;
      const std::size_t step = std::max<std::size_t>(bytes / slots_.unit, 1);
      const std::size_t most = ahead / slots_.unit;
      from = std::max<std::size_t>(touched_units_, used_);
      upto = from + step;
      // As many units as are in use, `most` at most, shall be touched beyond them.
      if (upto > used_ + std::min<std::size_t>(most, used_)) {
        ask_at_ = most < step ? kNever
                              : std::max<std::size_t>((upto + 1) / 2, upto - std::min(most, upto));
        return false;
      }
      if (!commit(upto)) {  // there is no more
        ask_at_ = kNever;
        return false;
      }
      touched_units_ = upto;
    }
    for (const range* r : {&tags_, &slots_, &heads_}) {
      const std::size_t begin = from * r->unit / page_ * page_;
      const std::size_t end = upto * r->unit / page_ * page_;
      if (end > begin) ::madvise(r->base + begin, end - begin, MADV_POPULATE_WRITE);
    }
    return true;
#else
    return false;
#endif
  }

  static void lock_all() noexcept {
    configuring().lock();
    list_lock().lock();
    for (segment_arena* a = first_of_all().load(); a != nullptr; a = a->next_arena_) {
      a->lock_.lock();
    }
  }
  static void unlock_all() noexcept {
    for (segment_arena* a = first_of_all().load(); a != nullptr; a = a->next_arena_) {
      a->lock_.unlock();
    }
    list_lock().unlock();
    configuring().unlock();
  }
  static void unlock_in_child() noexcept {
    arena_helper::get().forget();
    wants_ahead().store(0);
    for (segment_arena* a = first_of_all().load(); a != nullptr; a = a->next_arena_) {
      a->ask_at_ = kNever;
      a->waiting_.store(0);  // those who waited are not here
    }
    unlock_all();
  }
#if defined(__unix__)
  // Before any of the locks can be held: when the program (or the library it is in) is loaded.
  static inline const int told_of_forks_ =
      ::pthread_atfork(&lock_all, &unlock_all, &unlock_in_child);
#endif
  // What waits in a list names the next in its first head.
  std::uint32_t& next_of(std::uint32_t unit) noexcept {
    return *reinterpret_cast<std::uint32_t*>(heads_.base + unit * heads_.unit);
  }

  // Of the segment that ends where `unit` begins.
  note& note_before(std::uint32_t unit) noexcept {
    return *reinterpret_cast<note*>(heads_.base + unit * heads_.unit - kNoteBytes);
  }

  // ---- giving back (arena_trim.h) ---------------------------------------------------------------

  bool has_to_trim() noexcept;
  std::size_t trim_step() noexcept;
  std::size_t trim_ahead(std::size_t keep) noexcept;
  void begin_anew() noexcept;
  std::size_t ahead_end() const noexcept;
  std::size_t trim_run(unsigned* looks) noexcept;
  std::size_t page_bytes() const noexcept;
  bool drop(const range& r, std::size_t from, std::size_t upto) noexcept;

  static void advise([[maybe_unused]] void* at, [[maybe_unused]] std::size_t bytes) noexcept {
#if defined(MADV_HUGEPAGE)
    if (at != nullptr) {
      ::madvise(at, bytes, wants_huge_pages().load() ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
    }
#endif
  }
  // Sets the ranges' reach for so many bytes of slots; says what they take together.
  std::size_t set_reach(std::size_t slot_bytes) noexcept {
    units_ = std::min(slot_bytes / slots_.unit, kUnitsReach);
    std::size_t all = 0;
    for (range* r : {&tags_, &slots_, &heads_}) {
      r->reach = (units_ * r->unit + kHugeBytes - 1) / kHugeBytes * kHugeBytes;
      all += r->reach;
    }
    return all;
  }
  void begin_at(unsigned char* base) noexcept {
    for (range* r : {&tags_, &slots_, &heads_}) {
      r->base = base;
      base += r->reach;
    }
  }
  void reserve() noexcept {
#if defined(__unix__)
    const std::size_t limit = address_space_limit(), all = set_reach(kReachBytes);
    if (limit / kReservedShareMin < all && begin_apart(all, limit)) return;
    // Without access rights, so that it counts neither as memory nor as a promise of memory.
    for (std::size_t reach = kReachBytes; reach >= kReachBytesMin; reach /= 4) {
      const std::size_t bytes = set_reach(reach) + kHugeBytes;
      void* got =
          ::mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
      if (got == MAP_FAILED) continue;
      const auto at = (reinterpret_cast<std::uintptr_t>(got) + kHugeBytes - 1) / kHugeBytes;
      begin_at(reinterpret_cast<unsigned char*>(at * kHugeBytes));
      if (wants_huge_pages().load()) {
        for (range* r : {&tags_, &slots_, &heads_}) advise(r->base, r->reach);
      }
      return;
    }
#endif
    units_ = 0;
  }
#if defined(__unix__)
  bool begin_apart(std::size_t all, std::size_t limit) noexcept {
    unsigned char* const base = find_place_apart(all, limit, kHugeBytes);
    if (base == nullptr) return false;
    begin_at(base);
    apart_ = true;
    return true;
  }
  // Makes a range usable up to `end`.
  bool extend(range & r, std::size_t end) noexcept {
    unsigned char* const at = r.base + r.committed;
    const std::size_t more = end - r.committed;
    if (!apart_) return ::mprotect(at, more, PROT_READ | PROT_WRITE) == 0;
    if (!map_at(at, more, PROT_READ | PROT_WRITE)) return false;
    if (wants_huge_pages().load()) advise(at, more);
    return true;
  }
#endif
  bool fails() noexcept {
    if (fail_after_ < 0) return false;
    if (fail_after_ == 0) return true;
    --fail_after_;
    return false;
  }
  bool commit(std::size_t units) noexcept {
    if (units > units_) return false;
    if (units <= ready_units_) return true;
#if defined(__unix__)
    std::size_t bytes = kCommitBytes;
    if (apart_) bytes = std::clamp(ready_units_ * slots_.unit / 8, kPageBytes, kCommitBytes);
    return commit_all(std::min(units + bytes / slots_.unit + kUnitsMax, units_)) ||
           commit_all(units);
#else
    return false;
#endif
  }
  bool commit_all([[maybe_unused]] std::size_t units) noexcept {
#if defined(__unix__)
    for (range* r : {&tags_, &slots_, &heads_}) {
      const std::size_t end = (units * r->unit + kPageBytes - 1) / kPageBytes * kPageBytes;
      if (end <= r->committed) continue;
      if (!extend(*r, end)) return false;
      r->committed = end;
    }
    ready_units_ = units;
    return true;
#else
    return false;
#endif
  }
  static constexpr std::size_t kPageBytes = std::size_t{64} << 10;  // a multiple of any page size
  static std::size_t system_page_bytes() noexcept {
#if defined(__unix__)
    return static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
#else
    return kPageBytes;
#endif
  }

  mutable std::mutex lock_;
  range tags_, slots_, heads_;
  const std::size_t page_ = system_page_bytes();
  bool apart_ = false;  // nothing is reserved: committing maps
  std::size_t units_ = 0, ready_units_ = 0, touched_units_ = 0, free_units_ = 0;
  std::uint32_t used_ = 1;  // unit 0 names "no segment"
  static constexpr std::size_t kNever = ~std::size_t{0};
  std::size_t ask_at_ = kNever;  // units in use, from which on the helper has work
  std::uint32_t free_[kUnitsMax + 1] = {};
  // Of the walk that gives pages back: where it is, the end of the free run it is in, whether that
  // has pages to give, how often it began at the end since it last said that all is done, and
  // whether the system refused.
  std::uint32_t trimmed_ = 1, run_end_ = 1;
  bool run_has_pages_ = false, refused_ = false;
  unsigned rounds_ = 0;
  std::size_t bare_units_ = 0;        // of free_units_
  std::atomic<unsigned> waiting_{0};  // maps, for the lock
  segment_arena* next_arena_ = nullptr;
  arena_helper* const helper_ = &arena_helper::get();  // of the library that made this
  long fail_after_ = -1;
};

}  // namespace detail

inline bool configure_arena(const arena_options& options) noexcept {
  return detail::segment_arena::configure(options);
}
inline arena_usage usage_of_arenas() noexcept { return detail::segment_arena::usage_of_all(); }
inline bool trim_arenas(std::size_t bytes) noexcept {
  return detail::segment_arena::trim_all(bytes);
}

}  // namespace ullage

#include <ullage/detail/arena_trim.h>
