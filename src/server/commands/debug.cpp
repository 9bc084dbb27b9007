// SPDX-License-Identifier: Apache-2.0
//
// DEBUG, as far as test suites use it; SHUTDOWN; and what is answered for the sake of tools.
#include <cstdlib>
#include <thread>

#include "server/commands/handlers.h"
#include "server/context.h"
#include "server/numbers.h"
#include "server/router.h"
#include "server/server.h"
#include "server/worker.h"
#include "wire/request_parser.h"

namespace ullage::server {
namespace {

// Longest time DEBUG SLEEP stops a thread: it is a tool for tests.
constexpr double kSleepSecondsMax = 60;

// Keys of which DEBUG POPULATE asks at once whether the cold tier has them.
constexpr std::int64_t kPopulateBatch = 512;

// Keys that are there stay as they are, in whichever tier.
void populate(Context& c) {
  std::int64_t count = 0, size = 0;
  if (!c.integer(2, count)) return;
  const std::string prefix(c.words.size() > 3 ? c.word(3) : "key");
  if (c.words.size() > 4 && !c.integer(4, size)) return;
  std::vector<std::string> names;
  std::vector<KeyNeed> keys;
  std::vector<bool> there;
  for (std::int64_t first = 0; first < count; first += kPopulateBatch) {
    const std::int64_t end = std::min(count, first + kPopulateBatch);
    names.clear();
    keys.clear();
    for (std::int64_t i = first; i < end; ++i) names.push_back(prefix + ":" + std::to_string(i));
    for (const std::string& name : names) {
      keys.push_back({c.caller.db, name, tier::hash_text(name), Need::kLook});
    }
    if (c.server.cold() == nullptr) {
      there.assign(keys.size(), false);
    } else if (!c.worker.router()->there_now(keys, there)) {
      return c.error("TRYAGAIN the cold tier can't be read: " + c.server.cold()->trouble());
    }
    for (std::int64_t i = first; i < end; ++i) {
      const auto at = static_cast<std::size_t>(i - first);
      const tier::Key key(c.caller.db, names[at], keys[at].hash);
      tier::Shard& shard = c.shard(key);
      if (there[at] || shard.contains(key)) continue;
      std::string value = "value:" + std::to_string(i);
      if (size > 0) value.resize(static_cast<std::size_t>(size));
      if (!c.wrote(shard.set(key, value))) return;
    }
  }
  c.out.ok();
}

// What the cold tier has, too, leaves memory: whatever is asked for next is read there.
void evict(Context& c) {
  if (c.server.cold() == nullptr) return c.error("ERR there is no cold tier to evict to");
  for (const auto& worker : c.server.workers()) worker->router()->evict_all();
  c.out.ok();
}

void protocol(Context& c) {
  const std::string kind = lower_case(c.word(2));
  if (kind == "string") return c.out.bulk("Hello World");
  if (kind == "integer") return c.out.integer(12345);
  if (kind == "double") return c.out.real(3.141);
  if (kind == "null") return c.out.null();
  if (kind == "array" || kind == "set") {
    kind == "array" ? c.out.array(3) : c.out.set(3);
    for (std::int64_t i = 0; i < 3; ++i) c.out.integer(i);
  } else if (kind == "map") {
    c.out.map(3);
    for (std::int64_t i = 0; i < 3; ++i) {
      c.out.integer(i);
      c.out.boolean(i == 1);
    }
  } else if (kind == "attrib") {
    if (c.caller.resp > 2) {
      c.out.attribute(1);
      c.out.bulk("key-popularity");
      c.out.array(2);
      c.out.bulk("key:123");
      c.out.integer(90);
    }
    c.out.bulk("Some real reply following the attribute");
  } else if (kind == "push") {
    c.out.push(2);
    c.out.bulk("server-cpu-usage");
    c.out.integer(42);
  } else if (kind == "verbatim") {
    c.out.verbatim("This is a verbatim\nstring");
  } else if (kind == "true" || kind == "false") {
    c.out.boolean(kind == "true");
  } else if (kind == "bignum") {
    if (c.caller.resp > 2) return c.out.raw("(1234567999999999999999999999999999999\r\n");
    c.out.bulk("1234567999999999999999999999999999999");
  } else {
    c.error(
        "ERR Wrong protocol type name. Please use one of the following: "
        "string|integer|double|null|array|set|map|attrib|push|verbatim|true|false");
  }
}

}  // namespace

void debug_command(Context& c) {
  const std::size_t count = c.words.size();
  if (c.is(1, "sleep") && count == 3) {
    const double seconds = std::atof(std::string(c.word(2)).c_str());
    std::this_thread::sleep_for(
        std::chrono::duration<double>(std::min(std::max(seconds, 0.0), kSleepSecondsMax)));
    return c.out.ok();
  }
  if (c.is(1, "set-active-expire") && count == 3) {
    const bool on = c.word(2) != "0";
    c.server.mutable_config().active_expire = on;
    c.server.active_expire.store(on);
    return c.out.ok();
  }
  if (c.is(1, "populate") && count >= 3) return populate(c);
  if (c.is(1, "evict") && count == 2) return evict(c);
  if (c.is(1, "protocol") && count == 3) return protocol(c);
  if (c.is(1, "jmap") && count == 2) return c.out.ok();
  if (c.is(1, "quicklist-packed-threshold") && count == 3) return c.out.ok();
  if (c.is(1, "object") && count >= 3) {
    const tier::Key key = c.key(2);
    const auto about = c.shard(key).about(key);
    if (!about) return c.error("ERR no such key");
    return c.out.simple("Value at:0x0 refcount:1 encoding:raw serializedlength:" +
                        std::to_string(about->value_bytes) +
                        " lru:0 lru_seconds_idle:" + std::to_string(about->idle_ms / 1000));
  }
  c.error("ERR unknown subcommand or wrong number of arguments for '" + std::string(c.word(1)) +
          "'. Try DEBUG HELP.");
}

void shutdown_command(Context& c) {
  for (std::size_t i = 1; i < c.words.size(); ++i) {
    bool known = false;
    for (const char* word : {"nosave", "save", "now", "force", "abort"}) known |= c.is(i, word);
    if (!known) return c.syntax_error();
    if (c.is(i, "abort")) return c.error("ERR No shutdown in progress.");
    if (c.is(i, "save") && c.server.cold() == nullptr)
      return c.error("ERR the store is in memory only: SHUTDOWN NOSAVE");
  }
  c.session->close_after_reply = true;
  c.server.stop();
}

void lolwut_command(Context& c) {
  c.out.verbatim("Ullage: the empty space in a cask, left so that what is in it may grow.\n");
}

// There are no scripts and no functions: they are all gone.
void script_flush_command(Context& c) { c.out.ok(); }
void function_flush_command(Context& c) { c.out.ok(); }

// Only a container whose subcommand is missing gets here.
void container_command(Context& c) { c.wrong_arity(); }

void role_command(Context& c) {
  c.out.array(3);
  c.out.bulk("master");
  c.out.integer(0);
  c.out.array(0);
}

void wait_command(Context& c) {
  std::int64_t replicas = 0, timeout = 0;
  if (!c.integer(1, replicas) ||
      !c.integer(2, timeout, "ERR timeout is not an integer or out of range")) {
    return;
  }
  if (timeout < 0) return c.error("ERR timeout is negative");
  c.out.integer(0);
}

}  // namespace ullage::server
