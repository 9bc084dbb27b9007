// SPDX-License-Identifier: Apache-2.0
//
// growth: the vocabulary that every container of the library speaks. What grew, where, from how
// much to how much, what was moved, whom it stopped and for how long (growth_event); who wants to
// know (growth_sink); which place in the program it belongs to (growth_site); who may say no
// (growth_budget).
//
//   inline ullage::growth_site orders{"orders.by_id"};      // one place, named
//   ullage::vector<order> list{orders};                     // grows in its name
//   orders.listen(&my_sink);                                // every growth of that place
//   ullage::set_growth_sink(&everywhere);                   // every growth of the process
//   orders.limit(&my_budget);                               // may deny; the container says so
//
// Cost      Containers come here from their growth paths only, never per insertion that does not
//           grow. With nobody listening a growth costs a few loads; no clock is read.
// Threads   Everything may be called from any thread. Events are delivered on the thread that
//           grows, after the container is whole again; a sink is as thread-safe as its callers.
// Promise   Nothing here allocates, locks or throws on a growth path. Constructing and destroying a
//           growth_site takes a lock.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <new>

namespace ullage {

class growth_site;

/// What happened to the memory of a container.
enum class growth_kind : std::uint8_t {
  first,      ///< it obtained its first memory
  moved,      ///< it obtained larger memory and moved or copied every element
  extended,   ///< it became larger where it is; nothing was moved
  split,      ///< one segment of a map became two
  stretched,  ///< one segment of a map got more room
  rebuilt,    ///< one segment was arranged anew at its size
  merged,     ///< two segments of a map became one
  shrunk,     ///< it gave memory back
  detached,   ///< a slice that shared its array got an array of its own
  retained,   ///< a small view keeps a large array alive (nothing grew)
  degraded,   ///< it obtained memory, but less than asked for: the budget allowed no more
  denied,     ///< the budget said no; the container kept everything it had
  poor_hash,  ///< keys hash alike: a segment outgrows its bound because splitting can't help
  exhausted,  ///< reserved address space ran out; the elements had to move
  evicted,    ///< a tier let entries go to stay within its budget; told together, now and then
};

/// Which kind of call made it happen; of what a tier gave up or back, what pressed for it.
enum class growth_cause : std::uint8_t {
  insert,
  append,
  reserve,
  resize,
  assign,
  construct,
  erase,
  shrink,
  compact,
  slice,
  limit,    ///< the tier's own limit
  process,  ///< the process was resident beyond its bound
  cgroup,   ///< the cgroup's limit was near
  stalled,  ///< tasks waited for memory (PSI)
};

/// Names as they appear in reports: "moved", "split", ... Never null.
constexpr const char* to_string(growth_kind kind) noexcept {
  switch (kind) {
    case growth_kind::first:
      return "first";
    case growth_kind::moved:
      return "moved";
    case growth_kind::extended:
      return "extended";
    case growth_kind::split:
      return "split";
    case growth_kind::stretched:
      return "stretched";
    case growth_kind::rebuilt:
      return "rebuilt";
    case growth_kind::merged:
      return "merged";
    case growth_kind::shrunk:
      return "shrunk";
    case growth_kind::detached:
      return "detached";
    case growth_kind::retained:
      return "retained";
    case growth_kind::degraded:
      return "degraded";
    case growth_kind::denied:
      return "denied";
    case growth_kind::poor_hash:
      return "poor_hash";
    case growth_kind::exhausted:
      return "exhausted";
    case growth_kind::evicted:
      return "evicted";
  }
  return "unknown";
}

constexpr const char* to_string(growth_cause cause) noexcept {
  switch (cause) {
    case growth_cause::insert:
      return "insert";
    case growth_cause::append:
      return "append";
    case growth_cause::reserve:
      return "reserve";
    case growth_cause::resize:
      return "resize";
    case growth_cause::assign:
      return "assign";
    case growth_cause::construct:
      return "construct";
    case growth_cause::erase:
      return "erase";
    case growth_cause::shrink:
      return "shrink";
    case growth_cause::compact:
      return "compact";
    case growth_cause::slice:
      return "slice";
    case growth_cause::limit:
      return "limit";
    case growth_cause::process:
      return "process";
    case growth_cause::cgroup:
      return "cgroup";
    case growth_cause::stalled:
      return "stalled";
  }
  return "unknown";
}

/// Whether an event of this kind means that memory was obtained or arranged anew: what
/// growth_site::growths() counts. The others are notices (denied, retained, poor_hash), or memory
/// given back or up (merged, shrunk, evicted).
constexpr bool is_growth(growth_kind kind) noexcept {
  switch (kind) {
    case growth_kind::first:
    case growth_kind::moved:
    case growth_kind::extended:
    case growth_kind::split:
    case growth_kind::stretched:
    case growth_kind::rebuilt:
    case growth_kind::detached:
    case growth_kind::degraded:
    case growth_kind::exhausted:
      return true;
    default:
      return false;
  }
}

/// One growth. Byte counts are of memory held by the container, excluding what its elements own.
struct growth_event {
  growth_kind kind = growth_kind::first;
  growth_cause cause = growth_cause::insert;
  std::uint16_t depth = 0;            ///< directory depth of a map, else 0
  std::uint32_t thread = 0;           ///< see growth_thread()
  const growth_site* site = nullptr;  ///< null: the container has none
  const void* container = nullptr;    ///< address of the container object
  const char* type = "";              ///< "vector", "slice", "hash_map", ...
  std::uint64_t bytes_before = 0;
  std::uint64_t bytes_after = 0;
  std::uint64_t capacity_before = 0;  ///< elements
  std::uint64_t capacity_after = 0;   ///< elements
  std::uint64_t elements = 0;         ///< in the container when it grew
  std::uint64_t moved = 0;            ///< elements moved or copied
  std::uint32_t element_bytes = 0;
  std::uint64_t duration_ns = 0;  ///< how long the caller was stopped
  std::uint64_t time_ns = 0;      ///< std::chrono::steady_clock at its end
};

/// Hears of growth. Lives longer than whatever it is set on.
class growth_sink {
 public:
  virtual void on_growth(const growth_event& event) noexcept = 0;

 protected:
  growth_sink() = default;
  growth_sink(const growth_sink&) = default;
  growth_sink& operator=(const growth_sink&) = default;
  ~growth_sink() = default;
};

/// What a container asks before it takes memory.
struct growth_request {
  growth_kind kind = growth_kind::first;
  growth_cause cause = growth_cause::insert;
  const growth_site* site = nullptr;
  const void* container = nullptr;
  const char* type = "";
  std::uint64_t bytes_now = 0;      ///< what it holds
  std::uint64_t bytes_wanted = 0;   ///< what it would hold in the end
  std::uint64_t bytes_at_peak = 0;  ///< what it would hold while it moves
  std::uint64_t elements = 0;
};

enum class growth_answer : std::uint8_t {
  admit,    ///< take it
  degrade,  ///< take the least that this call needs: exact capacity, or the slack of what is there
  deny,     ///< take nothing; the call fails with its documented error
};

/// Says whether a container may grow. Lives longer than the containers that ask it.
class growth_budget {
 public:
  /// Called before memory is taken. What was admitted or degraded is accounted for at once, as if
  /// all of bytes_wanted - bytes_now were taken; a container that takes less says so by adjust().
  /// One that was denied may ask once more for the least that its call needs.
  virtual growth_answer ask(const growth_request& request) noexcept = 0;
  /// Called when a container's memory changed otherwise: `bytes` less (given back, or taken less
  /// than asked) when negative, more when positive (memory taken without a question: moving in).
  virtual void adjust(std::int64_t bytes) noexcept = 0;

 protected:
  growth_budget() = default;
  growth_budget(const growth_budget&) = default;
  growth_budget& operator=(const growth_budget&) = default;
  ~growth_budget() = default;
};

/// Thrown by a container whose budget said no. The container is as it was before the call.
class growth_denied : public std::bad_alloc {
 public:
  const char* what() const noexcept override {
    return "ullage: the growth budget said no; the container keeps what it had";
  }
};

/// A small number for the calling thread: 1, 2, ... in the order in which threads first grow.
[[gnu::visibility("default")]] inline std::uint32_t growth_thread() noexcept {
  static std::atomic<std::uint32_t> last{0};
  thread_local const std::uint32_t mine = last.fetch_add(1, std::memory_order_relaxed) + 1;
  return mine;
}

}  // namespace ullage

#include <ullage/site.h>
