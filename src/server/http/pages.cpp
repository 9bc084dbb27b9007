// SPDX-License-Identifier: Apache-2.0
//
// What the server tells of itself: for Prometheus, for load balancers, for people.
#include "server/embedded.h"
#include "server/http/call.h"
#include "server/http/live.h"
#include "server/numbers.h"
#include "server/server.h"
#include "server/status.h"

namespace ullage::server {
namespace {

const EmbeddedFile* embedded_file(std::string_view name) {
  for (const EmbeddedFile& file : embedded()) {
    if (file.name == name) return &file;
  }
  return nullptr;
}

}  // namespace

Step metrics_page(Call& call) {
  const std::string accept = lower_case(call.request.field("accept").value_or(""));
  if (accept.find("application/openmetrics-text") != std::string::npos) {
    return text_answer(200, metrics::openmetrics_text(call.server.registry()),
                       "application/openmetrics-text; version=1.0.0; charset=utf-8");
  }
  return text_answer(200, metrics::prometheus_text(call.server.registry()),
                     "text/plain; version=0.0.4; charset=utf-8");
}

Step topology_page(Call& call) { return json_answer(topology_json(call.server)); }

Step health_page(Call&) { return text_answer(200, "ok\n"); }

Step ready_page(Call& call) {
  if (call.server.stopping()) return text_answer(503, "stopping\n");
  return text_answer(200, "ready\n");
}

Step status_page(Call& call) {
  Live& live = call.live;
  return Round{.asks = live.curve_asks(),
               .then = [&live, caller = call.caller](Replies& replies) -> Step {
                 for (std::size_t i = 0; i < replies.size(); ++i) live.take_curve(i, replies[i]);
                 Answer answer = json_answer(live.status_json(caller));
                 answer.fields = {{"Cache-Control", "no-store"}};
                 return answer;
               }};
}

Step history_page(Call& call) {
  Answer answer = json_answer(call.live.history_json());
  answer.fields = {{"Cache-Control", "no-store"}};
  return answer;
}

Step events_page(Call& call) {
  if (call.request.method == "HEAD") return text_answer(200, "", "text/event-stream");
  return Stream{};
}

Step openapi_page(Call&) { return json_answer(std::string(embedded_file("openapi.json")->text)); }

Step live_page(Call&) {
  const EmbeddedFile* page = embedded_file("index.html");
  const EmbeddedFile* policy = embedded_file("policy.txt");
  if (page == nullptr || policy == nullptr) {
    return problem(404, "no-live-page", "This build has no live page.",
                   "It was configured with ULLAGE_DASHBOARD=OFF.",
                   "Read /v1/status, /topology and /metrics, or build with npm installed.");
  }
  Answer answer = text_answer(200, std::string(page->text), "text/html; charset=utf-8");
  answer.fields = {{"Content-Security-Policy", std::string(policy->text)},
                   {"Referrer-Policy", "no-referrer"},
                   {"Cache-Control", "no-cache"}};
  return answer;
}

}  // namespace ullage::server
