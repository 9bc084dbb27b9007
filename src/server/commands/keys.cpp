// SPDX-License-Identifier: Apache-2.0
//
// Commands on keys, whatever their values: which there are, and where.
#include <cctype>
#include <cerrno>
#include <cstdlib>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "server/acl/door.h"
#include "server/commands/handlers.h"
#include "server/context.h"
#include "server/glob.h"
#include "server/keys_of.h"
#include "server/kinds.h"
#include "server/numbers.h"
#include "server/server.h"
#include "server/worker.h"

namespace ullage::server {
namespace {

void erase_keys(Context& c) {
  std::int64_t erased = 0;
  for (std::size_t i = 1; i < c.words.size(); ++i) {
    const tier::Key key = c.key(i);
    if (!c.shard(key).erase(key)) continue;
    c.changed(key, kNotifyGeneric, "del");
    ++erased;
  }
  c.out.integer(erased);
}

// Replies how many of the keys `holds` is true of.
template <class Predicate>
void count_keys(Context& c, Predicate holds) {
  std::int64_t count = 0;
  for (std::size_t i = 1; i < c.words.size(); ++i) {
    const tier::Key key = c.key(i);
    count += std::invoke(holds, c.shard(key), key) ? 1 : 0;
  }
  c.out.integer(count);
}

// Takes an entry to another name, perhaps on another shard. kDenied: it is where it was.
tier::Status move_entry(Context& c, const tier::Key& from, const tier::Key& to) {
  tier::Shard &source = c.shard(from), &target = c.shard(to);
  if (&source == &target) return source.rename(from, to);
  const std::optional<tier::Taken> taken = source.take(from);
  if (!taken) return tier::Status::kMissing;
  const tier::Status status = target.put(to, *taken);
  if (status != tier::Status::kOk) (void)source.put(from, *taken);
  return status;
}

void rename(Context& c, bool only_if_free) {
  const tier::Key from = c.key(1), to = c.key(2);
  if (!c.shard(from).contains(from)) return c.error("ERR no such key");
  if (c.word(1) == c.word(2)) {
    if (only_if_free) return c.out.integer(0);
    return c.out.ok();
  }
  if (only_if_free && c.shard(to).contains(to)) return c.out.integer(0);
  if (!c.wrote(move_entry(c, from, to))) return;
  c.changed(from, kNotifyGeneric, "rename_from");
  c.changed(to, kNotifyGeneric, "rename_to");
  if (only_if_free) {
    c.out.integer(1);
  } else {
    c.out.ok();
  }
}

bool flush_mode(Context& c) {
  if (c.words.size() == 1) return true;
  if (c.words.size() == 2 && (c.is(1, "sync") || c.is(1, "async"))) return true;
  c.syntax_error();
  return false;
}

// A cursor of the whole store: the shard's own, and which shard, in the upper bits.
constexpr unsigned kCursorShardShift = 48;

// Places that one SCAN may look at: COUNT asks for more at its own risk.
constexpr std::size_t kScanDefault = 10;

// As strtoul reads it, which takes a sign.
bool parse_cursor(std::string_view text, std::uint64_t& cursor) {
  const std::string copy(text);
  if (copy.empty() || std::isspace(static_cast<unsigned char>(copy[0]))) return false;
  char* end = nullptr;
  errno = 0;
  cursor = std::strtoull(copy.c_str(), &end, 10);
  return end == copy.c_str() + copy.size() && errno != ERANGE;
}

}  // namespace

void del_command(Context& c) { erase_keys(c); }
void unlink_command(Context& c) { erase_keys(c); }

void exists_command(Context& c) { count_keys(c, &tier::Shard::contains); }
void touch_command(Context& c) { count_keys(c, &tier::Shard::touch); }

void type_command(Context& c) {
  const tier::Key key = c.key(1);
  const auto found = c.shard(key).peek(key);
  c.out.simple(found ? type_name(found->kind) : "none");
}

void rename_command(Context& c) { rename(c, false); }
void renamenx_command(Context& c) { rename(c, true); }

void copy_command(Context& c) {
  std::int64_t db = c.caller.db;
  bool replace = false;
  for (std::size_t i = 3; i < c.words.size(); ++i) {
    if (c.is(i, "REPLACE")) {
      replace = true;
    } else if (c.is(i, "DB") && i + 1 < c.words.size()) {
      if (!c.integer(++i, db)) return;
      if (db < 0 || db >= tier::kDatabases) return c.error("ERR DB index is out of range");
    } else {
      return c.syntax_error();
    }
  }
  const tier::Key from = c.key(1), to = c.key_in(static_cast<unsigned>(db), c.word(2));
  if (from.db == to.db && from.text == to.text) {
    return c.error("ERR source and destination objects are the same");
  }
  const auto found = c.shard(from).get(from);
  if (!found) return c.out.integer(0);
  if (!replace && c.shard(to).contains(to)) return c.out.integer(0);
  // The view may move while the copy is written.
  const auto again = c.shard(from).peek(from);
  if (!again) return c.out.integer(0);
  const std::string value(again->value);
  const tier::SetOptions how{.expires_ms = again->expires_ms, .kind = again->kind};
  if (!c.wrote(c.shard(to).set(to, value, how))) return;
  c.changed(to, kNotifyGeneric, "copy_to");
  c.out.integer(1);
}

void move_command(Context& c) {
  std::int64_t db = 0;
  if (!c.integer(2, db)) return;
  if (db < 0 || db >= tier::kDatabases) return c.error("ERR DB index is out of range");
  const tier::Key from = c.key(1);
  const tier::Key to = hashed_key(static_cast<unsigned>(db), c.word(1), from.hash);
  if (from.db == to.db) return c.error("ERR source and destination objects are the same");
  if (!c.shard(from).contains(from) || c.shard(to).contains(to)) return c.out.integer(0);
  if (!c.wrote(move_entry(c, from, to))) return;
  c.changed(from, kNotifyGeneric, "move_from");
  c.changed(to, kNotifyGeneric, "move_to");
  c.out.integer(1);
}

void swapdb_command(Context& c) {
  std::int64_t one = 0, other = 0;
  if (!c.integer(1, one, "ERR invalid first DB index")) return;
  if (!c.integer(2, other, "ERR invalid second DB index")) return;
  if (one < 0 || one >= tier::kDatabases || other < 0 || other >= tier::kDatabases) {
    return c.error("ERR DB index is out of range");
  }
  for (const auto& worker : c.server.workers()) {
    worker->shard().swap(static_cast<unsigned>(one), static_cast<unsigned>(other));
  }
  c.server.tracking().flush(c.worker);
  c.out.ok();
}

void keys_command(Context& c) {
  std::vector<std::string> names;
  const std::string_view pattern = c.word(1);
  for (const auto& worker : c.server.workers()) {
    std::uint64_t cursor = 0;
    do {
      cursor = worker->shard().scan(c.caller.db, cursor, 1024,
                                    [&](std::string_view name, const tier::Found&) {
                                      if (!glob_match(pattern, name)) return;
                                      if (may_see(c, name)) names.emplace_back(name);
                                    });
    } while (cursor != 0);
  }
  c.out.array(names.size());
  for (const std::string& name : names) c.out.bulk(name);
}

void scan_command(Context& c) {
  std::uint64_t cursor = 0;
  if (!parse_cursor(c.word(1), cursor)) return c.error("ERR invalid cursor");
  std::size_t count = kScanDefault;
  std::string_view pattern;
  std::optional<std::string_view> type;
  for (std::size_t i = 2; i < c.words.size(); i += 2) {
    if (i + 1 >= c.words.size()) return c.syntax_error();
    if (c.is(i, "COUNT")) {
      std::int64_t wanted = 0;
      if (!c.integer(i + 1, wanted)) return;
      if (wanted < 1) return c.syntax_error();
      count = static_cast<std::size_t>(wanted);
    } else if (c.is(i, "MATCH")) {
      pattern = c.word(i + 1) == "*" ? std::string_view{} : c.word(i + 1);
    } else if (c.is(i, "TYPE")) {
      type = c.word(i + 1);
    } else {
      return c.syntax_error();
    }
  }
  const auto& workers = c.server.workers();
  std::size_t shard = cursor >> kCursorShardShift;
  std::uint64_t place = cursor & ((std::uint64_t{1} << kCursorShardShift) - 1);
  std::vector<std::string> names;
  std::size_t seen = 0;
  while (shard < workers.size() && seen < count) {
    place = workers[shard]->shard().scan(
        c.caller.db, place, count - seen, [&](std::string_view name, const tier::Found& found) {
          ++seen;
          if (type && !equals_ignoring_case(*type, type_name(found.kind))) return;
          if (!pattern.empty() && !glob_match(pattern, name)) return;
          if (may_see(c, name)) names.emplace_back(name);
        });
    if (place != 0) break;  // it has looked at as much as one call may
    ++shard;
  }
  const bool done = shard >= workers.size();
  c.out.array(2);
  c.out.bulk(
      std::to_string(done ? 0 : static_cast<std::uint64_t>(shard) << kCursorShardShift | place));
  c.out.array(names.size());
  for (const std::string& name : names) c.out.bulk(name);
}

void randomkey_command(Context& c) {
  static thread_local std::mt19937_64 random{std::random_device{}()};
  const auto& workers = c.server.workers();
  std::uint64_t all = 0;
  for (const auto& worker : workers) all += worker->shard().count(c.caller.db);
  // An expired one may come up: tried again, and told as missing when there is nothing else.
  constexpr int kTriesMax = 100;
  for (int i = 0; all > 0 && i < kTriesMax; ++i) {
    std::uint64_t place = random() % all;
    for (const auto& worker : workers) {
      const std::uint64_t mine = worker->shard().count(c.caller.db);
      if (place >= mine) {
        place -= mine;
        continue;
      }
      const auto name = worker->shard().random_key(c.caller.db, random());
      if (!name) break;
      const std::string copy(*name);
      if (!may_see(c, copy) || !worker->shard().contains(c.key_in(c.caller.db, copy))) break;
      return c.out.bulk(copy);
    }
  }
  c.out.null();
}

void dbsize_command(Context& c) {
  std::uint64_t count = 0;
  for (const auto& worker : c.server.workers()) count += worker->shard().count(c.caller.db);
  c.out.integer(static_cast<std::int64_t>(count));
}

void flushdb_command(Context& c) {
  if (!flush_mode(c)) return;
  for (const auto& worker : c.server.workers()) worker->shard().flush(c.caller.db);
  c.server.tracking().flush(c.worker);
  c.out.ok();
}

void flushall_command(Context& c) {
  if (!flush_mode(c)) return;
  for (const auto& worker : c.server.workers()) worker->shard().flush_all();
  c.server.tracking().flush(c.worker);
  c.out.ok();
}

}  // namespace ullage::server
