// SPDX-License-Identifier: Apache-2.0
//
// /v1/keys/{key}: one value, its bytes as they are.
#include "base/format.h"
#include "server/clock.h"
#include "server/http/call.h"
#include "server/http/etag.h"
#include "server/server.h"
#include "tier/shard.h"

namespace ullage::server {
namespace {

constexpr std::string_view kKeys = "/v1/keys/";
// Values are bytes of strangers: no browser may take them for a page of ours.
constexpr const char* kValueType = "application/octet-stream";
constexpr const char* kValuePolicy = "default-src 'none'; sandbox";

struct Condition {
  std::vector<std::string> words = {"any"};
  TagList match, none_match;
  bool has_match = false, has_none_match = false;
};

// A key and its database; or why there is none.
struct Place {
  std::string key;
  std::uint8_t db = 0;
};
std::variant<Place, Answer> place_of(const Call& call,
                                     std::initializer_list<std::string_view> parameters) {
  if (auto answer = refuse_parameters(call.target, parameters)) return std::move(*answer);
  auto db = database_of(call.target);
  if (auto* answer = std::get_if<Answer>(&db)) return std::move(*answer);
  auto key = wire::percent_decode(std::string_view(call.target.path).substr(kKeys.size()), false);
  if (!key) {
    return problem(400, "bad-key", "The key is not well encoded.",
                   "A % is not followed by two hexadecimal digits.", "Write a % itself as %25.");
  }
  if (key->empty()) {
    return problem(400, "bad-key", "There is no key.", "Nothing follows /v1/keys/.",
                   "Write the key there, %-encoded; to list keys: GET /v1/keys.");
  }
  const std::uint64_t most = call.server.max_key_bytes.load(std::memory_order_relaxed);
  if (key->size() > most) {
    return problem(400, "bad-key", "The key is too long.",
                   "It has " + std::to_string(key->size()) + " bytes; server.max_key allows " +
                       std::to_string(most) + ".",
                   "Shorten it. See: ullage contract explain server.max_key");
  }
  return Place{std::move(*key), std::get<std::uint8_t>(db)};
}

// What If-Match or If-None-Match say; or why they say nothing.
std::variant<Condition, Answer> condition_of(const Call& call, bool write) {
  Condition condition;
  const auto match = call.request.field("if-match");
  const auto none = call.request.field("if-none-match");
  condition.has_match = match.has_value();
  condition.has_none_match = none.has_value();
  const bool read = (!match || parse_tags(*match, condition.match)) &&
                    (!none || parse_tags(*none, condition.none_match));
  if (!read || (write && match && none)) {
    return problem(400, "bad-condition", "The condition is not understood.",
                   read ? "If-Match and If-None-Match are both there."
                        : "Expected * or tags in quotes, parted by commas.",
                   "Send the ETag of an earlier answer as it came, in one of the two fields.");
  }
  if (match) {
    condition.words = {condition.match.any ? "present" : "match"};
    for (const std::string& tag : condition.match.tags) condition.words.push_back(tag);
  } else if (none) {
    condition.words = {condition.none_match.any ? "absent" : "other"};
    for (const std::string& tag : condition.none_match.tags) condition.words.push_back(tag);
  }
  return condition;
}

Answer failed_condition() {
  return problem(412, "precondition-failed", "The value is not the one that was expected.",
                 "If-Match or If-None-Match does not hold for what the key has now.",
                 "GET the key, decide anew, and send the ETag of that answer.");
}

Answer missing(const Place& place) {
  return problem(404, "key-missing", "There is no such key.",
                 "Database " + std::to_string(place.db) + " has no value for it (any more).",
                 "PUT a value to the same address to make one.");
}

Ask ask(const Call& call, const Place& place, const char* name) {
  Ask ask;
  ask.owner = owner_of_key(call.server, place.db, place.key);
  ask.command = find_internal(name);
  ask.caller = call.caller;
  ask.caller.db = place.db;
  ask.words = {name, place.key};
  return ask;
}

Answer value_answer(Replied& reply, const Condition& condition) {
  const std::string_view value = reply.elements[1].bytes();
  const auto expires_ms = static_cast<std::uint64_t>(reply.elements[0].integer);
  const std::string tag = etag_of(value);
  if (condition.has_match && !matches(condition.match, tag, false)) return failed_condition();
  Answer answer;
  answer.fields = {{"ETag", tag}, {"Cache-Control", "no-cache"}};
  if (expires_ms != tier::kNoExpiry) {
    const std::uint64_t now = unix_ms();
    answer.fields.emplace_back("Ullage-TTL-Ms",
                               std::to_string(expires_ms > now ? expires_ms - now : 0));
  }
  if (condition.has_none_match && matches(condition.none_match, tag, true)) {
    answer.status = 304;
    return answer;
  }
  answer.type = reply.elements.size() > 2 ? kJsonType : kValueType;
  answer.fields.emplace_back("Content-Security-Policy", kValuePolicy);
  if (reply.elements[1].kept.empty()) {
    answer.body = std::move(reply.elements[1].text);
  } else {
    answer.part = value;
    answer.kept = std::move(reply.whole);
  }
  return answer;
}

// Milliseconds that ?ttl= says: 0, none; -1, what is left stays.
std::variant<std::int64_t, Answer> ttl_of(const Call& call) {
  const std::string* text = call.target.parameter("ttl");
  if (text == nullptr) return std::int64_t{0};
  if (*text == "keep") return std::int64_t{-1};
  const Result<std::uint64_t> ns = parse_duration_ns(*text);
  if (ns.ok() && ns.value() >= 1'000'000) {
    return static_cast<std::int64_t>(ns.value() / 1'000'000);
  }
  return problem(400, "bad-ttl", "The time to live is not understood.",
                 "The parameter ttl is \"" + text->substr(0, 64) +
                     "\"; expected a number of at least one millisecond with its unit, or keep.",
                 "Write ?ttl=30s, ?ttl=500ms, ?ttl=24h; leave it out for a value that stays.");
}

}  // namespace

Step get_key(Call& call) {
  auto place = place_of(call, {"db"});
  if (auto* answer = std::get_if<Answer>(&place)) return std::move(*answer);
  auto condition = condition_of(call, false);
  if (auto* answer = std::get_if<Answer>(&condition)) return std::move(*answer);
  const Place& where = std::get<Place>(place);
  Round round;
  round.asks.push_back(ask(call, where, "http.get"));
  round.then = [where, condition = std::get<Condition>(condition)](Replies& replies) -> Step {
    Replied& reply = replies[0];
    if (reply.is_error()) return refused_read(reply);
    if (reply.elements.size() >= 2) return value_answer(reply, condition);
    return condition.has_match ? failed_condition() : missing(where);
  };
  return round;
}

Step put_key(Call& call) {
  auto place = place_of(call, {"db", "ttl"});
  if (auto* answer = std::get_if<Answer>(&place)) return std::move(*answer);
  auto condition = condition_of(call, true);
  if (auto* answer = std::get_if<Answer>(&condition)) return std::move(*answer);
  auto ttl = ttl_of(call);
  if (auto* answer = std::get_if<Answer>(&ttl)) return std::move(*answer);
  if (call.request.field("content-encoding") || call.request.field("content-range")) {
    return problem(400, "bad-body", "The body is not the value as it is.",
                   "Content-Encoding and Content-Range are not understood here.",
                   "Send the value's own bytes, all of them.");
  }
  Ask put = ask(call, std::get<Place>(place), "http.set");
  put.words.push_back(std::to_string(std::get<std::int64_t>(ttl)));
  for (std::string& word : std::get<Condition>(condition).words) {
    put.words.push_back(std::move(word));
  }
  const std::string tag = etag_of(call.body.view());
  put.last = std::move(call.body);
  Round round;
  round.asks.push_back(std::move(put));
  round.then = [tag](Replies& replies) -> Step {
    if (replies[0].is_error()) return refused(replies[0]);
    if (replies[0].integer < 0) return failed_condition();
    Answer answer{.status = replies[0].integer == 1 ? 201 : 204};
    answer.fields = {{"ETag", tag}};
    return answer;
  };
  return round;
}

Step delete_key(Call& call) {
  auto place = place_of(call, {"db"});
  if (auto* answer = std::get_if<Answer>(&place)) return std::move(*answer);
  auto condition = condition_of(call, true);
  if (auto* answer = std::get_if<Answer>(&condition)) return std::move(*answer);
  const Place& where = std::get<Place>(place);
  Ask erase = ask(call, where, "http.del");
  for (std::string& word : std::get<Condition>(condition).words) {
    erase.words.push_back(std::move(word));
  }
  Round round;
  round.asks.push_back(std::move(erase));
  round.then = [where](Replies& replies) -> Step {
    if (replies[0].is_error()) return refused(replies[0]);
    if (replies[0].integer < 0) return failed_condition();
    return replies[0].integer == 1 ? Answer{.status = 204} : missing(where);
  };
  return round;
}

}  // namespace ullage::server
