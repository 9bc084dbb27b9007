// SPDX-License-Identifier: Apache-2.0
#pragma once

// OutQueue: bytes that a socket did not take yet, in chunks: it grows by one chunk at a time, and
// nothing moves. A large reply may join as the buffer it is, and bytes that several queues share as
// what they are. Threads: one at a time.

#include <sys/uio.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <deque>
#include <memory>
#include <string_view>

#include "wire/byte_buffer.h"

namespace ullage::server {

class OutQueue {
 public:
  // One write of the kernel takes some 200 KiB at most; a chunk is a fraction of it.
  static constexpr std::size_t kChunkBytes = 32 * 1024;
  static constexpr std::size_t kVectors = 16;

  bool empty() const { return size_ == 0; }
  std::size_t size() const { return size_; }
  std::size_t chunks() const { return chunks_ ? chunks_->size() : 0; }
  std::size_t memory_bytes() const { return memory_; }

  void append(std::string_view bytes) {
    if (!chunks_) chunks_ = std::make_unique<std::deque<Chunk>>();
    while (!bytes.empty()) {
      if (chunks_->empty() || !chunks_->back().bytes || chunks_->back().end == kChunkBytes) {
        chunks_->emplace_back().bytes = std::make_unique_for_overwrite<char[]>(kChunkBytes);
        memory_ += kChunkBytes;
      }
      Chunk& last = chunks_->back();
      const std::size_t part = std::min(bytes.size(), kChunkBytes - last.end);
      std::memcpy(last.bytes.get() + last.end, bytes.data(), part);
      last.end += part;
      size_ += part;
      bytes.remove_prefix(part);
    }
  }
  // Takes the buffer over, without its first `skip` bytes.
  void adopt(wire::ByteBuffer bytes, std::size_t skip = 0) {
    if (bytes.size() == skip) return;
    if (!chunks_) chunks_ = std::make_unique<std::deque<Chunk>>();
    Chunk& last = chunks_->emplace_back();
    last.begin = skip;
    last.end = bytes.size();
    last.adopted.swap(bytes);
    size_ += last.end - skip;
    memory_ += last.memory();
  }
  // Bytes that `keeper` keeps, and that count for nobody here.
  void share(std::shared_ptr<const void> keeper, std::string_view bytes) {
    if (bytes.empty()) return;
    if (!chunks_) chunks_ = std::make_unique<std::deque<Chunk>>();
    Chunk& last = chunks_->emplace_back();
    last.keeper = std::move(keeper);
    last.shared = bytes.data();
    last.end = bytes.size();
    size_ += last.end;
  }
  // The first bytes, for writev, and no more than `most`.
  std::size_t vectors(iovec (&out)[kVectors], std::size_t most) const {
    std::size_t count = 0;
    if (!chunks_) return 0;
    for (const Chunk& chunk : *chunks_) {
      if (count == kVectors || most == 0) break;
      const std::size_t bytes = std::min(most, chunk.end - chunk.begin);
      out[count++] = {chunk.data() + chunk.begin, bytes};
      most -= bytes;
    }
    return count;
  }
  void consume(std::size_t bytes) {
    size_ -= bytes;
    while (bytes > 0) {
      Chunk& first = chunks_->front();
      const std::size_t part = std::min(bytes, first.end - first.begin);
      first.begin += part;
      bytes -= part;
      if (first.begin == first.end) {
        memory_ -= first.memory();
        chunks_->pop_front();
      }
    }
    if (size_ == 0) chunks_.reset();
  }

 private:
  struct Chunk {
    std::unique_ptr<char[]> bytes;  // of our own; null: adopted, or shared
    wire::ByteBuffer adopted;
    std::shared_ptr<const void> keeper;
    const char* shared = nullptr;
    std::size_t begin = 0, end = 0;
    std::size_t memory() const { return bytes ? kChunkBytes : adopted.capacity(); }
    char* data() const {  // iovec has no other; nobody writes there
      if (bytes) return bytes.get();
      return const_cast<char*>(keeper ? shared : adopted.data());
    }
  };
  std::unique_ptr<std::deque<Chunk>> chunks_;
  std::size_t size_ = 0, memory_ = 0;
};

}  // namespace ullage::server
