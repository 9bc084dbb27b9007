// SPDX-License-Identifier: Apache-2.0
#include "agent/modules.h"

#include <elf.h>
#include <link.h>
#include <string.h>

#include "agent/platform.h"

namespace ullage::agent {

Modules g_modules;

namespace {

// Scans that found nothing new before we stop asking for unknown pcs (generated code has no
// module).
constexpr int kFruitlessScansMax = 64;

void copy_build_id(Module& module, const uint8_t* note, size_t bytes) {
  const uint8_t* end = note + bytes;
  while (note + 12 <= end) {
    uint32_t name = 0, size = 0, type = 0;
    memcpy(&name, note, 4);
    memcpy(&size, note + 4, 4);
    memcpy(&type, note + 8, 4);
    const uint8_t* desc = note + 12 + ((name + 3u) & ~3u);
    if (desc + size > end || desc < note) return;
    if (type == NT_GNU_BUILD_ID && name == 4 && memcmp(note + 12, "GNU", 4) == 0) {
      module.build_id_bytes = static_cast<uint8_t>(size < 31 ? size : 31);
      memcpy(module.build_id, desc, module.build_id_bytes);
      return;
    }
    note = desc + ((size + 3u) & ~3u);
  }
}

void copy_path(Module& module, const char* name) {
  if (name != nullptr && name[0] != 0) {
    size_t n = strnlen(name, sizeof module.path - 1);
    memcpy(module.path, name, n);
    module.path[n] = 0;
    return;
  }
  const ssize_t n = readlink("/proc/self/exe", module.path, sizeof module.path - 1);
  module.path[n > 0 ? n : 0] = 0;
}

}  // namespace

struct Modules::Scan {
  Modules* self;
  Listener listener;
  bool counters_known = false;
  bool unchanged = false;
  bool found_new = false;
  uint64_t seen[kModulesMax / 64] = {};
};

// The place alone says nothing: between two scans another file of the same size may have come to
// lie there. Without a build id: the same path.
bool Modules::same_file(const Module& known, const dl_phdr_info& info) const {
  if (info.dlpi_name == nullptr || info.dlpi_name[0] == 0) return true;  // the program: it stays
  Module now;
  for (int i = 0; i < info.dlpi_phnum && now.build_id_bytes == 0; ++i) {
    const ElfW(Phdr)& p = info.dlpi_phdr[i];
    if (p.p_type != PT_NOTE) continue;
    copy_build_id(now, reinterpret_cast<const uint8_t*>(info.dlpi_addr + p.p_vaddr), p.p_memsz);
  }
  if (now.build_id_bytes != known.build_id_bytes) return false;
  if (now.build_id_bytes != 0) return memcmp(now.build_id, known.build_id, now.build_id_bytes) == 0;
  copy_path(now, info.dlpi_name);
  return strcmp(now.path, known.path) == 0;
}

bool Modules::init() {
  modules_ = static_cast<Module*>(map_private(sizeof(Module) * kModulesMax));
  return modules_ != nullptr;
}

const Module* Modules::find(uintptr_t pc) const {
  for (int i = count_.load(std::memory_order_acquire) - 1; i >= 0; --i) {
    const Module& m = modules_[i];
    if (pc - m.low < m.high - m.low && m.mapped.load(std::memory_order_relaxed)) return &m;
  }
  return nullptr;
}

int Modules::visit(void* raw, size_t size, void* data) {
  auto* info = static_cast<dl_phdr_info*>(raw);
  auto* scan = static_cast<Scan*>(data);
  Modules* self = scan->self;
  if (!scan->counters_known) {
    scan->counters_known = true;
    if (size >= offsetof(dl_phdr_info, dlpi_subs) + sizeof info->dlpi_subs) {
      scan->unchanged = self->adds_ == info->dlpi_adds && self->subs_ == info->dlpi_subs;
      self->adds_ = info->dlpi_adds;
      self->subs_ = info->dlpi_subs;
    }
  }
  if (scan->unchanged) return 1;
  uintptr_t low = ~uintptr_t{0}, high = 0;
  const uint8_t* unwind = nullptr;
  const uint8_t* notes[8] = {};
  size_t notes_bytes[8] = {};
  int notes_count = 0;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const ElfW(Phdr)& p = info->dlpi_phdr[i];
    const uintptr_t at = info->dlpi_addr + p.p_vaddr;
    if (p.p_type == PT_LOAD && (p.p_flags & PF_X) != 0) {
      if (at < low) low = at;
      if (at + p.p_memsz > high) high = at + p.p_memsz;
    } else if (p.p_type == PT_GNU_EH_FRAME) {
      unwind = reinterpret_cast<const uint8_t*>(at);
    } else if (p.p_type == PT_NOTE && notes_count < 8) {
      notes[notes_count] = reinterpret_cast<const uint8_t*>(at);
      notes_bytes[notes_count++] = p.p_memsz;
    }
  }
  if (high == 0) return 0;
  const int count = self->count_.load(std::memory_order_relaxed);
  uint16_t occupant = 0;
  for (int i = 0; i < count; ++i) {
    Module& m = self->modules_[i];
    const bool live = m.mapped.load(std::memory_order_relaxed);
    const bool same_place = m.low == low && m.high == high && m.bias == info->dlpi_addr;
    if (same_place && self->same_file(m, *info)) {
      if (live) {
        scan->seen[i / 64] |= uint64_t{1} << (i % 64);
        return 0;
      }
      // The same file at the same place again: a program that loads and unloads in a loop.
      m.unwind = unwind_table(unwind);
      m.mapped.store(true, std::memory_order_release);
      scan->seen[i / 64] |= uint64_t{1} << (i % 64);
      scan->found_new = true;
      if (scan->listener != nullptr) scan->listener(m, true);
      return 0;
    }
    if (m.low < high && low < m.high && m.occupant >= occupant) {
      occupant = static_cast<uint16_t>(m.occupant + 1);
    }
  }
  if (count == kModulesMax) return 0;
  Module& m = self->modules_[count];
  m.low = low;
  m.high = high;
  m.bias = info->dlpi_addr;
  m.unwind = unwind_table(unwind);
  m.occupant = occupant;
  for (int i = 0; i < notes_count && m.build_id_bytes == 0; ++i) {
    copy_build_id(m, notes[i], notes_bytes[i]);
  }
  copy_path(m, info->dlpi_name);
  m.mapped.store(true, std::memory_order_relaxed);
  scan->seen[count / 64] |= uint64_t{1} << (count % 64);
  scan->found_new = true;
  self->count_.store(count + 1, std::memory_order_release);
  if (scan->listener != nullptr) scan->listener(m, true);
  return 0;
}

void Modules::scan(Listener listener, bool wait) {
  // try, not lock: the loader may call us (constructors allocate) while another thread scans and
  // waits for the loader.
  if (modules_ == nullptr || frozen_.load(std::memory_order_relaxed)) return;
  const SignalsHeld held;  // the loader has a lock of its own, which must not stay taken either
  const uint64_t end_ns =
      wait && __atomic_load_n(&lock_, __ATOMIC_RELAXED) != 0 ? monotonic_ns() + kWaitNs : 0;
  for (unsigned n = 0; __atomic_exchange_n(&lock_, 1, __ATOMIC_ACQUIRE) != 0; ++n) {
    if (wait && (n < 100 || monotonic_ns() < end_ns)) {
      rest(n);
      continue;
    }
    __atomic_store_n(&again_, 1, __ATOMIC_RELEASE);
    return;
  }
  constexpr int kRounds = 4;  // each round answers those that came during the one before
  for (int round = 0; round < kRounds; ++round) {
    __atomic_store_n(&again_, 0, __ATOMIC_RELEASE);
    scan_once(listener);
    if (__atomic_load_n(&again_, __ATOMIC_ACQUIRE) == 0) break;
  }
  __atomic_store_n(&lock_, 0, __ATOMIC_RELEASE);
}

void Modules::scan_once(Listener listener) {
  Scan scan{this, listener};
  dl_iterate_phdr(reinterpret_cast<int (*)(dl_phdr_info*, size_t, void*)>(&Modules::visit), &scan);
  if (!scan.unchanged) {
    bool gone = false;
    const int count = count_.load(std::memory_order_relaxed);
    for (int i = 0; i < count; ++i) {
      Module& m = modules_[i];
      if (!m.mapped.load(std::memory_order_relaxed)) continue;
      if ((scan.seen[i / 64] >> (i % 64) & 1) != 0) continue;
      m.mapped.store(false, std::memory_order_relaxed);
      gone = true;
      if (listener != nullptr) listener(m, false);
    }
    // New modules at free addresses leave what is cached true, except answers of "unknown".
    if (gone || scan.found_new) generation_.fetch_add(1, std::memory_order_release);
  }
  if (scan.found_new) __atomic_store_n(&fruitless_, 0, __ATOMIC_RELAXED);
}

bool Modules::scan_for_unknown(Listener listener) {
  if (__atomic_load_n(&fruitless_, __ATOMIC_RELAXED) >= kFruitlessScansMax) return false;
  __atomic_fetch_add(&fruitless_, 1, __ATOMIC_RELAXED);
  scan(listener, true);
  return true;
}

void Modules::each(Listener listener) const {
  const int count = count_.load(std::memory_order_acquire);
  for (int i = 0; i < count; ++i) {
    if (modules_[i].mapped.load(std::memory_order_relaxed)) listener(modules_[i], true);
  }
}

const Module* Modules::main_program() const {
  return count_.load(std::memory_order_acquire) > 0 ? &modules_[0] : nullptr;
}

void Modules::reset_locks() { lock_ = 0; }

}  // namespace ullage::agent
