// SPDX-License-Identifier: Apache-2.0
//
// OBJECT, MEMORY: what is known of one entry, and of all memory.
#include <limits>

#include "server/commands/handlers.h"
#include "server/context.h"
#include "server/numbers.h"
#include "server/server.h"
#include "server/status.h"
#include "server/worker.h"
#include "wire/request_parser.h"

namespace ullage::server {
namespace {

// Longer texts are "raw" in Redis.
constexpr std::size_t kEmbeddedBytesMax = 44;

}  // namespace

void object_encoding_command(Context& c) {
  const tier::Key key = c.key(2);
  const auto found = c.shard(key).peek(key);
  if (!found) return c.out.null();
  if (found->kind != tier::kText) return c.out.bulk("raw");  // as Redis says of a module's values
  std::int64_t number = 0;
  if (found->value.size() <= 20 && wire::parse_integer(found->value, number)) {
    return c.out.bulk("int");
  }
  c.out.bulk(found->value.size() <= kEmbeddedBytesMax ? "embstr" : "raw");
}

void object_refcount_command(Context& c) {
  const tier::Key key = c.key(2);
  const auto found = c.shard(key).peek(key);
  if (!found) return c.out.null();
  // Redis shares the small numbers among all keys, and says so with the largest count there is.
  std::int64_t number = -1;
  const bool small = found->kind == tier::kText && wire::parse_integer(found->value, number) &&
                     number >= 0 && number < 10'000;
  c.out.integer(small ? std::numeric_limits<std::int32_t>::max() : 1);
}

void object_freq_command(Context& c) {
  const tier::Key key = c.key(2);
  const auto about = c.shard(key).about(key);
  if (!about) return c.out.null();
  c.out.integer(about->frequency);
}

void object_idletime_command(Context& c) {
  const tier::Key key = c.key(2);
  const auto about = c.shard(key).about(key);
  if (!about) return c.out.null();
  c.out.integer(static_cast<std::int64_t>(about->idle_ms / 1000));
}

void object_help_command(Context& c) {
  static constexpr const char* kLines[] = {
      "ENCODING <key>",
      "    Return the kind of internal representation used in order to store the value",
      "    associated with a <key>.",
      "FREQ <key>",
      "    Return the access frequency index of the <key>, 0 to 15.",
      "IDLETIME <key>",
      "    Return the idle time of the <key>, in seconds.",
      "REFCOUNT <key>",
      "    Return the number of references of the value associated with the specified",
      "    <key>.",
  };
  c.help(kLines);
}

void memory_usage_command(Context& c) {
  if (c.words.size() > 3) {
    std::int64_t samples = 0;
    if (c.words.size() != 5 || !c.is(3, "samples")) return c.syntax_error();
    if (!c.integer(4, samples)) return;
    if (samples < 0) return c.syntax_error();
  }
  const tier::Key key = c.key(2);
  const auto about = c.shard(key).about(key);
  if (!about) return c.out.null();
  c.out.integer(static_cast<std::int64_t>(about->memory_bytes));
}

void memory_stats_command(Context& c) {
  const MemoryStatus status = memory_status(c.server);
  const std::pair<const char*, std::uint64_t> numbers[] = {
      {"peak.allocated", status.peak_bytes},
      {"total.allocated", status.used_bytes},
      {"startup.allocated", 0},
      {"replication.backlog", 0},
      {"clients.slaves", 0},
      {"clients.normal", status.client_bytes},
      {"aof.buffer", 0},
      {"overhead.total", status.metadata_bytes},
      {"keys.count", status.keys},
      {"keys.bytes-per-key", status.keys == 0 ? 0 : status.used_bytes / status.keys},
      {"dataset.bytes", status.live_bytes},
  };
  c.out.map(std::size(numbers) + 1);
  for (const auto& [name, value] : numbers) {
    c.out.bulk(name);
    c.out.integer(static_cast<std::int64_t>(value));
  }
  c.out.bulk("fragmentation");
  c.out.real(status.fragmentation());
}

void memory_doctor_command(Context& c) {
  const MemoryStatus status = memory_status(c.server);
  std::string text = "Resident memory is " + std::to_string(status.resident_bytes) +
                     " B; the tier holds " + std::to_string(status.used_bytes) + " B of the " +
                     std::to_string(status.limit_bytes) + " B it may have (0: no bound).";
  text += status.pressure == "none" ? " Nothing presses." : " Pressure: " + status.pressure + ".";
  c.out.verbatim(text + " See INFO budget, INFO tiers.\n");
}

void memory_purge_command(Context& c) {
  for (const auto& worker : c.server.workers()) {
    (void)worker->shard().step(std::chrono::milliseconds(10));
  }
  c.out.ok();
}

void memory_help_command(Context& c) {
  static constexpr const char* kLines[] = {
      "DOCTOR",
      "    Return memory problems reports.",
      "PURGE",
      "    Give back what was freed and is not given back yet.",
      "STATS",
      "    Return information about the memory usage of the server.",
      "USAGE <key> [SAMPLES <count>]",
      "    Return memory in bytes used by <key> and its value.",
  };
  c.help(kLines);
}

}  // namespace ullage::server
