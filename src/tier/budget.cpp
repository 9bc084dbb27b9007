// SPDX-License-Identifier: Apache-2.0
#include "tier/budget.h"

#include <algorithm>
#include <cassert>
#include <limits>

#include "tier/kernel.h"

namespace ullage::tier {
namespace {

constexpr std::uint64_t kUnlimited = std::numeric_limits<std::int64_t>::max();
constexpr auto kRelaxed = std::memory_order_relaxed;

// Of the cgroup's limit, what is left to others before the budget is lowered: 1/32.
constexpr std::uint64_t kCgroupReserve = 32;
// Tasks waited for memory in more than this share of the last ten seconds: no further growth.
constexpr double kStalledPercent = 10;

std::uint64_t or_unlimited(std::uint64_t bytes) {
  return bytes == 0 || bytes > kUnlimited ? kUnlimited : bytes;
}

}  // namespace

const char* to_string(Component component) noexcept {
  switch (component) {
    case Component::kEntries:
      return "entries";
    case Component::kLarge:
      return "large";
    case Component::kTable:
      return "table";
    case Component::kClients:
      return "clients";
  }
  return "unknown";
}

const char* to_string(Pressure pressure) noexcept {
  switch (pressure) {
    case Pressure::kNone:
      return "none";
    case Pressure::kLimit:
      return "limit";
    case Pressure::kProcess:
      return "process";
    case Pressure::kCgroup:
      return "cgroup";
    case Pressure::kStalled:
      return "stalled";
  }
  return "unknown";
}

Budget::Budget(const BudgetOptions& options)
    : options_(options),
      limit_(or_unlimited(options.limit_bytes)),
      process_(options.process_bytes),
      allowed_(or_unlimited(options.limit_bytes)) {
  assert(options.shards >= 1 && options.shards <= kShardsMax);
}

bool Budget::take(Component component, std::uint64_t bytes, int shard) noexcept {
  const std::uint64_t allowed = allowed_.load(kRelaxed);
  std::uint64_t granted = granted_.load(kRelaxed);
  do {
    if (granted > allowed || bytes > allowed - granted) {
      denied_.fetch_add(1, kRelaxed);
      starved_.fetch_add(1, kRelaxed);
      return false;
    }
  } while (!granted_.compare_exchange_weak(granted, granted + bytes, std::memory_order_acq_rel,
                                           kRelaxed));
  components_[static_cast<std::size_t>(component)].fetch_add(bytes, kRelaxed);
  if (shard >= 0) shares_[static_cast<std::size_t>(shard)].bytes.fetch_add(bytes, kRelaxed);
  std::uint64_t most = granted_max_.load(kRelaxed);
  while (granted + bytes > most &&
         !granted_max_.compare_exchange_weak(most, granted + bytes, kRelaxed)) {
  }
  return true;
}

void Budget::give_back(Component component, std::uint64_t bytes, int shard) noexcept {
  assert(granted_.load(kRelaxed) >= bytes && "given back more than was taken");
  granted_.fetch_sub(bytes, std::memory_order_acq_rel);
  components_[static_cast<std::size_t>(component)].fetch_sub(bytes, kRelaxed);
  if (shard >= 0) shares_[static_cast<std::size_t>(shard)].bytes.fetch_sub(bytes, kRelaxed);
}

void Budget::recast(Component from, Component to, std::uint64_t bytes) noexcept {
  components_[static_cast<std::size_t>(from)].fetch_sub(bytes, kRelaxed);
  components_[static_cast<std::size_t>(to)].fetch_add(bytes, kRelaxed);
}

void Budget::limit_bytes(std::uint64_t bytes) noexcept {
  limit_.store(or_unlimited(bytes), kRelaxed);
  std::uint64_t allowed = limit_.load(kRelaxed);
  // Not even until the next tick it is more than the process leaves.
  if (const std::uint64_t bound = process_bytes(); bound != 0) {
    allowed = std::min(allowed, bound - std::min(bound, beside_.load(kRelaxed)));
  }
  set_allowed(allowed, Pressure::kLimit);
}

void Budget::entrust(std::uint64_t bytes, int from, int to) noexcept {
  if (bytes == 0 || from == to) return;
  if (from >= 0) shares_[static_cast<std::size_t>(from)].bytes.fetch_sub(bytes, kRelaxed);
  if (to >= 0) shares_[static_cast<std::size_t>(to)].bytes.fetch_add(bytes, kRelaxed);
}

void Budget::untouched(std::int64_t bytes, int shard) noexcept {
  if (shard < 0) return;
  auto& mine = shares_[static_cast<std::size_t>(shard)].untouched;
  mine.store(mine.load(kRelaxed) + bytes, kRelaxed);
}

// What the kernel should have given memory for.
std::uint64_t Budget::touched_bytes() const noexcept {
  std::int64_t untouched = 0;
  for (unsigned i = 0; i < options_.shards; ++i) untouched += shares_[i].untouched.load(kRelaxed);
  const std::uint64_t granted = granted_.load(kRelaxed);
  return granted -
         std::min(granted, static_cast<std::uint64_t>(std::max<std::int64_t>(untouched, 0)));
}

std::uint64_t Budget::granted_bytes(Component component) const noexcept {
  return components_[static_cast<std::size_t>(component)].load(kRelaxed);
}

std::uint64_t Budget::granted_bytes_max() const noexcept { return granted_max_.load(kRelaxed); }

std::uint64_t Budget::excess_bytes(int shard) const noexcept {
  const std::uint64_t granted = granted_.load(kRelaxed);
  const std::uint64_t allowed = allowed_.load(kRelaxed);
  const std::uint64_t mine = shares_[static_cast<std::size_t>(shard)].bytes.load(kRelaxed);
  const std::uint64_t share = allowed / options_.shards;
  const std::uint64_t above = mine > share ? mine - share : 0;
  const std::uint64_t beyond = granted > allowed ? std::min(above, granted - allowed) : 0;
  if (!is_asked(shard)) return beyond;
  const std::uint64_t wanted = granted + asked_bytes_.load(kRelaxed);
  return std::max(beyond, wanted > allowed ? std::min(mine, wanted - allowed) : 0);
}

void Budget::ask(std::uint64_t free_bytes, int of) noexcept {
  asked_bytes_.store(free_bytes, kRelaxed);
  asked_at_.store(ticks_.load(kRelaxed), kRelaxed);
  asked_of_.store(free_bytes == 0 ? -1 : of, kRelaxed);
}

int Budget::richest() const noexcept {
  unsigned found = 0;
  for (unsigned i = 1; i < options_.shards; ++i) {
    if (shares_[i].bytes.load(kRelaxed) > shares_[found].bytes.load(kRelaxed)) found = i;
  }
  return static_cast<int>(found);
}

void Budget::set_allowed(std::uint64_t bytes, Pressure why) noexcept {
  allowed_.store(std::min(bytes, limit_.load(kRelaxed)), kRelaxed);
  pressure_.store(granted_.load(kRelaxed) > bytes ? why : Pressure::kNone, kRelaxed);
}

void Budget::tick() {
  // Before the kernel is asked: what comes meanwhile counts as beside, and not as ours.
  const std::uint64_t touched = touched_bytes();
  const kernel::Resident resident = kernel::resident(options_.proc);
  const kernel::CgroupMemory cgroup = kernel::cgroup_memory(options_.proc, options_.cgroup);
  const double psi = kernel::memory_stalled_percent(options_.proc);
  rss_.store(resident.resident_bytes, kRelaxed);
  cgroup_bytes_.store(cgroup.used_bytes, kRelaxed);
  cgroup_limit_.store(cgroup.limit_bytes, kRelaxed);
  psi_.store(psi, kRelaxed);
  ticks_.fetch_add(1, kRelaxed);
  starved_.store(0, kRelaxed);
  // Whoever asked and went away, or got what it needed otherwise, takes nothing for long.
  if (ticks_.load(kRelaxed) - asked_at_.load(kRelaxed) >= 2) asked_of_.store(-1, kRelaxed);

  const std::uint64_t granted = granted_.load(kRelaxed);
  std::uint64_t allowed = limit_.load(kRelaxed);
  Pressure why = Pressure::kLimit;
  const auto lower = [&](std::uint64_t bound, std::uint64_t used, Pressure cause) {
    // What is used beyond what was granted is not ours to grant again. What was granted and not
    // written to is not used yet: it would hide as much of what others use.
    const std::uint64_t beside = used > touched ? used - touched : 0;
    const std::uint64_t left = bound > beside ? bound - beside : 0;
    if (left < allowed) {
      allowed = left;
      why = cause;
    }
  };
  const std::uint64_t rss = resident.resident_bytes;
  beside_.store(rss > touched ? rss - touched : 0, kRelaxed);
  if (const std::uint64_t bound = process_bytes(); bound != 0) {
    lower(bound, rss, Pressure::kProcess);
  }
  if (cgroup.limit_bytes != 0) {
    lower(cgroup.limit_bytes - cgroup.limit_bytes / kCgroupReserve, cgroup.used_bytes,
          Pressure::kCgroup);
  }
  // Held where the stall found it: what is given back meanwhile may be granted again.
  if (psi < kStalledPercent) {
    held_bytes_.reset();
  } else if (!held_bytes_) {
    held_bytes_ = granted;
  }
  if (held_bytes_ && *held_bytes_ < allowed) {
    allowed = *held_bytes_;
    why = Pressure::kStalled;
  }
  set_allowed(allowed, why);
  if (why == Pressure::kStalled) pressure_.store(why, kRelaxed);
}

Budget::Readings Budget::readings() const {
  return {rss_.load(kRelaxed), cgroup_bytes_.load(kRelaxed), cgroup_limit_.load(kRelaxed),
          psi_.load(kRelaxed), ticks_.load(kRelaxed)};
}

}  // namespace ullage::tier
