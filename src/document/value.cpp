// SPDX-License-Identifier: Apache-2.0
#include "document/value.h"

#include <algorithm>

namespace ullage::document {
namespace {

bool spend(std::uint64_t& work, std::uint64_t by) {
  if (work < by) {
    work = 0;
    return false;
  }
  work -= by;
  return true;
}

bool equal_objects(Value one, Value other, std::uint64_t& work) {
  Items guess(other);  // members in the same order are found at once
  for (Items item(one); item.next();) {
    if (guess.next() && guess.key() == item.key()) {
      if (!equal(item.value(), guess.value(), work)) return false;
      continue;
    }
    bool found = false;
    for (Items search(other); !found && search.next();) {
      if (!spend(work, 1)) return false;
      if (search.key() != item.key()) continue;
      if (!equal(item.value(), search.value(), work)) return false;
      found = true;
    }
    if (!found) return false;
  }
  return true;
}

// What a length of `width` bytes can be at `at`; false: there are not so many bytes.
bool read_length(std::string_view bytes, std::size_t at, std::size_t width, std::uint64_t& length) {
  if (bytes.size() < at + width) return false;
  length = 0;
  for (std::size_t i = width; i-- > 0;) {
    length = length << 8 | static_cast<unsigned char>(bytes[at + i]);
  }
  return true;
}

// The value's size; 0: it is not whole.
std::size_t whole(std::string_view bytes, unsigned depth);

std::size_t whole_container(std::string_view bytes, bool object, unsigned depth) {
  const unsigned w = static_cast<unsigned char>(bytes[0]) & 15u;
  if (w > 2 || depth == kDepthMax) return 0;
  const std::size_t width = std::size_t{1} << w;
  std::uint64_t body = 0, count = 0;
  if (!read_length(bytes, 1, width, body) || !read_length(bytes, 1 + width, width, count)) return 0;
  const std::size_t header = 1 + 2 * width;
  if (bytes.size() - header < body) return 0;
  std::string_view rest = bytes.substr(header, body);
  std::uint64_t seen = 0;
  for (; !rest.empty(); ++seen) {
    if (object) {
      if (Value(rest.data()).type() != Type::kString) return 0;
      const std::size_t key = whole(rest, depth + 1);
      if (key == 0) return 0;
      rest.remove_prefix(key);
      if (rest.empty()) return 0;
    }
    const std::size_t value = whole(rest, depth + 1);
    if (value == 0) return 0;
    rest.remove_prefix(value);
  }
  return seen == count ? header + body : 0;
}

std::size_t whole(std::string_view bytes, unsigned depth) {
  if (bytes.empty()) return 0;
  const auto t = static_cast<std::uint8_t>(bytes[0]);
  if (t >= tag::kArray && t < tag::kShortString) {
    return whole_container(bytes, t >= tag::kObject, depth);
  }
  if (t < tag::kString && t > tag::kUnsigned) return 0;
  if (t >= tag::kString && t < tag::kShortString) {
    const unsigned w = t & 15u;
    std::uint64_t length = 0;
    if (w > 2 || !read_length(bytes, 1, std::size_t{1} << w, length)) return 0;
  }
  const std::size_t all = Value(bytes.data()).bytes();
  return all <= bytes.size() ? all : 0;
}

}  // namespace

std::string_view name_of(Type type) {
  switch (type) {
    case Type::kNull:
      return "null";
    case Type::kBoolean:
      return "boolean";
    case Type::kInteger:
      return "integer";
    case Type::kNumber:
      return "number";
    case Type::kString:
      return "string";
    case Type::kArray:
      return "array";
    case Type::kObject:
      return "object";
  }
  return "null";
}

bool equal(Value one, Value other, std::uint64_t& work) {
  const std::size_t bytes = one.bytes();
  if (!spend(work, 1 + bytes / 64)) return false;
  if (bytes == other.bytes() && std::memcmp(one.data(), other.data(), bytes) == 0) return true;
  // Canonical: other bytes are another value, except for the order of members somewhere within.
  if (one.type() != other.type() || !one.is_container()) return false;
  if (bytes != other.bytes() || one.count() != other.count()) return false;
  if (one.is_object()) return equal_objects(one, other, work);
  Items b(other);
  for (Items a(one); a.next();) {
    if (!b.next() || !equal(a.value(), b.value(), work)) return false;
  }
  return true;
}

bool well_formed(std::string_view bytes) { return whole(bytes, 0) != 0; }

unsigned depth_of(Value value) {
  if (!value.is_container()) return 0;
  unsigned deepest = 0;
  for (Items item(value); item.next();) deepest = std::max(deepest, depth_of(item.value()));
  return deepest + 1;
}

}  // namespace ullage::document
