// SPDX-License-Identifier: Apache-2.0
//
// Commands on keys, whatever their values: which there are, and where.
#include <algorithm>
#include <functional>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "server/acl/door.h"
#include "server/commands/handlers.h"
#include "server/commands/scan_words.h"
#include "server/context.h"
#include "server/glob.h"
#include "server/keys_of.h"
#include "server/kinds.h"
#include "server/numbers.h"
#include "server/router.h"
#include "server/server.h"
#include "server/standstill.h"
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
  // There first: were it taken out before and denied there, it might find no way back.
  const auto found = source.peek(from);
  if (!found) return tier::Status::kMissing;
  const tier::Status status =
      target.put(to, {std::string(found->value), found->expires_ms, found->kind});
  if (status == tier::Status::kOk) (void)source.erase(from);
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

// Is this entry of memory in the cold tier, too, and told from there?
bool told_by_cold(Context& c, std::string_view key) {
  return c.server.cold() != nullptr && c.server.cold()->persisted(key);
}

// Of the names that the cold tier has told: those that this client may know of.
std::vector<std::string> seen_names(Context& c) {
  std::vector<std::string> names = c.surveyed->names;
  std::erase_if(names, [&c](const std::string& name) { return !may_see(c, name); });
  return names;
}

// The names that KEYS tells this client. All threads stand still.
template <class Tell>
void each_name(Context& c, Tell tell) {
  if (c.surveyed != nullptr) {
    for (const std::string& name : c.surveyed->names) {
      if (may_see(c, name)) tell(std::string_view(name));
    }
  }
  const std::string_view pattern = c.word(1);
  for (const auto& worker : c.server.workers()) {
    std::uint64_t cursor = 0;
    do {
      cursor = worker->shard().scan(c.caller.db, cursor, 1024,
                                    [&](std::string_view name, const tier::Found&) {
                                      if (!glob_match(pattern, name)) return;
                                      if (told_by_cold(c, name)) return;
                                      if (may_see(c, name)) tell(name);
                                    });
    } while (cursor != 0);
  }
}

struct NameSizes {
  std::size_t count = 0, bytes = 0;  // in the reply
};

NameSizes sizes_of_names(Context& c) {
  // "$16000\r\n" and "\r\n".
  constexpr std::size_t kFrameBytes = 10;
  NameSizes all;
  each_name(c, [&all](std::string_view name) {
    ++all.count;
    all.bytes += name.size() + kFrameBytes;
  });
  return all;
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
  const auto first = static_cast<unsigned>(one), second = static_cast<unsigned>(other);
  swap_cold(c, first, second);
  for (const auto& worker : c.server.workers()) worker->shard().swap(first, second);
  forget_cold(c.server);
  c.server.tracking().flush(c.worker);
  c.out.ok();
}

void keys_command(Context& c) {
  // How much it is first: the room for it is granted before it is there. What goes for that is not
  // told any more, so it is counted again.
  NameSizes all = sizes_of_names(c);
  if (Worker::reply_grows(c.out.buffer(), all.bytes)) {
    if (!c.worker.lend_reply(c.out.buffer(), all.bytes)) return c.out_of_memory();
    all = sizes_of_names(c);
  }
  c.out.array(all.count);
  each_name(c, [&c](std::string_view name) { c.out.bulk(name); });
}

void scan_command(Context& c) {
  ScanWords words;
  if (const char* problem = scan_words(c.words, words)) return c.error(problem);
  const auto& workers = c.server.workers();
  ColdTier* cold = c.server.cold();
  const bool memory = cold == nullptr || cold->some_off();
  ScanPlace at = scan_place(words.cursor, workers.size(), memory);
  std::vector<std::string> names;
  std::size_t seen = 0;
  bool more = cold != nullptr && cold->some_on();
  if (c.surveyed != nullptr) {
    names = seen_names(c);
    at.place = c.surveyed->next;
    more = at.place != 0;
  } else if (at.shard >= workers.size()) {
    more = false;  // a cursor of nobody's
  }
  std::optional<Standstill> still;
  while (at.shard < workers.size() && seen < words.count) {
    // It was brought to the shard where it begins; only what is left to see for the next is read
    // while that stands still.
    if (workers[at.shard].get() != &c.worker && !still) {
      still.emplace(c.server, &c.worker, Standstill::For::kLooks);
    }
    at.place = workers[at.shard]->shard().scan(
        c.caller.db, at.place, words.count - seen,
        [&](std::string_view name, const tier::Found& found) {
          ++seen;
          if (told_by_cold(c, name)) return;
          if (words.type && !equals_ignoring_case(*words.type, type_name(found.kind))) return;
          if (!words.pattern.empty() && !glob_match(words.pattern, name)) return;
          if (may_see(c, name)) names.emplace_back(name);
        });
    if (at.place != 0) break;  // it has looked at as much as one call may
    ++at.shard;
  }
  c.out.array(2);
  c.out.bulk(std::to_string(at.shard < workers.size() || more ? scan_cursor(at) : 0));
  c.out.array(names.size());
  for (const std::string& name : names) c.out.bulk(name);
}

void randomkey_command(Context& c) {
  static thread_local std::mt19937_64 random{std::random_device{}()};
  const auto& workers = c.server.workers();
  // Keys that are in memory only have their chance, too.
  std::vector<std::string> names;
  if (c.surveyed != nullptr) names = seen_names(c);
  if (!names.empty() && !(c.server.cold()->some_off() && random() % 2 == 0)) {
    return c.out.bulk(names.front());
  }
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
  if (!names.empty()) return c.out.bulk(names.front());
  c.out.null();
}

void dbsize_command(Context& c) {
  std::uint64_t count = 0;
  ColdTier* cold = c.server.cold();
  const bool counted = c.surveyed != nullptr;
  std::optional<Standstill> still;
  if (counted && cold->some_off()) still.emplace(c.server, &c.worker, Standstill::For::kLooks);
  for (const auto& worker : c.server.workers()) {
    if (!counted) {
      count += worker->shard().count(c.caller.db);
      continue;
    }
    // The cold tier has counted its own; here are the others.
    for (std::uint64_t cursor = 0; cold->some_off();) {
      cursor = worker->shard().scan(c.caller.db, cursor, 1024,
                                    [&](std::string_view name, const tier::Found&) {
                                      count += told_by_cold(c, name) ? 0 : 1;
                                    });
      if (cursor == 0) break;
    }
  }
  if (counted) {
    count += c.surveyed->seen;
  } else if (cold != nullptr && !cold->all_hot) {
    count = std::max(count, cold->store().figures().entries);
  }
  c.out.integer(static_cast<std::int64_t>(count));
}

void flushdb_command(Context& c) {
  if (!flush_mode(c)) return;
  for (const auto& worker : c.server.workers()) worker->shard().flush(c.caller.db);
  flush_cold(c, c.caller.db, c.caller.db + 1);
  c.server.tracking().flush(c.worker);
  c.out.ok();
}

void flushall_command(Context& c) {
  if (!flush_mode(c)) return;
  for (const auto& worker : c.server.workers()) worker->shard().flush_all();
  flush_cold(c, 0, tier::kDatabases);
  if (c.server.cold() != nullptr) c.server.cold()->all_hot = true;
  c.server.tracking().flush(c.worker);
  c.out.ok();
}

}  // namespace ullage::server
