// SPDX-License-Identifier: Apache-2.0
//
// SUBSCRIBE and PUBLISH.
#include "server/commands/handlers.h"
#include "server/context.h"
#include "server/server.h"
#include "server/worker.h"

namespace ullage::server {
namespace {

Subscriber self(Context& c) { return {c.worker.index(), c.session->id}; }

// May the client know that somebody listens to this channel? Its name may be a key's.
bool may_know(Context& c, std::string_view channel) {
  if (!c.caller.guarded) return true;
  const User* user = c.server.users().find(c.caller.user);
  if (user == nullptr || !user->may_use_channel(channel)) return false;
  return c.session == nullptr || may_hear(c.server, *c.session, channel, {});
}

// One reply per channel, as a push.
void told(Context& c, const char* kind, const std::string* channel) {
  c.out.push(3);
  c.out.bulk(kind);
  if (channel != nullptr) {
    c.out.bulk(*channel);
  } else {
    c.out.null();
  }
  c.out.integer(static_cast<std::int64_t>(c.session->subscriptions()));
}

void subscribe(Context& c, bool pattern) {
  for (std::size_t i = 1; i < c.words.size(); ++i) {
    auto& mine = pattern ? c.session->extras().patterns : c.session->extras().channels;
    const std::string channel(c.word(i));
    if (c.session->subscriptions() == 0) c.worker.stats().subscribed.add();
    if (mine.insert(channel).second) c.server.pubsub().subscribe(channel, pattern, self(c));
    told(c, pattern ? "psubscribe" : "subscribe", &channel);
  }
}

void unsubscribe(Context& c, bool pattern) {
  const char* kind = pattern ? "punsubscribe" : "unsubscribe";
  auto& mine = pattern ? c.session->extras().patterns : c.session->extras().channels;
  std::vector<std::string> channels;
  if (c.words.size() > 1) {
    for (std::size_t i = 1; i < c.words.size(); ++i) channels.emplace_back(c.word(i));
  } else {
    channels.assign(mine.begin(), mine.end());
  }
  const bool was = c.session->subscriptions() > 0;
  for (const std::string& channel : channels) {
    if (mine.erase(channel) > 0) c.server.pubsub().unsubscribe(channel, pattern, self(c));
    told(c, kind, &channel);
  }
  if (channels.empty()) told(c, kind, nullptr);
  if (was && c.session->subscriptions() == 0) c.worker.stats().subscribed.sub();
}

}  // namespace

void subscribe_command(Context& c) { subscribe(c, false); }
void psubscribe_command(Context& c) { subscribe(c, true); }
void unsubscribe_command(Context& c) { unsubscribe(c, false); }
void punsubscribe_command(Context& c) { unsubscribe(c, true); }

void unsubscribe_quietly(Context& c) {
  SessionExtras& extras = c.session->extras();
  if (c.session->subscriptions() > 0) c.worker.stats().subscribed.sub();
  for (const std::string& name : extras.channels) {
    c.server.pubsub().unsubscribe(name, false, self(c));
  }
  for (const std::string& name : extras.patterns) {
    c.server.pubsub().unsubscribe(name, true, self(c));
  }
  extras.channels.clear();
  extras.patterns.clear();
}

void publish_command(Context& c) {
  const auto receivers = c.server.pubsub().publish(c.worker, c.word(1), c.word(2));
  if (!receivers) return c.out_of_memory();
  c.out.integer(static_cast<std::int64_t>(*receivers));
}

void pubsub_channels_command(Context& c) {
  if (c.words.size() > 3) return c.wrong_subcommand_words();
  auto names = c.server.pubsub().channels(c.words.size() > 2 ? c.word(2) : std::string_view{});
  std::erase_if(names, [&](const std::string& name) { return !may_know(c, name); });
  c.out.array(names.size());
  for (const std::string& name : names) c.out.bulk(name);
}

void pubsub_numsub_command(Context& c) {
  c.out.array((c.words.size() - 2) * 2);
  for (std::size_t i = 2; i < c.words.size(); ++i) {
    c.out.bulk(c.word(i));
    const std::size_t count = may_know(c, c.word(i)) ? c.server.pubsub().subscribers(c.word(i)) : 0;
    c.out.integer(static_cast<std::int64_t>(count));
  }
}

void pubsub_numpat_command(Context& c) {
  c.out.integer(static_cast<std::int64_t>(c.server.pubsub().pattern_count()));
}

void pubsub_help_command(Context& c) {
  static constexpr const char* kLines[] = {
      "CHANNELS [<pattern>]",
      "    Return the currently active channels matching a <pattern> (default: '*').",
      "NUMPAT",
      "    Return number of subscriptions to patterns.",
      "NUMSUB [<channel> ...]",
      "    Return the number of subscribers for the specified channels, excluding",
      "    pattern subscriptions(default: no channels).",
  };
  c.help(kLines);
}

}  // namespace ullage::server
