// SPDX-License-Identifier: Apache-2.0
//
// /v1/keys and /v1/keys:batchGet: many keys at once, as JSON.
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/json.h"
#include "document/utf8.h"
#include "server/clock.h"
#include "server/cold_tier.h"
#include "server/commands/scan_words.h"
#include "server/http/call.h"
#include "server/http/etag.h"
#include "server/server.h"
#include "tier/shard.h"
#include "wire/request_parser.h"

namespace ullage::server {
namespace {

// Keys of one answer.
constexpr std::int64_t kLimitMax = 1000, kLimitDefault = 100;
constexpr std::size_t kBatchKeysMax = 1000;
// Keys of one errand: they must all be in memory at once.
constexpr std::size_t kKeysPerAskMax = 64;
// Values of one batch together; those beyond are left out, and told so.
constexpr std::int64_t kBatchValuesBytesMax = 16 << 20;
// Errands of one listing: when few keys match, it ends early with a cursor.
constexpr int kScanRoundsMax = 16;
// Cursors of SCAN are below 2^63.
constexpr std::size_t kCursorDigitsMax = 19;
// Entries that one of them looks at: some 100 us.
constexpr std::size_t kScanCountMax = 1000;

void write_bytes(JsonWriter& json, std::string_view bytes) {
  if (document::is_utf8(bytes)) return json.value(bytes);
  json.begin_object();
  json.field("base64", base64(bytes));
  json.end_object();
}

// --- The listing: SCAN, until there are enough.

struct Listing {
  Server& server;
  Caller caller;
  std::string pattern = {};
  std::size_t limit = 0;
  std::string cursor = "0";
  std::size_t looked_at = 0;
  int rounds = 0;
  std::vector<std::string> keys = {};
};
using ListingPtr = std::shared_ptr<Listing>;

// The pattern of all that begins so.
std::string pattern_of(std::string_view prefix) {
  std::string pattern;
  for (const char c : prefix) {
    if (std::string_view("*?[]^\\").find(c) != std::string_view::npos) pattern += '\\';
    pattern += c;
  }
  return pattern + '*';
}

Answer listed(const Listing& listing) {
  JsonWriter json;
  json.begin_object();
  json.begin_array("keys");
  for (const std::string& key : listing.keys) write_bytes(json, key);
  json.end_array();
  json.key("cursor");
  if (listing.cursor == "0") {
    json.null();
  } else {
    json.value(listing.cursor);
  }
  json.end_object();
  return json_answer(json.text());
}

// How many to look at, so that about as many match as are wanted. Keys come in the order of their
// hash: as many match in one part as in another.
std::size_t next_count(const Listing& listing) {
  const std::size_t wanted = listing.limit - listing.keys.size();
  if (listing.looked_at == 0) return wanted;
  const std::size_t found = std::max<std::size_t>(listing.keys.size(), 1);
  return std::clamp(wanted * listing.looked_at / found, wanted, kScanCountMax);
}

// The thread that the cursor is at; in the cold tier that is any.
unsigned owner_of_part(const Listing& listing) {
  const std::string_view words[] = {"scan", listing.cursor};
  ColdTier* cold = listing.server.cold();
  const std::size_t shards = listing.server.workers().size();
  const unsigned at = shard_of_cursor(words, shards, cold == nullptr || cold->some_off());
  return at < shards ? at : 0;
}

Round next_part(const ListingPtr& listing) {
  const std::size_t count = next_count(*listing);
  Ask ask;
  ask.command = find_internal("scan");
  ask.owner = owner_of_part(*listing);
  ask.caller = listing->caller;
  ask.words = {"scan", listing->cursor, "match", listing->pattern, "count", std::to_string(count)};
  listing->looked_at += count;
  Round round;
  round.asks.push_back(std::move(ask));
  round.then = [listing](Replies& replies) -> Step {
    wire::Reply& reply = replies[0];
    if (reply.is_error() || reply.elements.size() != 2) return refused(reply);
    for (wire::Reply& key : reply.elements[1].elements) {
      listing->keys.push_back(std::move(key.text));
    }
    listing->cursor = reply.elements[0].text;
    const bool enough = listing->keys.size() >= listing->limit;
    if (enough || listing->cursor == "0" || ++listing->rounds >= kScanRoundsMax) {
      return listed(*listing);
    }
    return next_part(listing);
  };
  return round;
}

// --- The batch.

struct Batch {
  std::vector<std::string> keys;
  std::vector<std::pair<std::size_t, std::size_t>> places;  // of each key: its ask, and where in it
};

std::optional<std::string> bytes_of(const nlohmann::json& json) {
  if (json.is_string()) return json.get<std::string>();
  if (!json.is_object() || json.size() != 1 || !json.contains("base64")) return std::nullopt;
  std::string bytes;
  const nlohmann::json& text = json["base64"];
  if (!text.is_string() || !parse_base64(text.get_ref<const std::string&>(), bytes)) {
    return std::nullopt;
  }
  return bytes;
}

Answer bad_batch(std::string_view detail) {
  return problem(400, "bad-batch", "The batch is not understood.", detail,
                 "Send {\"keys\": [\"a\", {\"base64\": \"/w==\"}], \"db\": 0}, at most " +
                     std::to_string(kBatchKeysMax) + " keys.");
}

std::optional<Answer> parse_batch(std::string_view body, Batch& batch, std::uint8_t& db) {
  // What we take is three deep; deeper input ends here, before it is kept.
  constexpr int kDepthMax = 4;
  bool deep = false;
  const auto shallow = [&deep](int depth, auto, const auto&) {
    deep = deep || depth > kDepthMax;
    return !deep;
  };
  const nlohmann::json json = nlohmann::json::parse(body.begin(), body.end(), shallow, false);
  if (deep || !json.is_object())
    return bad_batch("The body is no JSON object of the expected form.");
  for (const auto& [name, value] : json.items()) {
    if (name == "keys" && value.is_array()) continue;
    const bool is_db = name == "db" && value.is_number_unsigned() && value < tier::kDatabases;
    if (!is_db) return bad_batch("The member \"" + name.substr(0, 64) + "\" is not expected so.");
    db = value.get<std::uint8_t>();
  }
  if (!json.contains("keys")) return bad_batch("There is no member \"keys\".");
  const nlohmann::json& keys = json["keys"];
  if (keys.size() > kBatchKeysMax) return bad_batch("There are too many keys.");
  for (const nlohmann::json& key : keys) {
    auto bytes = bytes_of(key);
    if (!bytes) return bad_batch("A key is neither a string nor {\"base64\": ...}.");
    batch.keys.push_back(std::move(*bytes));
  }
  return std::nullopt;
}

// About what an entry takes as JSON.
std::size_t json_bytes(const wire::Reply& entry) {
  constexpr std::size_t kAround = 200;
  if (entry.elements.size() < 2) return kAround;
  const std::string_view value = entry.elements[1].bytes();
  return kAround + (document::is_utf8(value) ? value.size() : value.size() / 3 * 4);
}

void write_entry(JsonWriter& json, const std::string& key, const wire::Reply& reply) {
  json.begin_object();
  json.key("key");
  write_bytes(json, key);
  if (reply.type == wire::Reply::Type::kInteger) {
    json.field("found", true);
    json.field("omitted_bytes", reply.integer);
  } else if (reply.elements.size() < 2) {
    json.field("found", false);
  } else {
    const auto expires_ms = static_cast<std::uint64_t>(reply.elements[0].integer);
    const std::uint64_t now = unix_ms();
    json.field("found", true);
    json.key("value");
    write_bytes(json, reply.elements[1].bytes());
    if (reply.elements.size() > 2) json.field("kind", reply.elements[2].text);
    json.field("etag", etag_of(reply.elements[1].bytes()));
    if (expires_ms != tier::kNoExpiry) {
      json.field("ttl_ms", expires_ms > now ? expires_ms - now : 0);
    }
  }
  json.end_object();
}

}  // namespace

Step list_keys(Call& call) {
  if (auto answer = refuse_parameters(call.target, {"prefix", "cursor", "limit", "db"})) {
    return std::move(*answer);
  }
  auto db = database_of(call.target);
  if (auto* answer = std::get_if<Answer>(&db)) return std::move(*answer);
  auto listing = std::make_shared<Listing>(Listing{.server = call.server, .caller = call.caller});
  listing->caller.db = std::get<std::uint8_t>(db);
  std::int64_t limit = kLimitDefault;
  const std::string* text = call.target.parameter("limit");
  if (text != nullptr && (!wire::parse_integer(*text, limit) || limit < 1 || limit > kLimitMax)) {
    return problem(400, "bad-limit", "The limit is not understood.",
                   "The parameter limit is \"" + text->substr(0, 64) +
                       "\"; expected a number from 1 to " + std::to_string(kLimitMax) + ".",
                   "Leave it out for " + std::to_string(kLimitDefault) + ".");
  }
  listing->limit = static_cast<std::size_t>(limit);
  text = call.target.parameter("cursor");
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  if (text != nullptr && (text->empty() || text->size() > kCursorDigitsMax ||
                          !std::all_of(text->begin(), text->end(), digit))) {
    return problem(400, "bad-cursor", "The cursor is not one of ours.",
                   "The parameter cursor is \"" + text->substr(0, 64) + "\".",
                   "Send the cursor of the answer before as it came; begin without one.");
  }
  if (text != nullptr) listing->cursor = *text;
  const std::string* prefix = call.target.parameter("prefix");
  listing->pattern = pattern_of(prefix == nullptr ? "" : *prefix);
  return next_part(listing);
}

Step batch_get(Call& call) {
  if (auto answer = refuse_parameters(call.target, {})) return std::move(*answer);
  auto batch = std::make_shared<Batch>();
  Caller caller = call.caller;
  if (auto answer = parse_batch(call.body.view(), *batch, caller.db)) return std::move(*answer);
  call.body.release();
  const std::size_t owners = call.server.workers().size();
  std::vector<std::size_t> ask_of(owners, SIZE_MAX);
  Round round;
  for (const std::string& key : batch->keys) {
    const unsigned owner = owner_of_key(call.server, caller.db, key);
    const std::size_t last = ask_of[owner];
    if (last == SIZE_MAX || round.asks[last].words.size() - 2 >= kKeysPerAskMax) {
      ask_of[owner] = round.asks.size();
      Ask& ask = round.asks.emplace_back();
      ask.owner = owner;
      ask.command = find_internal("http.mget");
      ask.caller = caller;
      ask.words = {"http.mget", ""};
    }
    Ask& ask = round.asks[ask_of[owner]];
    batch->places.emplace_back(ask_of[owner], ask.words.size() - 2);
    ask.words.push_back(key);
  }
  for (Ask& ask : round.asks) {
    ask.words[1] =
        std::to_string(kBatchValuesBytesMax / static_cast<std::int64_t>(round.asks.size()));
  }
  round.then = [batch](Replies& replies) -> Step {
    std::size_t bytes = 0;
    for (const Replied& reply : replies) {
      if (reply.is_error()) return refused_read(reply);
      for (const wire::Reply& entry : reply.elements) bytes += json_bytes(entry);
    }
    for (const std::string& key : batch->keys) bytes += key.size();
    JsonWriter json;
    json.reserve(bytes);
    json.begin_object();
    json.begin_array("entries");
    for (std::size_t i = 0; i < batch->keys.size(); ++i) {
      const auto& [ask, at] = batch->places[i];
      write_entry(json, batch->keys[i], replies[ask].elements.at(at));
    }
    json.end_array();
    json.end_object();
    return json_answer(json.take());
  };
  if (round.asks.empty()) {
    Replies none;
    return round.then(none);
  }
  return round;
}

}  // namespace ullage::server
