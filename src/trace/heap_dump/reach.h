// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a pointer and the two words behind it reach of the object that it points into.
//
// A dump tells which words are pointers, not their types. A slice is (pointer, len, cap), a string
// (pointer, len), anything else a bare pointer, which may reach the whole object. Whatever is not
// clearly a slice or a string is taken for a bare pointer: a retention that is reported can't be
// explained by one.
//
//  1. A slice: len <= cap, and cap elements fit. The size of an element follows from the array's
//     end: without a clipped capacity, offset + cap * element is the object's end but for rounding
//     to a size class, and offset is a multiple of the element. At offset 0, which is a multiple of
//     everything, elements are small.
//  2. Where no element fits so, the capacity is clipped (bytes.Split and full slice expressions do
//     that). At an offset > 0 of an object without pointers these are bytes; else it may be a bare
//     pointer beside two numbers.
//  3. A string: no cap behind it, offset > 0, len bytes fit, the object holds no pointers.

#include <cstdint>

namespace ullage::trace::heap_dump {

struct Target {
  std::uint64_t size = 0;  // of the object, without a header of the allocator
  bool has_pointers = false;
  unsigned word_bytes = 8;
};

struct Header {
  std::uint64_t offset = 0;                    // of the pointer within the object
  std::uint64_t second = 0, third = 0;         // the words behind it
  bool has_second = false, has_third = false;  // they exist, and are no pointers themselves
};

struct Reach {
  bool whole = true;  // a bare pointer, or a slice of everything
  std::uint64_t offset = 0, length_bytes = 0, capacity_bytes = 0;
  std::uint64_t element_bytes = 0;
  bool string = false;
};

Reach reach_of(const Target& target, const Header& header);

}  // namespace ullage::trace::heap_dump
