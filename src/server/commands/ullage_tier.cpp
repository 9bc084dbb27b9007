// SPDX-License-Identifier: Apache-2.0
//
// ULLAGE.TIER, ULLAGE.EXPLAIN, ULLAGE.PRELOAD: where an entry is, why, and what would be done.
#include "server/commands/handlers.h"
#include "server/context.h"
#include "server/router.h"
#include "server/server.h"
#include "server/worker.h"

namespace ullage::server {
namespace {

void field(Context& c, const char* name, std::uint64_t value) {
  c.out.bulk(name);
  c.out.integer(static_cast<std::int64_t>(value));
}
void field(Context& c, const char* name, std::string_view value) {
  c.out.bulk(name);
  c.out.bulk(value);
}

const char* durability_name(const contract::Durability& durability) {
  switch (durability.kind) {
    case contract::Durability::Kind::kOff:
      return "off";
    case contract::Durability::Kind::kNo:
      return "no";
    case contract::Durability::Kind::kWindow:
      return "window";
    case contract::Durability::Kind::kAlways:
      return "always";
  }
  return "";
}

const char* why(Router::Moved how, bool hot) {
  switch (how) {
    case Router::Moved::kEvicted:
      return hot ? "written" : "evicted";
    case Router::Moved::kRead:
      return hot ? "read" : "evicted";
    case Router::Moved::kPreloaded:
      return hot ? "preloaded" : "evicted";
    case Router::Moved::kWritten:
    case Router::Moved::kNever:
      break;
  }
  return hot ? "written" : "not asked for";
}

std::string seconds_ago(Context& c, std::uint64_t at_ms) {
  const std::uint64_t now = c.now_ms();
  return std::to_string((now - std::min(now, at_ms)) / 1000) + " s ago";
}

// "by "orders:"", or by the default.
std::string rule_text(const std::pair<std::string, contract::Durability>& rule) {
  return rule.first.empty() ? std::string("persistence.durability")
                            : "the prefix \"" + rule.first + "\" of persistence.prefixes";
}

// What SET would do.
std::string set_text(Context& c, const tier::Key& key) {
  const auto rule = c.worker.router()->cold().rule(key.text);
  std::string text = " SET would be acknowledged ";
  switch (rule.second.kind) {
    case contract::Durability::Kind::kOff:
      text += "at once, and be kept in memory only";
      break;
    case contract::Durability::Kind::kNo:
      text += "at once, and reach the disk when the system writes it";
      break;
    case contract::Durability::Kind::kWindow:
      text += "at once, and be on the disk within " + std::to_string(rule.second.window_ms) + " ms";
      break;
    case contract::Durability::Kind::kAlways:
      text += "when it is on the disk";
      break;
  }
  return text + " (" + durability_name(rule.second) + ", by " + rule_text(rule) + ").";
}

std::string explain_hot(Context& c, const tier::Key& key, const tier::Shard::About& about) {
  std::string text = "It is in the hot tier, " + std::to_string(about.memory_bytes) + " B of it: ";
  text += about.large ? "a large value, in pages of its own."
                      : "key and value in one allocation beside others of its size.";
  text += " Used lately " + std::to_string(about.frequency) + " of 15, idle for " +
          std::to_string(about.idle_ms / 1000) + " s.";
  if (Router* router = c.worker.router()) {
    const auto rule = router->cold().rule(key.text);
    const auto [how, at] = router->last_move(key);
    if (how == Router::Moved::kWritten) {
      text += " It came into memory " + seconds_ago(c, at) + ", when it was written.";
    } else if (how == Router::Moved::kRead) {
      text += " It was read back from the cold tier " + seconds_ago(c, at) + ".";
    } else if (how == Router::Moved::kPreloaded) {
      text += " It was preloaded " + seconds_ago(c, at) + ".";
    }
    if (rule.second.kind == contract::Durability::Kind::kOff) {
      text += " It is in memory only: evicting it loses it.";
    } else {
      text += " The cold tier has it, too: evicting it costs no write, and GET would read it back.";
    }
    text += set_text(c, key);
  }
  if (about.expires_ms == tier::kNoExpiry) {
    text += " It stays until it is erased, or until others are worth more (maxmemory-policy " +
            c.config().maxmemory_policy + ").";
  } else {
    text += " It expires at " + std::to_string(about.expires_ms) + " ms (Unix time).";
  }
  return text;
}

std::string explain_cold(Context& c, const tier::Key& key, const tier::Found& found) {
  Router& router = *c.worker.router();
  const KeyWait* looked = router.looked_at(key);
  std::string text = "It is in the cold tier, " + std::to_string(found.value.size()) + " B";
  if (looked != nullptr && looked->written_ms != 0) {
    text += ", written " + seconds_ago(c, looked->written_ms);
  }
  const auto [how, at] = router.last_move(key);
  text += how == Router::Moved::kNever
              ? ". It is not in memory: nobody asked for it since the start."
              : ". It left memory " + seconds_ago(c, at) + " or later: others were used more.";
  const tier::ColdFigures figures = router.cold().store().figures();
  text += " GET would read it";
  if (figures.reads > 0) {
    text += " (" + std::to_string(figures.read_ns / figures.reads / 1000) + " us on average)";
  }
  text +=
      " and put it into memory as a newcomer: asked for once it goes before those that are used.";
  if (found.expires_ms != tier::kNoExpiry) {
    text += " It expires at " + std::to_string(found.expires_ms) + " ms (Unix time).";
  }
  return text + set_text(c, key);
}

std::string explain_none(Context& c, const tier::Key& key) {
  Router* router = c.worker.router();
  if (router == nullptr) {
    return "It is in no tier: it was never written here, or was erased, expired or evicted since. "
           "INFO tiers counts those.";
  }
  const auto rule = router->cold().rule(key.text);
  if (rule.second.kind == contract::Durability::Kind::kOff) {
    return "It is in no tier: its keys are in memory only, by " + rule_text(rule) +
           ", and this one was never written, or was erased, expired or evicted since." +
           set_text(c, key);
  }
  return std::string(
             "It is in no tier: it was never written here, or was erased or expired since. ") +
         (router->known_absent(key) ? "That is remembered: GET would not ask the cold tier."
                                    : "GET would ask the cold tier, and remember the answer.") +
         set_text(c, key);
}

void refuse(Context& c, const Error& error) {
  c.error((error.code == Code::kExhausted ? "TRYAGAIN " : "ERR ") + error.message);
}

}  // namespace

void ullage_tier_command(Context& c) {
  const tier::Key key = c.key(1);
  tier::Shard& shard = c.shard(key);
  const auto about = shard.about(key);
  const auto found = about ? std::nullopt : shard.peek(key);
  if (!about && !found) return c.out.null();
  Router* router = c.worker.router();
  c.out.map(router == nullptr ? 7 : 10);
  field(c, "tier", about ? "hot" : "cold");
  field(c, "place", !about ? "disk" : about->large ? "large" : "entries");
  field(c, "shard", key.shard(static_cast<unsigned>(c.server.workers().size())));
  field(c, "bytes", about ? about->memory_bytes : found->value.size());
  field(c, "frequency", about ? about->frequency : 0);
  field(c, "idle_ms", about ? about->idle_ms : 0);
  field(c, "expires_ms", about ? about->expires_ms : found->expires_ms);
  if (router == nullptr) return;
  const auto [how, at] = router->last_move(key);
  const KeyWait* looked = router->looked_at(key);
  const std::uint64_t written = looked != nullptr ? looked->written_ms : 0;
  field(c, "durability", durability_name(router->cold().rule(key.text).second));
  field(c, "why", why(how, about.has_value()));
  // Of the move; else of the write, as far as it is known; 0: it is not. (In memory, and left it
  // last: it was written again when later moves had taken that one's place.)
  const bool unknown = about.has_value() && how == Router::Moved::kEvicted;
  field(c, "since_ms", unknown ? 0 : at != 0 ? at : written);
}

void ullage_explain_command(Context& c) {
  const tier::Key key = c.key(1);
  tier::Shard& shard = c.shard(key);
  if (const auto about = shard.about(key)) return c.out.verbatim(explain_hot(c, key, *about));
  if (const auto found = shard.peek(key)) return c.out.verbatim(explain_cold(c, key, *found));
  c.out.verbatim(explain_none(c, key));
}

void ullage_preload_command(Context& c) {
  Warmer* warmer = c.server.warmer();
  if (warmer == nullptr) {
    return c.error("ERR there is no cold tier to read from: see persistence.directory");
  }
  if (c.is(1, "keys") && c.words.size() > 2) {
    std::vector<std::string> keys(c.words.begin() + 2, c.words.end());
    const auto count = static_cast<std::int64_t>(keys.size());
    const Result<void> begun = warmer->preload_keys(c.caller.db, std::move(keys));
    return begun.ok() ? c.out.integer(count) : refuse(c, begun.error());
  }
  const bool file = c.is(1, "file") && c.words.size() == 3;
  if (!file && c.words.size() != 2) return c.syntax_error();
  const Result<void> begun = file ? warmer->preload_file(c.caller.db, std::string(c.word(2)))
                                  : warmer->preload_pattern(c.caller.db, std::string(c.word(1)));
  if (!begun.ok()) return refuse(c, begun.error());
  c.out.ok();
}

}  // namespace ullage::server
