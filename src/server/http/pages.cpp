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

// The hit curves are asked of the threads. One that hangs, or a disk that lets all commands wait,
// is what somebody looks at the status for: then it is told with the curves that came last.
constexpr std::uint64_t kCurvePatienceMs = 500;

const EmbeddedFile* embedded_file(std::string_view name) {
  for (const EmbeddedFile& file : embedded()) {
    if (file.name == name) return &file;
  }
  return nullptr;
}

}  // namespace

Step metrics_page(Call& call) {
  const std::string accept = lower_case(call.request.field("accept").value_or(""));
  const bool open = accept.find("application/openmetrics-text") != std::string::npos;
  const auto format = open ? metrics::Format::kOpenMetrics : metrics::Format::kPrometheus;
  metrics::Exposition text(call.server.registry(), format);
  return parts_answer([text](std::string& out) mutable { return text.next(out, kPartBytes); },
                      open ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                           : "text/plain; version=0.0.4; charset=utf-8");
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
               },
               .patience_ms = kCurvePatienceMs};
}

Step history_page(Call& call) {
  Answer answer = parts_answer(call.live.history(), kJsonType);
  answer.fields = {{"Cache-Control", "no-store"}};
  return answer;
}

Step events_page(Call& call) {
  if (call.request.method == "HEAD") return text_answer(200, "", "text/event-stream");
  return Stream{};
}

Step openapi_page(Call&) { return fixed_answer(embedded_file("openapi.json")->text, kJsonType); }

Step live_page(Call&) {
  const EmbeddedFile* page = embedded_file("index.html");
  const EmbeddedFile* policy = embedded_file("policy.txt");
  if (page == nullptr || policy == nullptr) {
    return problem(404, "no-live-page", "This build has no live page.",
                   "It was configured with ULLAGE_DASHBOARD=OFF.",
                   "Read /v1/status, /topology and /metrics, or build with npm installed.");
  }
  Answer answer = fixed_answer(page->text, "text/html; charset=utf-8");
  answer.fields = {{"Content-Security-Policy", std::string(policy->text)},
                   {"Referrer-Policy", "no-referrer"},
                   {"Cache-Control", "no-cache"}};
  return answer;
}

}  // namespace ullage::server
