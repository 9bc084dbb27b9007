// SPDX-License-Identifier: Apache-2.0
#pragma once

// Dump: the records of a Go heap dump (debug.WriteHeapDump), indexed where they lie in the mapped
// file. Contents are never copied: 24 B for each object, and what the roots and goroutines need.
//
// Any bytes are accepted. Decoding stops at the first record that makes no sense or is cut off;
// what came before it stays, `cut` says so and `roots_seen` whether the roots had been reached.

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "trace/heap_dump/cursor.h"

namespace ullage::trace::heap_dump {

inline constexpr std::string_view kMagic = "go1.7 heap dump\n";
// Objects of one dump: indices have 32 bits, and the uppermost are those of roots.
inline constexpr std::size_t kObjectsMax = std::size_t{1} << 31;
// Stack frames, goroutines, and frames of one profiled stack. Dumps of 1 M goroutines have 10 M.
inline constexpr std::size_t kFramesMax = std::size_t{1} << 26;
inline constexpr std::size_t kGoroutinesMax = std::size_t{1} << 24;
inline constexpr std::size_t kBucketFramesMax = 1024;  // the runtime keeps 128 at most
inline constexpr std::size_t kBucketsMax = std::size_t{1} << 22;

struct Object {
  std::uint64_t address = 0, size = 0;
  std::uint64_t contents = 0;  // byte of the file where they begin; its fields follow them
};

// Memory that holds pointers and is no object: a segment, a stack frame, or one bare address.
struct Root {
  enum class Kind : std::uint8_t { kData, kBss, kFrame, kDefer, kFinalizer, kOther } kind;
  std::uint32_t goroutine = 0;             // index into goroutines (frames, defers)
  std::uint64_t address = 0, size = 0;     // an address only: size 0, `address` is pointed to
  std::uint64_t contents = 0, fields = 0;  // bytes of the file
  std::string_view name;                   // function of a frame, description of the others
};

struct Goroutine {
  std::uint64_t address = 0, id = 0;
  std::string_view wait_reason;
  bool system = false;
  std::uint64_t status = 0;
  std::uint64_t defers = 0;
  std::uint64_t first_frame = 0, frames = 0;  // in roots, innermost first
  std::uint64_t where = 0;                    // byte of the file
};

struct BucketFrame {
  std::string_view function, file;
  std::uint64_t line = 0;
};
struct Bucket {  // one stack and size of the memory profile
  std::uint64_t size = 0, allocs = 0, frees = 0;
  std::vector<BucketFrame> stack;  // innermost first, the runtime's frames with it
  std::uint64_t where = 0;
};

struct Dump {
  bool big_endian = false;
  unsigned pointer_bytes = 8;
  std::string_view architecture, version;
  std::uint64_t processors = 0;
  std::vector<Object> objects;  // by address, once decoded
  std::vector<Root> roots;
  std::vector<Goroutine> goroutines;
  std::vector<std::pair<std::string, std::uint64_t>> memstats;
  std::map<std::uint64_t, Bucket> buckets;               // by their address in the program
  std::map<std::uint64_t, std::uint64_t> samples;        // object -> bucket
  std::uint64_t records = 0, types = 0, understood = 0;  // bytes understood
  bool roots_seen = false, complete = false;
  std::string stopped;  // why it is not complete

  // The word at a byte of the file, as the program had it. The caller knows that it is there.
  std::uint64_t word(std::span<const std::uint8_t> file, std::uint64_t at) const;
};

// `step(bytes)` is told now and then how far decoding is.
Dump decode(std::span<const std::uint8_t> file, void (*step)(void*, std::uint64_t), void* context);

// Calls `field(offset)` for every pointer that stands in `size` bytes, from the list of fields at
// byte `fields` of the file.
template <class Field>
void for_each_pointer(std::span<const std::uint8_t> file, std::uint64_t fields, std::uint64_t size,
                      unsigned pointer_bytes, Field field) {
  Cursor c(file, fields);
  std::uint64_t kind = 0, offset = 0;
  while (c.number(kind) && kind != 0 && c.number(offset)) {
    if (kind != 1) offset += pointer_bytes;  // an interface: its second word
    if (offset <= size && size - offset >= pointer_bytes) field(offset);
  }
}

}  // namespace ullage::trace::heap_dump
