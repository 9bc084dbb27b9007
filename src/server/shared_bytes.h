// SPDX-License-Identifier: Apache-2.0
#pragma once

// SharedBytes: what several clients are sent and is there once, for as long as one of them has not
// taken it. Granted by the budget as one. Threads: any; it does not change.

#include <cstdint>
#include <memory>
#include <string_view>

#include "tier/budget.h"
#include "wire/byte_buffer.h"

namespace ullage::server {

class SharedBytes {
 public:
  // Of bytes that were taken for clients, on behalf of `shard`: given back when the last one goes.
  SharedBytes(tier::Budget& budget, int shard, std::string_view text)
      : budget_(budget), shard_(shard) {
    bytes_.reserve(text.size());
    bytes_.append(text);
  }
  ~SharedBytes() {
    const std::uint64_t size = bytes_.size();
    bytes_.release();
    budget_.give_back(tier::Component::kClients, size, shard_);
  }
  SharedBytes(const SharedBytes&) = delete;
  SharedBytes& operator=(const SharedBytes&) = delete;

  std::string_view view() const { return bytes_.view(); }

 private:
  tier::Budget& budget_;
  const int shard_;
  wire::ByteBuffer bytes_;
};

using SharedText = std::shared_ptr<const SharedBytes>;

}  // namespace ullage::server
