// SPDX-License-Identifier: Apache-2.0
//
// ULLAGE.BACKUP: a copy of the cold tier, made on a thread of its own.
#include <string>

#include "server/cold_tier.h"
#include "server/commands/handlers.h"
#include "server/context.h"
#include "server/router.h"
#include "server/server.h"
#include "server/standstill.h"
#include "server/worker.h"

namespace ullage::server {
namespace {

void field(Context& c, const char* name, const std::string& value) {
  c.out.bulk(name);
  c.out.bulk(value);
}

void start(Context& c) {
  const std::string directory(c.word(2));
  if (!directory.starts_with('/')) {
    return c.error("ERR name a directory from the root (/...): the server is elsewhere than you");
  }
  // What any thread has changed in its turn, and perhaps acknowledged, belongs to it.
  {
    const Standstill still(c.server, &c.worker, Standstill::For::kLooks);
    for (const auto& worker : c.server.workers()) worker->router()->hand_over();
  }
  if (!c.server.backup().start(c.server.cold()->store(), directory)) {
    return c.error("ERR a backup is being made already: see ULLAGE.BACKUP STATUS");
  }
  c.out.ok();
}

void status(Context& c) {
  const BackupJob::Status now = c.server.backup().status();
  c.out.map(5);
  field(c, "state", to_string(now.state));
  field(c, "directory", now.directory);
  field(c, "message", now.message);
  field(c, "started_ms", std::to_string(now.started_ms));
  field(c, "took_ms", std::to_string(now.took_ms));
}

}  // namespace

void ullage_backup_command(Context& c) {
  if (c.server.cold() == nullptr) {
    return c.error("ERR there is no cold tier to copy: see persistence.directory");
  }
  if (c.is(1, "start") && c.words.size() == 3) return start(c);
  if (c.is(1, "status") && c.words.size() == 2) return status(c);
  c.syntax_error();
}

}  // namespace ullage::server
