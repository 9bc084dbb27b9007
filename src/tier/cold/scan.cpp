// SPDX-License-Identifier: Apache-2.0
#include "tier/cold/scan.h"

#include <string>
#include <utility>

#include "tier/cold/layout.h"

namespace ullage::tier::cold {
namespace {

// Entries that are looked at for one that was asked for.
constexpr std::size_t kLooksPerEntry = 16;

class Merge {
 public:
  Merge(const ScanRequest& request, std::uint64_t now_ms, std::vector<Pending::Seen> over,
        std::vector<ColdStore::ScannedEntry>& entries)
      : request_(request), now_ms_(now_ms), over_(std::move(over)), entries_(entries) {}

  // False: enough. The next one begins a new place.
  bool disk(std::string_view key, std::string_view bytes) {
    StoredKey at;
    if (!decode_key(key, at)) return true;
    while (i_ < over_.size() && before(*over_[i_].change, at)) {
      if (!pending(*over_[i_].change)) return false;
      ++i_;
    }
    const bool covered =
        i_ < over_.size() && over_[i_].change->hash == at.hash && over_[i_].change->key == at.text;
    if (covered) return true;  // the newer one comes with the next step
    if (!room(at.hash)) return false;
    StoredValue value;
    if (!decode_value(bytes, value) || value.expired(now_ms_)) return true;
    ColdEntry entry{{}, value.expires_ms, value.written_ms, value.kind};
    if (request_.values) entry.value = value.value;
    entries_.push_back({std::string(at.text), std::move(entry)});
    return true;
  }
  void rest() {
    for (; i_ < over_.size(); ++i_) {
      if (!pending(*over_[i_].change)) return;
    }
    next_ = 0;
  }
  bool full() const { return next_ != 0; }
  std::uint64_t next() const { return next_; }

 private:
  static bool before(const ColdChange& change, const StoredKey& key) {
    if (change.hash != key.hash) return change.hash < key.hash;
    return std::string_view(change.key) < key.text;
  }

  bool room(std::uint64_t hash) {
    const std::uint64_t place = place_of_hash(hash);
    const bool enough =
        entries_.size() >= request_.count || looked_ >= request_.count * kLooksPerEntry;
    if (enough && looked_ != 0 && place != place_) {
      next_ = place;
      return false;
    }
    place_ = place;
    ++looked_;
    return true;
  }

  bool pending(const ColdChange& change) {
    if (!room(change.hash)) return false;
    const ColdEntry& entry = change.entry;
    if (change.kind != ColdChange::Kind::kPut) return true;
    if (entry.expires_ms != 0 && entry.expires_ms <= now_ms_) return true;
    ColdStore::ScannedEntry scanned{change.key, {}};
    scanned.entry =
        request_.values ? entry : ColdEntry{{}, entry.expires_ms, entry.written_ms, entry.kind};
    entries_.push_back(std::move(scanned));
    return true;
  }

  const ScanRequest& request_;
  const std::uint64_t now_ms_;
  const std::vector<Pending::Seen> over_;
  std::vector<ColdStore::ScannedEntry>& entries_;
  std::size_t i_ = 0, looked_ = 0;
  std::uint64_t place_ = 0, next_ = 0;
};

}  // namespace

Outcome scan(Engine& engine, const Pending& pending, const ScanRequest& request,
             std::uint64_t now_ms, std::vector<ColdStore::ScannedEntry>& entries,
             std::uint64_t& next) {
  StoredKey from;
  decode_key(request.from, from);
  std::uint64_t returns = 0;
  do {
    returns = pending.returns();
    entries.clear();
    next = 0;
    // First what is pending, then the disk: what is applied in between is in both.
    std::vector<Pending::Seen> over;
    const bool flushed = pending.collect(from.db, from.hash, over);
    Merge merge(request, now_ms, std::move(over), entries);
    if (!flushed) {
      const Outcome outcome = engine.visit(
          request.from, first_key(from.db + 1),
          [&](std::string_view key, std::string_view value) { return merge.disk(key, value); });
      if (!outcome.ok()) return outcome;
    }
    if (!merge.full()) merge.rest();
    next = merge.next();
  } while (returns != pending.returns());
  return {};
}

}  // namespace ullage::tier::cold
