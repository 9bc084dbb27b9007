// SPDX-License-Identifier: Apache-2.0
#pragma once

// ElfFacts: the few things about an executable that decide whether an agent can be preloaded.
//
// Read with pread, bounded, any bytes accepted: what can't be read is simply not a fact. No libelf:
// the recording parent stays small.

#include <cstdint>
#include <set>
#include <string>
#include <vector>

namespace ullage::launch {

// Symbol tables up to this size are searched; a larger one (no program has it) is not.
inline constexpr uint64_t kSymbolBytesMax = 256u << 20;

struct ElfFacts {
  bool readable = false;
  bool elf = false;
  bool is_64 = false;
  bool little_endian = false;
  uint16_t type = 0;                // ET_EXEC 2, ET_DYN 3
  uint16_t machine = 0;             // EM_X86_64 62
  std::string interpreter;          // of PT_INTERP; empty: static
  std::vector<std::string> needed;  // DT_NEEDED
  std::set<std::string> symbols;    // those of kTellingSymbols that the file defines
  bool go = false;                  // built by the Go toolchain
  std::string first_line;           // of a file that is not ELF: up to 256 bytes
};

// Global symbols whose definition inside an executable says something: sanitizers, own allocators.
inline constexpr const char* kTellingSymbols[] = {
    "malloc",        "mallctl",       "je_malloc",   "je_mallctl",  "_rjem_malloc",
    "_rjem_mallctl", "tc_malloc",     "mi_malloc",   "__asan_init", "__tsan_init",
    "__msan_init",   "__hwasan_init", "__lsan_init", "scalloc",     "rpmalloc"};

ElfFacts read_elf(const std::string& path);

}  // namespace ullage::launch
