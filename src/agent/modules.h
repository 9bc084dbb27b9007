// SPDX-License-Identifier: Apache-2.0
#pragma once

// The modules mapped in this process: where they lie, how to unwind them, who lay there before.
//
// find() is lock-free and may be called from any thread. scan() asks the loader and takes a lock;
// it runs at start, after dlopen and dlclose, and when a pc belongs to nobody we know.

#include <atomic>

#include "agent/cfi.h"

struct dl_phdr_info;

namespace ullage::agent {

struct Module {
  uintptr_t low = 0, high = 0;  // executable range
  uintptr_t bias = 0;
  UnwindTable unwind;
  uint16_t occupant = 0;  // how many modules held these addresses before
  std::atomic<bool> mapped{false};
  uint8_t build_id_bytes = 0;
  uint8_t build_id[31] = {};
  char path[512] = {};  // longer paths are cut; the build id still identifies the file
};

// Modules that one process may map over its life. Beyond it further ones are unknown: their frames
// are cut and counted as CFI failures.
inline constexpr int kModulesMax = 4096;

class Modules {
 public:
  // Called for each module that appeared or went, under the scan lock.
  using Listener = void (*)(const Module&, bool mapped);

  bool init();  // false: no memory
  // Generation changes whenever addresses changed owner: caches of pcs compare it.
  uint32_t generation() const { return generation_.load(std::memory_order_acquire); }
  const Module* find(uintptr_t pc) const;
  // Another thread may be scanning: it is asked to look again, and `wait` says whether to wait for
  // it, for at most kWaitNs: it may be waiting for the loader, and the loader for us.
  void scan(Listener listener, bool wait = false);
  // Code was or will be loaded or unloaded: the next walks look (changed()).
  void expect_change() {
    __atomic_store_n(&fruitless_, 0, __ATOMIC_RELAXED);
    frozen_.store(false, std::memory_order_relaxed);
    looks_.store(kLooks, std::memory_order_relaxed);
  }
  bool change_expected() const { return looks_.load(std::memory_order_relaxed) > 0; }
  void look(Listener listener, bool wait) {
    if (change_expected()) looks_.fetch_sub(1, std::memory_order_relaxed);
    scan(listener, wait);
  }
  // In a fork's child of a process with threads: one of them may have held the loader's lock, and
  // would hold it for ever here. Nothing is asked of the loader until the child loads code itself.
  void freeze() { frozen_.store(true, std::memory_order_relaxed); }
  // A pc that find() does not know: scan, but not again and again for generated code.
  bool scan_for_unknown(Listener listener);
  void each(Listener listener) const;  // all that are mapped now
  const Module* main_program() const;  // the executable: the loader names it first
  void reset_locks();                  // in a fork's child

 private:
  struct Scan;
  void scan_once(Listener listener);
  bool same_file(const Module& known, const dl_phdr_info& info) const;
  static int visit(void* info, size_t size, void* data);

  Module* modules_ = nullptr;
  std::atomic<int> count_{0};
  std::atomic<uint32_t> generation_{1};
  unsigned long long adds_ = 0, subs_ = 0;  // the loader's counters at the last scan
  int fruitless_ = 0;
  // Walks that look after a dlopen began: it allocates before its modules can be seen.
  static constexpr int kLooks = 64;
  // Longest wait for another thread's scan, which takes microseconds. After it the answer may be
  // that of the scan before.
  static constexpr uint64_t kWaitNs = 2'000'000;
  std::atomic<int> looks_{0};
  std::atomic<bool> frozen_{false};
  int lock_ = 0;
  int again_ = 0;  // somebody wanted to scan meanwhile
};

extern Modules g_modules;

}  // namespace ullage::agent
