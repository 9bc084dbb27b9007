// SPDX-License-Identifier: Apache-2.0
#pragma once

// ByteBuffer: bytes on their way to a socket. Grows by doubling, without writing zeros first, and
// gives its memory back when told to; steady use allocates nothing.
//
// Threads: one at a time. A pointer into it is valid until the next append.

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string_view>
#include <utility>

namespace ullage::wire {

class ByteBuffer {
 public:
  ByteBuffer() = default;
  ByteBuffer(const ByteBuffer&) = delete;
  ByteBuffer& operator=(const ByteBuffer&) = delete;
  ByteBuffer(ByteBuffer&& other) noexcept { swap(other); }
  ByteBuffer& operator=(ByteBuffer&& other) noexcept {
    ByteBuffer gone(std::move(other));
    swap(gone);
    return *this;
  }
  ~ByteBuffer() { std::free(data_); }

  char* data() { return data_; }
  const char* data() const { return data_; }
  std::size_t size() const { return size_; }
  std::size_t capacity() const { return capacity_; }
  bool empty() const { return size_ == 0; }
  std::string_view view() const { return {data_, size_}; }

  // Room for `count` more bytes, to be written by the caller and then counted by advance().
  char* room(std::size_t count) {
    if (capacity_ - size_ < count) reserve(grown(size_ + count));
    return data_ + size_;
  }
  void advance(std::size_t count) { size_ += count; }
  void append(std::string_view bytes) {
    if (bytes.empty()) return;
    std::memcpy(room(bytes.size()), bytes.data(), bytes.size());
    size_ += bytes.size();
  }
  void push_back(char c) { *room(1) = c, ++size_; }
  // Drops the first `count` bytes.
  void consume(std::size_t count) {
    if (count < size_) std::memmove(data_, data_ + count, size_ - count);
    size_ -= count;
  }
  void clear() { size_ = 0; }
  void truncate(std::size_t size) { size_ = size; }
  // At least `capacity` bytes, exactly that when it grows.
  void reserve(std::size_t capacity) {
    if (capacity <= capacity_) return;
    char* moved = static_cast<char*>(std::realloc(data_, capacity));
    if (moved == nullptr) throw std::bad_alloc();
    data_ = moved;
    capacity_ = capacity;
  }
  // Empty, and without memory of its own.
  void release() {
    std::free(data_);
    data_ = nullptr;
    size_ = capacity_ = 0;
  }
  void swap(ByteBuffer& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(capacity_, other.capacity_);
  }

 private:
  // The first allocation holds any short reply; later ones double.
  static constexpr std::size_t kLeastBytes = 512;
  std::size_t grown(std::size_t needed) const {
    std::size_t next = capacity_ < kLeastBytes ? kLeastBytes : capacity_ * 2;
    return next < needed ? needed : next;
  }

  char* data_ = nullptr;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

}  // namespace ullage::wire
