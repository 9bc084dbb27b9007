// SPDX-License-Identifier: Apache-2.0
#pragma once

// Budget: how much resident memory the tier may have, shared by all shards.
//
//   tier::Budget budget({.limit_bytes = 1_GiB, .process_bytes = 1200_MiB, .shards = 4});
//   if (!budget.take(Component::kClients, bytes)) return "OOM ...";    // before, never after
//   ...
//   budget.give_back(Component::kClients, bytes);
//   budget.tick();                       // ten times a second, by one thread: reads the kernel
//
// Promise   Never grants beyond allowed_bytes(). Memory is granted before it is touched.
// Control   allowed_bytes() is the limit, less what the process (or its cgroup) is resident beyond
//           what was granted: buffers, allocators' slack, libraries. When it falls below what is
//           granted, shards see excess_bytes() and reclaim in slices.
// Cost      take: one compare-and-swap, per segment or page, never per entry. tick: about 20 us.
// Threads   take, give_back, readings: any. tick: one.

#include <ullage/growth.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace ullage::tier {

enum class Component : std::uint8_t {
  kEntries,  // keys and values of up to 16 KiB
  kLarge,    // larger values
  kTable,    // segments and directories
  kClients,  // buffers of connections above 64 KiB
};
inline constexpr std::size_t kComponents = 4;
const char* to_string(Component component) noexcept;  // "entries", ...

// Why memory is refused, or taken back.
enum class Pressure : std::uint8_t {
  kNone,
  kLimit,    // the tier's own limit
  kProcess,  // the process is resident beyond what was granted
  kCgroup,   // the cgroup's limit is near
  kStalled,  // the kernel reports that tasks wait for memory (PSI)
};
const char* to_string(Pressure pressure) noexcept;  // "none", "limit", ...

struct BudgetOptions {
  std::uint64_t limit_bytes = 0;    // of the tier; 0: none
  std::uint64_t process_bytes = 0;  // of the whole process; 0: none
  unsigned shards = 1;
  std::string proc = "/proc";             // for tests
  std::string cgroup = "/sys/fs/cgroup";  // for tests
};

class Budget {
 public:
  explicit Budget(const BudgetOptions& options);
  Budget(const Budget&) = delete;
  Budget& operator=(const Budget&) = delete;

  // False: denied, nothing was taken. `shard`: on whose behalf, -1: nobody's.
  [[nodiscard]] bool take(Component component, std::uint64_t bytes, int shard = -1) noexcept;
  void give_back(Component component, std::uint64_t bytes, int shard = -1) noexcept;
  // Bytes that were granted to one component now belong to another.
  void recast(Component from, Component to, std::uint64_t bytes) noexcept;
  // Of what was granted to this shard, so much more (or less) was not written to yet: the kernel
  // has given no memory for it, but will. The difference, from that shard's thread alone.
  void untouched(std::int64_t bytes, int shard) noexcept;
  // What was granted on behalf of one shard is another's; -1: nobody's.
  void entrust(std::uint64_t bytes, int from, int to) noexcept;

  std::uint64_t limit_bytes() const noexcept { return limit_.load(std::memory_order_relaxed); }
  // Live: growths to come obey it, shards reclaim down to it.
  void limit_bytes(std::uint64_t bytes) noexcept;
  // Of the whole process; 0: none. Live, from the next tick on.
  std::uint64_t process_bytes() const noexcept { return process_.load(std::memory_order_relaxed); }
  void process_bytes(std::uint64_t bytes) noexcept {
    process_.store(bytes, std::memory_order_relaxed);
  }
  std::uint64_t allowed_bytes() const noexcept { return allowed_.load(std::memory_order_relaxed); }
  std::uint64_t granted_bytes() const noexcept { return granted_.load(std::memory_order_relaxed); }
  std::uint64_t granted_bytes(Component component) const noexcept;
  std::uint64_t granted_bytes_max() const noexcept;  // high water
  // Whether so much could be granted just now.
  bool has_free(std::uint64_t bytes) const noexcept {
    const std::uint64_t granted = granted_bytes(), allowed = allowed_bytes();
    return granted <= allowed && allowed - granted >= bytes;
  }
  // What was granted on behalf of a shard.
  std::uint64_t held_bytes(int shard) const noexcept {
    return shares_[static_cast<std::size_t>(shard)].bytes.load(std::memory_order_relaxed);
  }
  std::uint64_t denied() const noexcept { return denied_.load(std::memory_order_relaxed); }
  // What this shard should free now: its part of what is granted beyond allowed_bytes(). A shard
  // that holds more than its share keeps it while nothing is beyond; others then evict their own.
  std::uint64_t excess_bytes(int shard) const noexcept;
  // So much is to be free soon, and this shard is to see to it, with what it may evict: until that
  // is so, somebody asks anew (0: no longer), or tick() was here twice. One wish at a time.
  void ask(std::uint64_t free_bytes, int of) noexcept;
  bool is_asked(int shard) const noexcept {
    return asked_of_.load(std::memory_order_relaxed) == shard;
  }
  // The shard on whose behalf the most is granted.
  int richest() const noexcept;
  Pressure pressure() const noexcept { return pressure_.load(std::memory_order_relaxed); }

  const BudgetOptions& options() const noexcept { return options_; }

  // Reads the kernel's figures and sets allowed_bytes() and pressure().
  void tick();
  // Of the last tick.
  struct Readings {
    std::uint64_t process_resident_bytes = 0;                // VmRSS
    std::uint64_t cgroup_bytes = 0, cgroup_limit_bytes = 0;  // 0: none, or not to be read
    double psi_some_avg10 = -1;                              // percent; -1: no PSI here
    std::uint64_t ticks = 0;
  };
  Readings readings() const;

 private:
  static constexpr unsigned kShardsMax = 64;
  struct alignas(64) Share {
    std::atomic<std::uint64_t> bytes{0};
    std::atomic<std::int64_t> untouched{0};
  };

  std::uint64_t touched_bytes() const noexcept;
  void set_allowed(std::uint64_t bytes, Pressure why) noexcept;

  const BudgetOptions options_;
  std::atomic<std::uint64_t> limit_, process_, allowed_;
  std::atomic<std::uint64_t> granted_{0}, granted_max_{0}, denied_{0};
  std::array<std::atomic<std::uint64_t>, kComponents> components_{};
  std::array<Share, kShardsMax> shares_;
  std::atomic<int> asked_of_{-1};  // the shard that is to make room; -1: none
  std::atomic<std::uint64_t> asked_bytes_{0}, asked_at_{0};
  std::atomic<std::uint64_t> starved_{0};  // denials since the last tick
  std::atomic<std::uint64_t> beside_{0};   // what the process took beyond what was granted
  std::atomic<Pressure> pressure_{Pressure::kNone};
  std::atomic<std::uint64_t> rss_{0}, cgroup_bytes_{0}, cgroup_limit_{0}, ticks_{0};
  std::atomic<double> psi_{-1};
  std::optional<std::uint64_t> held_bytes_;  // granted when tasks began to wait; for tick() alone
};

}  // namespace ullage::tier
