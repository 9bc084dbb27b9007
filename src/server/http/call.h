// SPDX-License-Identifier: Apache-2.0
#pragma once

// Call: one request on its way to its answer. A route looks at the head (what it allows), then,
// once the body is there, makes a Step: an answer, or a round of errands and what to do with their
// replies.
//
//   Step get_key(Call& call) {
//     Round round{.asks = {...}, .then = [](Replies& replies) -> Step { return Answer{...}; }};
//     return round;
//   }
//
// Steps know no sockets: their tests hand them replies. Threads: the one of HTTP.

#include <functional>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "server/errand.h"
#include "server/http/answer.h"
#include "wire/http_parser.h"
#include "wire/http_target.h"
#include "wire/reply_parser.h"

namespace ullage::server {

class Server;
class Live;

struct Call {
  Server& server;
  Live& live;
  Caller caller;  // who asks, in database 0
  wire::HttpRequest request;
  wire::HttpTarget target;
  wire::ByteBuffer body;
};

// In the order of the asks. A reply that did not come in time ends the request before `then` runs,
// unless the round goes on without.
struct Replied : wire::Reply {
  wire::ByteBuffer whole;  // what it was parsed from; long values are parts of it
};
using Replies = std::vector<Replied>;

struct Stream {};  // events until the client goes
struct Round;
using Step = std::variant<Answer, Round, Stream>;
struct Round {
  std::vector<Ask> asks;
  std::function<Step(Replies&)> then;
  // Not 0: what has not come by then, or can't be asked for, is left out; its reply has no
  // elements.
  std::uint64_t patience_ms = 0;
};

// What a request may bring along, and who answers it.
struct Plan {
  std::uint64_t body_bytes_max = 0;
  Step (*begin)(Call&) = nullptr;
  Caller caller;
};
// By path and method; or why not.
std::variant<Plan, Answer> plan_of(Server& server, const wire::HttpRequest& request,
                                   const wire::HttpTarget& target);

// The number of the database that ?db= says, or why not.
std::variant<std::uint8_t, Answer> database_of(const wire::HttpTarget& target);
// Every parameter is one of these, and there once; else why not.
std::optional<Answer> refuse_parameters(const wire::HttpTarget& target,
                                        std::initializer_list<std::string_view> known);
// The thread that owns a key.
unsigned owner_of_key(Server& server, unsigned db, std::string_view key);
// What the server tells of itself is for those who may run INFO; slow commands, whose words are
// somebody's keys, for those who may run SLOWLOG GET.
bool may_look(Server& server, const Caller& caller);
bool may_see_slow(Server& server, const Caller& caller);
// Of an error reply: what HTTP says to it.
Answer refused(const wire::Reply& reply);
Answer refused_read(const wire::Reply& reply);
Answer not_permitted(std::string_view detail);

// Routes.
Step get_key(Call& call);
Step put_key(Call& call);
Step delete_key(Call& call);
Step list_keys(Call& call);
Step batch_get(Call& call);
Step metrics_page(Call& call);
Step topology_page(Call& call);
Step health_page(Call& call);
Step ready_page(Call& call);
Step status_page(Call& call);
Step events_page(Call& call);
Step history_page(Call& call);
Step openapi_page(Call& call);
Step live_page(Call& call);

}  // namespace ullage::server
