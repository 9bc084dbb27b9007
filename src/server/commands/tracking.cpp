// SPDX-License-Identifier: Apache-2.0
//
// CLIENT TRACKING and what belongs to it.
#include <algorithm>

#include "server/commands/handlers.h"
#include "server/context.h"
#include "server/server.h"
#include "server/worker.h"
#include "wire/request_parser.h"

namespace ullage::server {
namespace {

bool parse_tracking(Context& c, TrackingState& wanted) {
  for (std::size_t i = 3; i < c.words.size(); ++i) {
    const bool more = i + 1 < c.words.size();
    if (c.is(i, "redirect") && more) {
      if (wanted.redirect != 0) {
        c.error("ERR A client can only redirect to a single other client");
        return false;
      }
      std::int64_t id = 0;
      if (!c.integer(++i, id)) return false;
      if (c.server.worker_of(static_cast<std::uint64_t>(id)) < 0) {
        c.error("ERR The client ID you want redirect to does not exist");
        return false;
      }
      wanted.redirect = static_cast<std::uint64_t>(id);
    } else if (c.is(i, "bcast")) {
      wanted.broadcast = true;
    } else if (c.is(i, "optin")) {
      wanted.optin = true;
    } else if (c.is(i, "optout")) {
      wanted.optout = true;
    } else if (c.is(i, "noloop")) {
      wanted.noloop = true;
    } else if (c.is(i, "prefix") && more) {
      wanted.prefixes.emplace_back(c.word(++i));
    } else {
      c.syntax_error();
      return false;
    }
  }
  return true;
}

// Two prefixes of one client, of which one begins with the other, would tell a key twice.
bool prefixes_apart(Context& c, const std::vector<std::string>& known,
                    const std::vector<std::string>& wanted) {
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    for (const std::string& other : known) {
      if (!other.starts_with(wanted[i]) && !wanted[i].starts_with(other)) continue;
      c.error("ERR Prefix '" + wanted[i] + "' overlaps with an existing prefix '" + other +
              "'. Prefixes for a single client must not overlap.");
      return false;
    }
    for (std::size_t j = i + 1; j < wanted.size(); ++j) {
      if (!wanted[j].starts_with(wanted[i]) && !wanted[i].starts_with(wanted[j])) continue;
      c.error("ERR Prefix '" + wanted[i] + "' overlaps with another provided prefix '" + wanted[j] +
              "'. Prefixes for a single client must not overlap.");
      return false;
    }
  }
  return true;
}

void turn_off(Context& c) {
  TrackingState& state = c.session->extras().tracking;
  if (state.on) c.server.tracking().stop(c.session->id);
  state = {};
  c.session->tracking = c.session->tracking_noloop = false;
}

void turn_on(Context& c, TrackingState wanted) {
  TrackingState& state = c.session->extras().tracking;
  Tracker tracker{c.worker.index(), c.session->id, wanted.noloop, wanted.redirect};
  c.server.tracking().start(tracker, wanted.prefixes, wanted.broadcast);
  std::vector<std::string> prefixes =
      state.on && state.broadcast ? state.prefixes : std::vector<std::string>{};
  if (wanted.broadcast && wanted.prefixes.empty()) wanted.prefixes.emplace_back();
  prefixes.insert(prefixes.end(), wanted.prefixes.begin(), wanted.prefixes.end());
  std::sort(prefixes.begin(), prefixes.end());
  state = std::move(wanted);
  state.prefixes = std::move(prefixes);
  state.on = true;
  c.session->tracking = !state.broadcast && !state.optin;
  c.session->tracking_noloop = state.noloop;
}

}  // namespace

void client_tracking_command(Context& c) {
  TrackingState wanted;
  if (!parse_tracking(c, wanted)) return;
  if (c.is(2, "off")) {
    turn_off(c);
    return c.out.ok();
  }
  if (!c.is(2, "on")) return c.syntax_error();
  if (!wanted.broadcast && !wanted.prefixes.empty()) {
    return c.error("ERR PREFIX option requires BCAST mode to be enabled");
  }
  const TrackingState& now = c.session->extras().tracking;
  if (now.on && now.broadcast != wanted.broadcast) {
    return c.error(
        "ERR You can't switch BCAST mode on/off before disabling tracking for this client, and "
        "then re-enabling it with a different mode.");
  }
  if (wanted.broadcast && (wanted.optin || wanted.optout)) {
    return c.error("ERR OPTIN and OPTOUT are not compatible with BCAST");
  }
  if (wanted.optin && wanted.optout) {
    return c.error("ERR You can't specify both OPTIN mode and OPTOUT mode");
  }
  if ((wanted.optin && now.optout) || (wanted.optout && now.optin)) {
    return c.error(
        "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and "
        "then re-enabling it with a different mode.");
  }
  if (wanted.broadcast && !prefixes_apart(c, now.prefixes, wanted.prefixes)) return;
  turn_on(c, std::move(wanted));
  c.out.ok();
}

void client_caching_command(Context& c) {
  TrackingState& state = c.session->extras().tracking;
  if (!state.on) {
    return c.error(
        "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or "
        "OPTOUT mode enabled");
  }
  if (c.is(2, "yes")) {
    if (!state.optin) {
      return c.error(
          "ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.");
    }
    c.session->tracking = true;
  } else if (c.is(2, "no")) {
    if (!state.optout) {
      return c.error(
          "ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.");
    }
    c.session->tracking = false;
  } else {
    return c.syntax_error();
  }
  state.caching_next = true;
  c.out.ok();
}

void client_getredir_command(Context& c) {
  const SessionExtras* extras = c.session->known_extras();
  if (extras == nullptr || !extras->tracking.on) return c.out.integer(-1);
  c.out.integer(static_cast<std::int64_t>(extras->tracking.redirect));
}

void client_trackinginfo_command(Context& c) {
  const TrackingState& state = c.session->extras().tracking;
  std::vector<const char*> flags;
  flags.push_back(state.on ? "on" : "off");
  if (state.broadcast) flags.push_back("bcast");
  if (state.optin) {
    flags.push_back("optin");
    if (state.caching_next) flags.push_back("caching-yes");
  }
  if (state.optout) {
    flags.push_back("optout");
    if (state.caching_next) flags.push_back("caching-no");
  }
  if (state.noloop) flags.push_back("noloop");
  if (state.broken_redirect) flags.push_back("broken_redirect");
  c.out.map(3);
  c.out.bulk("flags");
  c.out.set(flags.size());
  for (const char* flag : flags) c.out.bulk(flag);
  c.out.bulk("redirect");
  c.out.integer(state.on ? static_cast<std::int64_t>(state.redirect) : -1);
  c.out.bulk("prefixes");
  c.out.array(state.prefixes.size());
  for (const std::string& prefix : state.prefixes) c.out.bulk(prefix);
}

}  // namespace ullage::server
