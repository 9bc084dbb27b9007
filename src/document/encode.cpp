// SPDX-License-Identifier: Apache-2.0
#include "document/encode.h"

#include <algorithm>
#include <cstring>
#include <limits>

namespace ullage::document {
namespace {

template <class T>
void put(std::string& out, std::uint8_t t, T value) {
  char bytes[1 + sizeof value];
  bytes[0] = static_cast<char>(t);
  std::memcpy(bytes + 1, &value, sizeof value);
  out.append(bytes, sizeof bytes);
}

template <class T>
bool fits(std::int64_t value) {
  return value >= std::numeric_limits<T>::min() && value <= std::numeric_limits<T>::max();
}

unsigned width_code(std::size_t largest) { return largest <= 0xff ? 0 : largest <= 0xffff ? 1 : 2; }

std::size_t write_header(char* at, std::uint8_t container, std::size_t body_bytes,
                         std::size_t count) {
  const unsigned w = width_code(std::max(body_bytes, count));
  const std::size_t width = std::size_t{1} << w;
  at[0] = static_cast<char>(container | w);
  std::memcpy(at + 1, &body_bytes, width);  // little-endian
  std::memcpy(at + 1 + width, &count, width);
  return 1 + 2 * width;
}

}  // namespace

void put_null(std::string& out) { out.push_back(static_cast<char>(tag::kNull)); }

void put_boolean(std::string& out, bool value) {
  out.push_back(static_cast<char>(value ? tag::kTrue : tag::kFalse));
}

void put_integer(std::string& out, std::int64_t value) {
  if (value >= 0 && value <= tag::kSmallIntMax) {
    out.push_back(static_cast<char>(tag::kSmallInt | value));
  } else if (fits<std::int8_t>(value)) {
    put(out, tag::kInt, static_cast<std::int8_t>(value));
  } else if (fits<std::int16_t>(value)) {
    put(out, tag::kInt + 1, static_cast<std::int16_t>(value));
  } else if (fits<std::int32_t>(value)) {
    put(out, tag::kInt + 2, static_cast<std::int32_t>(value));
  } else {
    put(out, tag::kInt + 3, value);
  }
}

void put_unsigned(std::string& out, std::uint64_t value) {
  if (value <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
    return put_integer(out, static_cast<std::int64_t>(value));
  }
  put(out, tag::kUnsigned, value);
}

void put_real(std::string& out, double value) { put(out, tag::kReal, value); }

void put_string_header(std::string& out, std::size_t bytes) {
  if (bytes <= tag::kShortStringMax) {
    out.push_back(static_cast<char>(tag::kShortString | bytes));
    return;
  }
  const unsigned w = width_code(bytes);
  out.push_back(static_cast<char>(tag::kString | w));
  out.append(reinterpret_cast<const char*>(&bytes), std::size_t{1} << w);
}

void put_string(std::string& out, std::string_view text) {
  put_string_header(out, text.size());
  out.append(text);
}

void put_header(std::string& out, std::uint8_t container, std::size_t body_bytes,
                std::size_t count) {
  char header[kHeaderBytesMax];
  out.append(header, write_header(header, container, body_bytes, count));
}

std::size_t begin_container(std::string& out) {
  const std::size_t begun = out.size();
  out.resize(begun + kHeaderBytesMax);
  return begun;
}

void end_container(std::string& out, std::size_t begun, std::uint8_t container, std::size_t count) {
  const std::size_t body = out.size() - begun - kHeaderBytesMax;
  const std::size_t header = write_header(out.data() + begun, container, body, count);
  if (header == kHeaderBytesMax) return;
  std::memmove(out.data() + begun + header, out.data() + begun + kHeaderBytesMax, body);
  out.resize(begun + header + body);
}

}  // namespace ullage::document
