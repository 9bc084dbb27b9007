// SPDX-License-Identifier: Apache-2.0
//
// MONITOR: this client is shown every command.
#include "server/commands/handlers.h"
#include "server/context.h"
#include "server/server.h"
#include "server/worker.h"

namespace ullage::server {

void monitor_command(Context& c) {
  if (c.queued) return c.error("ERR MONITOR isn't allowed for DENY BLOCKING client");
  Session& session = *c.session;
  if (session.monitors) return;  // as in Redis: no reply the second time
  session.monitors = true;
  c.server.monitors().add({c.worker.index(), session.id});
  c.out.ok();
}

void stop_monitor(Context& c) {
  if (!c.session->monitors) return;
  c.session->monitors = false;
  c.server.monitors().remove({c.worker.index(), c.session->id});
}

}  // namespace ullage::server
