// SPDX-License-Identifier: Apache-2.0
#pragma once

// Shard: the part of the hot tier that belongs to one thread. Texts to values of some kind, in 16
// databases, each entry with a time at which it ends, or none.
//
//   tier::Budget budget({.limit_bytes = 1 << 30, .shards = 1});
//   tier::Shard shard({}, budget);
//   shard.now(wall_clock_ms());                        // once per turn of the loop
//   Status s = shard.set({db, "k"}, "v", {.expires_ms = now + 5000});
//   if (auto found = shard.get({db, "k"})) reply(found->value);
//   shard.step(std::chrono::microseconds(200));        // when there is time: at least every 100 ms
//
// Promise   Memory is granted by the Budget before it is taken. What the budget denies is paid for
//           by evicting (if `evict`), else it is Status::kDenied and everything is as it was. No
//           operation moves, evicts or frees more than a bounded number of entries: see
//           docs/tiers/hot.md. What is flushed, and large values, are freed in steps.
// Cost      get: one segment, one group (two cache lines), one entry. set: the same, and one
//           allocation if the size class changes. Growth: one segment per step.
// Stability A view (Found::value) is good until the next call on the shard that is not const.
// Expiry    An entry whose time has come is not there for any call, except that count() counts it
//           until it was collected (as Redis does). Collected by whoever meets it, by step(), and
//           before a segment would grow. The listener hears of it.
// Threads   One. counters() and memory() may be read by any.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "tier/budget.h"
#include "tier/counters.h"
#include "tier/key.h"

namespace ullage::tier {

inline constexpr std::uint64_t kNoExpiry = 0;
// Later times are taken as this one (the year 19 800): what 49 bits of milliseconds hold.
inline constexpr std::uint64_t kExpiryMsMax = (std::uint64_t{1} << 49) - 1;

enum class [[nodiscard]] Status : std::uint8_t{
    kOk,
    kMissing,  // no such entry (or it has expired); nothing was changed
    kDenied,   // the budget said no and nothing could be evicted for it; nothing was changed
    kTooLong,  // key or value beyond kKeyBytesMax, kValueBytesMax; nothing was changed
};

// Why an entry is gone that nobody erased.
enum class Removal : std::uint8_t { kExpired, kEvicted };

class Kept;
struct Found;

// Hears of such entries, in the middle of whatever the shard is doing: it may not call the shard.
class Listener {
 public:
  virtual void on_removed(unsigned db, std::string_view key, Removal why) noexcept = 0;
  // With ShardOptions::inclusive. An entry is written, gets another expiry, or is erased (`gone`);
  // flush and swap are not told. It may be under way: what it has become can be read later on.
  virtual void on_changed(const Key&, bool /*gone*/) noexcept {}
  // An entry is about to be evicted. True: it lives on elsewhere, so nothing is removed; watches
  // of it stay, and on_removed() is not called.
  virtual bool on_evicting(const Key&, const Found&) noexcept { return false; }
  // With ShardOptions::inclusive: who is evicted is about to be chosen, and these may not be (null:
  // any may). Written over, erased and moved they can be. Good until the next call of the shard.
  virtual const Kept* kept() noexcept { return nullptr; }

 protected:
  Listener() = default;
  Listener(const Listener&) = default;
  Listener& operator=(const Listener&) = default;
  ~Listener() = default;
};

enum class Eviction : std::uint8_t {
  kNone,      // a denied growth is an error ("noeviction")
  kAll,       // any entry may go: W-TinyLFU
  kVolatile,  // only entries that have an expiry
};

struct ShardOptions {
  unsigned index = 0;  // of this shard: which of the budget's shares is its own
  Eviction eviction = Eviction::kAll;
  Listener* listener = nullptr;
  growth_sink* sink = nullptr;  // hears every growth and reclaim, besides the process's sink
  // Share of the memory given to newcomers, in percent, when it is not chosen by measurement.
  std::optional<unsigned> window_percent = std::nullopt;
  // The shard is a cache of a store that has everything: the listener hears of changes, too.
  bool inclusive = false;
};

struct Found {
  std::string_view value;
  std::uint64_t expires_ms = kNoExpiry;
  Kind kind = kText;
};

// Memory of somebody's that a large value may be made of, if it lies there: its pages move instead
// of being copied, and what was there reads as zero, but for the beginning of the value. What moves
// belongs to the shard, and so does as much of what the budget has granted for it.
struct Offer {
  std::string_view bytes;
  std::uint64_t granted_bytes = 0;  // to clients; less when something was taken
  int shard = -1;                   // on whose behalf
  std::uint64_t taken_bytes = 0;    // pages that have moved
};

struct SetOptions {
  std::uint64_t expires_ms = kNoExpiry;
  bool keep_expiry = false;  // KEEPTTL: an entry that is there keeps its own
  Kind kind = kText;         // what the value becomes, whatever it was
  Offer* offer = nullptr;
};

// An entry taken out of a shard, on its way to another name, database or shard.
struct Taken {
  std::string value;
  std::uint64_t expires_ms = kNoExpiry;
  Kind kind = kText;
};

class Shard {
 public:
  Shard(const ShardOptions& options, Budget& budget);
  ~Shard();
  Shard(const Shard&) = delete;
  Shard& operator=(const Shard&) = delete;

  // The time by which entries expire: Unix time in milliseconds. It may stand still or go back.
  void now(std::uint64_t unix_ms) noexcept;
  std::uint64_t now() const noexcept;

  // --- Reading. `get` counts as a use of the entry (and as a hit or miss), `peek` does not.
  std::optional<Found> get(const Key& key);
  std::optional<Found> peek(const Key& key);
  bool contains(const Key& key);
  // Counts as a use, and says whether it is there (TOUCH).
  bool touch(const Key& key);
  // What Found::value is a view of stays as it is until the keeper is gone, on any thread. Null:
  // the entry is not there, or its value does not lie by itself.
  std::shared_ptr<const void> hold(const Key& key);
  // Loads what the next call with this key will need; for pipelines. Never wrong, never needed.
  void prefetch(const Key& key) const noexcept;

  // --- Writing. An empty value is a value.
  Status set(const Key& key, std::string_view value, const SetOptions& options = {});
  bool erase(const Key& key);
  // What follows changes a part of the value, and neither its kind nor its expiry.
  // Adds to the end; an entry that is not there begins empty. `bytes_after`: its length then.
  Status append(const Key& key, std::string_view tail, std::size_t* bytes_after = nullptr);
  // Writes at `offset`; the value grows with zeros as needed. Missing entries begin empty.
  Status set_range(const Key& key, std::size_t offset, std::string_view bytes,
                   std::size_t* bytes_after = nullptr);
  // The length becomes `bytes`: cut, or grown with zeros. Missing entries begin empty.
  Status resize(const Key& key, std::size_t bytes);
  // The value's own bytes, to change in place (SETBIT, INCR of the same length); null: not there,
  // or a large one that is held and of which the budget allows no copy. Counts as a change of the
  // entry.
  char* modify(const Key& key, std::size_t* bytes);

  // --- What comes from the store below. `fill` puts in what was read there: it is no change and no
  // use, so an entry that is asked for once stays a newcomer. What the budget denies can be lent:
  // it is there for reading, erasing and moving until return_lent(); writes to it are denied.
  Status fill(const Key& key, const Taken& taken);
  void lend(const Key& key, Taken taken);
  void drop(const Key& key);  // as if it were evicted
  void return_lent() noexcept;

  // --- Expiry. kMissing: no such entry. A time that is not after now() erases nothing here: the
  // entry is expired from then on (the caller decides whether that is DEL).
  Status set_expiry(const Key& key, std::uint64_t expires_ms);  // kNoExpiry: PERSIST

  // --- Moving (RENAME, MOVE, COPY). Within one shard `rename` copies the text, never a large
  // value. Across shards: take here, put there; when put is denied, put it back here.
  Status rename(const Key& from, const Key& to);
  std::optional<Taken> take(const Key& key);
  Status put(const Key& key, const Taken& taken);

  // --- Databases.
  // From any thread, while none flushes or swaps databases.
  std::uint64_t count(unsigned db) const noexcept;
  std::uint64_t count_with_expiry(unsigned db) const noexcept;
  // Empty at once; the memory comes back in steps. No removal is told to the listener.
  void flush(unsigned db);
  void flush_all();
  void swap(unsigned one, unsigned other);

  // --- Iteration. Entries in the order of their hash: `fn` is called for entries from `cursor` on
  // until at least `count` of them were seen (or 16 times as many places were looked at), and the
  // cursor to go on from is returned; 0: this was the last part. Cursors are below 2^48. Every
  // entry that is there from the first call to the last is seen exactly once, whatever grows,
  // shrinks, comes or goes in between; `fn` may not call the shard.
  using Visit = std::function<void(std::string_view key, const Found& found)>;
  std::uint64_t scan(unsigned db, std::uint64_t cursor, std::size_t count, const Visit& fn);
  // An entry chosen by `random` (any 64 bits; the same entry for the same bits and content).
  // The view of its key is as good as Found::value. Nothing: the database is empty.
  std::optional<std::string_view> random_key(unsigned db, std::uint64_t random);

  // --- Change, for WATCH. The first watch of a key makes its changes count, at no cost to others.
  // `version` differs from the one watch() gave as soon as the entry was written, erased, expired,
  // evicted or flushed since. Every watch needs its unwatch.
  std::uint64_t watch(const Key& key);
  std::uint64_t version(const Key& key) const;
  void unwatch(const Key& key);

  // --- What is known of one entry.
  struct About {
    std::size_t value_bytes = 0;
    std::size_t memory_bytes = 0;  // what it takes, with its share of the table
    unsigned frequency = 0;        // 0..15, of late (OBJECT FREQ)
    std::uint64_t idle_ms = 0;     // at least this long since it was used (OBJECT IDLETIME)
    std::uint64_t expires_ms = kNoExpiry;
    bool large = false;  // the value lies by itself
    Kind kind = kText;
  };
  std::optional<About> about(const Key& key);

  // --- Background work: collects what has expired, frees what was flushed, evicts down to the
  // budget, packs sparse pages, shrinks. Returns after about `time`, true: there is more to do.
  // Without `expire` what has expired stays until somebody asks for it.
  bool step(std::chrono::nanoseconds time, bool expire = true);
  // Evicts and packs until the budget has so much to give to others, as far as one operation may.
  // False: not yet. Whoever asks again gets further as long as counters() say so.
  bool make_room(std::uint64_t bytes);

  // What was lacking when something was denied, since this was asked last: others of the budget may
  // have it.
  std::uint64_t take_lacking() noexcept;

  // May change while it runs (CONFIG SET maxmemory-policy).
  void eviction(Eviction policy) noexcept;

  const Counters& counters() const noexcept;  // any thread
  const Memory& memory() const noexcept;      // any thread
  // Hit ratio if the shard had other sizes; see shadow.h.
  HitCurve hit_curve() const;
  const CurveTallies& curve() const noexcept;  // any thread; kept up to date by step()

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ullage::tier
