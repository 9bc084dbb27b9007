// SPDX-License-Identifier: Apache-2.0
//
// Which paths there are, and what each lets one do.
#include <algorithm>

#include "server/acl/door.h"
#include "server/clock.h"
#include "server/http/call.h"
#include "server/server.h"
#include "wire/request_parser.h"

namespace ullage::server {
namespace {

constexpr std::string_view kKeys = "/v1/keys/";
// Of a batch: some hundred keys.
constexpr std::uint64_t kBatchBytesMax = 4u << 20;

// Who may: anybody, whoever has said who they are (each key asks on), who may look at the server.
enum class For { kAll, kUsers, kLookers };
struct Path {
  std::string_view method, path;
  Step (*begin)(Call&);
  For whom;
};
constexpr Path kPaths[] = {
    {"GET", "/v1/keys", list_keys, For::kUsers},
    {"POST", "/v1/keys:batchGet", batch_get, For::kUsers},
    {"GET", "/v1/status", status_page, For::kLookers},
    {"GET", "/v1/history", history_page, For::kLookers},
    {"GET", "/v1/events", events_page, For::kLookers},
    {"GET", "/v1/openapi.json", openapi_page, For::kAll},
    {"GET", "/metrics", metrics_page, For::kAll},
    {"GET", "/topology", topology_page, For::kLookers},
    {"GET", "/healthz", health_page, For::kAll},
    {"GET", "/readyz", ready_page, For::kAll},
    {"GET", "/", live_page, For::kLookers},
};

// Who asks, if that is somebody who may; else why not.
std::variant<Caller, Answer> caller_for(Server& server, const wire::HttpRequest& request,
                                        For whom) {
  if (whom == For::kAll) return Caller{};
  const auto caller = caller_of(server, request.field("authorization").value_or(""));
  if (!caller) {
    Answer answer = problem(401, "who-are-you", "It must be known who asks.",
                            "There is no Authorization, or no such user with this password.",
                            "Send Basic name:password, or Bearer with the default user's.");
    answer.fields.emplace_back("WWW-Authenticate", "Basic realm=\"ullage\", charset=\"UTF-8\"");
    return answer;
  }
  if (whom == For::kLookers && !may_look(server, *caller)) {
    return not_permitted("This user may not run INFO.");
  }
  return *caller;
}

bool may_run(Server& server, const Caller& caller, const Command& command,
             std::initializer_list<std::string_view> words) {
  if (!caller.guarded) return true;
  const auto lock = server.users().reading();
  const User* user = server.users().find(caller.user);
  return user != nullptr && user->check(command, words).why == Refusal::kNone;
}

Answer no_method(const wire::HttpRequest& request, std::string_view allowed) {
  Answer answer = problem(405, "method-not-allowed", "This is not what can be done here.",
                          request.method + " is not allowed on " + request.target + ".",
                          "Use one of: " + std::string(allowed) + ". See /v1/openapi.json.");
  answer.fields.emplace_back("Allow", allowed);
  return answer;
}

Step (*of_key(std::string_view method))(Call&) {
  if (method == "GET" || method == "HEAD") return get_key;
  if (method == "PUT") return put_key;
  return method == "DELETE" ? delete_key : nullptr;
}

// CLIENT PAUSE holds commands back; here they are told to come again.
bool paused(Server& server, bool writes) {
  const std::uint64_t until = server.paused_until_ms.load(std::memory_order_relaxed);
  if (until == 0 || steady_ms() >= until) return false;
  return writes || server.paused_all.load(std::memory_order_relaxed);
}

std::optional<Answer> held_back(Server& server, bool writes) {
  if (server.stopping()) {
    Answer answer = problem(503, "stopping", "The server stops.", "It takes no new requests.",
                            "Send it to another one, or again when this one is back.");
    answer.close = true;
    return answer;
  }
  if (!paused(server, writes)) return std::nullopt;
  Answer answer = problem(503, "paused", "Clients are paused.", "CLIENT PAUSE is in force.",
                          "Send it again after the time in Retry-After.");
  answer.fields.emplace_back("Retry-After", "1");
  return answer;
}

}  // namespace

std::variant<Plan, Answer> plan_of(Server& server, const wire::HttpRequest& request,
                                   const wire::HttpTarget& target) {
  const std::string_view path = target.path;
  if (path.starts_with(kKeys)) {
    const auto begin = of_key(request.method);
    if (begin == nullptr) return no_method(request, "GET, HEAD, PUT, DELETE");
    const bool writes = begin != get_key;
    auto caller = caller_for(server, request, For::kUsers);
    if (auto* answer = std::get_if<Answer>(&caller)) return std::move(*answer);
    if (auto answer = held_back(server, writes)) return std::move(*answer);
    const std::uint64_t most = server.max_value_bytes.load(std::memory_order_relaxed);
    return Plan{begin == put_key ? most : 0, begin, std::get<Caller>(caller)};
  }
  std::string allowed;
  for (const Path& route : kPaths) {
    if (route.path != path) continue;
    const bool head = route.method == "GET" && request.method == "HEAD";
    if (route.method == request.method || head) {
      auto caller = caller_for(server, request, route.whom);
      if (auto* answer = std::get_if<Answer>(&caller)) return std::move(*answer);
      if (path.starts_with("/v1/keys")) {
        if (auto answer = held_back(server, false)) return std::move(*answer);
      }
      const std::uint64_t most = route.begin == batch_get ? kBatchBytesMax : 0;
      return Plan{most, route.begin, std::get<Caller>(caller)};
    }
    allowed = route.method == "GET" ? "GET, HEAD" : route.method;
  }
  if (!allowed.empty()) return no_method(request, allowed);
  return problem(404, "no-such-path", "There is nothing at this path.",
                 "No route is " + std::string(path.substr(0, 200)) + ".",
                 "Keys are below /v1/keys/; /v1/openapi.json lists what there is.");
}

std::variant<std::uint8_t, Answer> database_of(const wire::HttpTarget& target) {
  const std::string* text = target.parameter("db");
  std::int64_t db = 0;
  if (text != nullptr && (!wire::parse_integer(*text, db) || db < 0 || db >= tier::kDatabases)) {
    return problem(400, "no-such-database", "There is no such database.",
                   "The parameter db is \"" + *text + "\"; expected a number from 0 to 15.",
                   "Leave it out for database 0.");
  }
  return static_cast<std::uint8_t>(db);
}

std::optional<Answer> refuse_parameters(const wire::HttpTarget& target,
                                        std::initializer_list<std::string_view> known) {
  for (const auto& [name, value] : target.query) {
    const bool ours = std::find(known.begin(), known.end(), name) != known.end();
    const auto same = [&name = name](const auto& other) { return other.first == name; };
    if (ours && std::count_if(target.query.begin(), target.query.end(), same) == 1) continue;
    std::string all;
    for (const std::string_view other : known)
      all += (all.empty() ? "" : ", ") + std::string(other);
    return problem(
        400, "bad-parameter", "A parameter is not what is expected here.",
        (ours ? "There are several of " : "There is no parameter named ") + ("\"" + name) + "\".",
        all.empty() ? "Leave the query out." : "Use each of these once: " + all + ".");
  }
  return std::nullopt;
}

unsigned owner_of_key(Server& server, unsigned db, std::string_view key) {
  return tier::Key(db, key).shard(static_cast<unsigned>(server.workers().size()));
}

bool may_look(Server& server, const Caller& caller) {
  return may_run(server, caller, *find_command("info"), {"info"});
}

bool may_see_slow(Server& server, const Caller& caller) {
  return may_run(server, caller, *find_internal("slowlog|get"), {"slowlog", "get"});
}

Answer not_permitted(std::string_view detail) {
  return problem(403, "not-permitted", "This user may not do this.", detail,
                 "Ask whoever keeps the users (ACL SETUSER).");
}

// Others hold what there is, until their answers have gone out.
Answer refused_read(const wire::Reply& reply) {
  if (!reply.text.starts_with("OOM")) return refused(reply);
  Answer answer = problem(503, "no-room-for-answer", "There is no memory for the answer now.",
                          "The budget denied a buffer for it, and nothing could be evicted for it.",
                          "Send it again after the time in Retry-After, ask for less at once, or "
                          "raise residency.hot (see the page at /).");
  answer.fields.emplace_back("Retry-After", "1");
  return answer;
}

Answer refused(const wire::Reply& reply) {
  const std::string& text = reply.text;
  if (text.starts_with("OOM")) {
    return problem(
        507, "budget-denied", "There is no memory for this.",
        "The budget denied it, and nothing could be evicted for it; nothing was changed.",
        "Erase something, or raise residency.hot (see the page at /).");
  }
  if (text.starts_with("TRYAGAIN") || text.starts_with("MISCONF")) {
    Answer answer = problem(503, "cold-tier", "The cold tier can't do this now.", text,
                            "Send it again after the time in Retry-After; see /v1/status.");
    answer.fields.emplace_back("Retry-After", "1");
    return answer;
  }
  if (text.starts_with("NOPERM") || text.starts_with("NOAUTH")) {
    return not_permitted(text);
  }
  return problem(500, "refused", "The store refused it.", text, "See the server's log.");
}

}  // namespace ullage::server
