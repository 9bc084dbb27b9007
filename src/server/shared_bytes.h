// SPDX-License-Identifier: Apache-2.0
#pragma once

// SharedBytes: what clients are sent and is there once, for as long as one of them has not taken
// it: a message to several, granted by the budget as one; or a large value where it lies in its
// shard, which keeps it so long. Threads: any; it does not change.

#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>

#include "tier/budget.h"
#include "wire/byte_buffer.h"

namespace ullage::server {

class SharedBytes {
 public:
  // Of bytes that were taken for clients, on behalf of `shard`: given back when the last one goes.
  SharedBytes(tier::Budget& budget, int shard, std::string_view text)
      : budget_(&budget), shard_(shard) {
    bytes_.reserve(text.size());
    bytes_.append(text);
    view_ = bytes_.view();
  }
  // Of what `keeper` keeps, and whoever that is has granted.
  SharedBytes(std::shared_ptr<const void> keeper, std::string_view text)
      : keeper_(std::move(keeper)), view_(text) {}
  ~SharedBytes() {
    const std::uint64_t size = bytes_.size();
    bytes_.release();
    if (budget_ != nullptr) budget_->give_back(tier::Component::kClients, size, shard_);
  }
  SharedBytes(const SharedBytes&) = delete;
  SharedBytes& operator=(const SharedBytes&) = delete;

  std::string_view view() const { return view_; }

 private:
  tier::Budget* budget_ = nullptr;
  int shard_ = -1;
  std::shared_ptr<const void> keeper_;
  wire::ByteBuffer bytes_;
  std::string_view view_;
};

using SharedText = std::shared_ptr<const SharedBytes>;

}  // namespace ullage::server
