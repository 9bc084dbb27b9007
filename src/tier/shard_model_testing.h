// SPDX-License-Identifier: Apache-2.0
#pragma once

// ShardBesideModel: a shard and a std::map that must agree, whatever is done to them. Used by the
// random tests and by the fuzzer. `Fail` is called with a sentence when they don't.

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tier/shard.h"

namespace ullage::tier::testing {

struct ModelStep {
  std::uint8_t what = 0, key = 0, length = 0, other = 0;
};

template <class Fail>
class ShardBesideModel final : private Listener {
 public:
  ShardBesideModel(const BudgetOptions& budget, ShardOptions options, Fail fail)
      : fail_(fail), budget_(budget), shard_(with(options, this), budget_) {
    shard_.now(now_);
  }

  Shard& shard() { return shard_; }
  Budget& budget() { return budget_; }
  std::size_t size() const { return model_.size(); }

  void step(const ModelStep& s) {
    const unsigned db = s.key % 3;
    const std::string name = name_of(s.key, s.other);
    const Key key(db, name);
    const Name at{db, name};
    const auto there = live(at);
    std::size_t after = 0;
    switch (s.what % 20) {
      case 0:
      case 1:
      case 2:
      case 3: {
        const std::string value = value_of(s);
        const std::uint64_t expires = s.other % 4 == 0 ? now_ + s.length * 3u : 0;
        const bool keep = s.other % 5 == 1;
        const std::uint64_t kept = keep && there ? there->expires_ms : expires;
        const auto kind = static_cast<Kind>((s.other >> 2) % 3);
        if (accepted(shard_.set(key, value, {expires, keep, kind})))
          model_[at] = {value, kept, kind};
        break;
      }
      case 4:
      case 5:
        check_same(there, shard_.get(key), "get");
        break;
      case 6:
        if (shard_.erase(key) != there.has_value()) fail_("erase said the other thing");
        model_.erase(at);
        break;
      case 7: {
        const std::string tail(s.length, static_cast<char>('a' + s.other % 26));
        Plain plain = there.value_or(Plain{});
        if (accepted(shard_.append(key, tail, &after))) {
          plain.value += tail;
          if (after != plain.value.size()) fail_("append told another length");
          model_[at] = plain;
        }
        break;
      }
      case 8: {
        const std::size_t offset = s.other * (s.length % 7 == 0 ? 300u : 1u);
        const std::string with(s.length, 'r');
        Plain plain = there.value_or(Plain{});
        if (accepted(shard_.set_range(key, offset, with, &after))) {
          if (plain.value.size() < offset + with.size()) plain.value.resize(offset + with.size());
          plain.value.replace(offset, with.size(), with);
          if (after != plain.value.size()) fail_("set_range told another length");
          model_[at] = plain;
        }
        break;
      }
      case 9: {
        const std::size_t bytes = s.length * (s.other % 3 == 0 ? 400u : 2u);
        Plain plain = there.value_or(Plain{});
        if (accepted(shard_.resize(key, bytes))) {
          plain.value.resize(bytes);
          model_[at] = plain;
        }
        break;
      }
      case 10: {
        const std::uint64_t expires = s.length == 0 ? 0 : now_ + s.length;
        const bool had = shard_.set_expiry(key, expires) == Status::kOk;
        if (had != there.has_value()) fail_("set_expiry said the other thing");
        if (had) model_[at].expires_ms = expires;
        break;
      }
      case 11: {
        const unsigned to_db = s.length % 3;
        const std::string to_name = name_of(static_cast<std::uint8_t>(s.length * 7), s.other);
        const Status status = shard_.rename(key, {to_db, to_name});
        if ((status == Status::kMissing) == there.has_value()) fail_("rename: there or not?");
        if (there && accepted(status)) {
          model_.erase(at);
          model_[{to_db, to_name}] = *there;
        }
        break;
      }
      case 12: {
        const auto taken = shard_.take(key);
        if (taken.has_value() != there.has_value()) fail_("take: there or not?");
        model_.erase(at);
        if (taken) {
          if (taken->value != there->value || taken->expires_ms != there->expires_ms ||
              taken->kind != there->kind) {
            fail_("took another value");
          }
          if (accepted(shard_.put(key, *taken))) model_[at] = *there;
        }
        break;
      }
      case 13: {
        std::size_t bytes = 0;
        char* value = shard_.modify(key, &bytes);
        if ((value != nullptr) != there.has_value()) fail_("modify: there or not?");
        if (value != nullptr && bytes != 0) {
          value[bytes / 2] = 'M';
          model_[at].value[bytes / 2] = 'M';
        }
        break;
      }
      case 14:
        if (s.length < 8) {
          shard_.flush(db);
          std::erase_if(model_, [db](const auto& e) { return e.first.first == db; });
        } else if (s.length == 8) {
          shard_.flush_all();
          model_.clear();
        } else if (s.length < 20) {
          shard_.swap(0, 1);
          Model swapped;
          for (auto& [name_at, plain] : model_) {
            const unsigned d = name_at.first;
            swapped[{d < 2 ? 1 - d : d, name_at.second}] = plain;
          }
          model_ = std::move(swapped);
        }
        break;
      case 15:
        now_ += s.length;
        shard_.now(now_);
        break;
      case 16:
      case 17:
        shard_.step(std::chrono::microseconds(s.length % 8 == 0 ? 2000 : 1));
        break;
      case 18:
        if (s.length < 8) check_all();
        break;
      case 19: {
        const auto random = shard_.random_key(db, s.other * 0x9e3779b97f4a7c15ull + s.length);
        if (random && !live({db, std::string(*random)})) fail_("a random key that is not there");
        if (!random && live_in(db) != 0) fail_("no random key in a database that is not empty");
        break;
      }
    }
    if (budget_.granted_bytes() > budget_.limit_bytes()) fail_("more was granted than there is");
  }

  // Everything, both ways.
  void check_all() {
    for (unsigned db = 0; db < 3; ++db) {
      std::size_t seen = 0;
      std::uint64_t cursor = 0, turns = 0;
      do {
        cursor = shard_.scan(db, cursor, 7, [&](std::string_view key, const Found& found) {
          ++seen;
          check_same(live({db, std::string(key)}), found, "scan");
        });
        if (++turns > 1000000) fail_("a scan without end");
      } while (cursor != 0);
      if (seen != live_in(db)) fail_("a scan saw another number of entries");
    }
    std::vector<Name> names;  // peek may tell the listener, who changes the model
    for (const auto& each : model_) names.push_back(each.first);
    for (const Name& at : names) {
      const auto expected = live(at);
      check_same(expected, shard_.peek({at.first, at.second}), "peek");
    }
    std::size_t counted = 0;
    for (unsigned db = 0; db < kDatabases; ++db) counted += shard_.count(db);
    if (counted < model_.size()) fail_("count() is less than what is there");
  }

 private:
  struct Plain {
    std::string value;
    std::uint64_t expires_ms = 0;
    Kind kind = kText;
  };
  using Name = std::pair<unsigned, std::string>;
  using Model = std::map<Name, Plain>;

  static ShardOptions with(ShardOptions options, Listener* listener) {
    options.listener = listener;
    return options;
  }
  static std::string name_of(std::uint8_t key, std::uint8_t other) {
    std::string name = "key:" + std::to_string(key) + ":" + std::to_string(other % 8);
    if (key % 16 == 5) name.append(other * 3u, 'k');
    if (key == 255) name.clear();
    return name;
  }
  static std::string value_of(const ModelStep& s) {
    std::size_t bytes = s.length;
    if (s.other % 16 == 3) bytes *= 60;
    if (s.other % 32 == 7) bytes *= 1000;
    std::string value(bytes, 'v');
    for (std::size_t i = 0; i < bytes; i += 13) value[i] = static_cast<char>(s.key + i + s.other);
    return value;
  }

  std::optional<Plain> live(const Name& at) const {
    const auto found = model_.find(at);
    if (found == model_.end()) return std::nullopt;
    const std::uint64_t expires = found->second.expires_ms;
    if (expires != 0 && expires <= now_) return std::nullopt;
    return found->second;
  }
  std::size_t live_in(unsigned db) const {
    std::size_t n = 0;
    for (const auto& [at, plain] : model_) {
      n += at.first == db && (plain.expires_ms == 0 || plain.expires_ms > now_) ? 1 : 0;
    }
    return n;
  }
  bool accepted(Status status) {
    if (status == Status::kTooLong) fail_("too long?");
    return status == Status::kOk;
  }
  void check_same(const std::optional<Plain>& expected, const std::optional<Found>& found,
                  const char* where) {
    if (expected.has_value() != found.has_value()) {
      fail_(std::string(where) + (expected ? " lost an entry" : " found what is not there"));
    }
    if (!expected) return;
    if (expected->value != found->value) fail_(std::string(where) + " gave another value");
    if (expected->expires_ms != found->expires_ms) fail_(std::string(where) + ": another expiry");
    if (expected->kind != found->kind) fail_(std::string(where) + ": another kind");
  }

  void on_removed(unsigned db, std::string_view key, Removal why) noexcept override {
    const auto found = model_.find({db, std::string(key)});
    if (found == model_.end()) {
      fail_("told of an entry that was not there");
      return;
    }
    const std::uint64_t expires = found->second.expires_ms;
    if (why == Removal::kExpired && (expires == 0 || expires > now_)) fail_("expired too early");
    model_.erase(found);
  }

  Fail fail_;
  std::uint64_t now_ = 1'000'000;
  Model model_;
  Budget budget_;
  Shard shard_;
};

}  // namespace ullage::tier::testing
