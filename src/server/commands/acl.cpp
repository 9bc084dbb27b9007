// SPDX-License-Identifier: Apache-2.0
//
// ACL: users, what they may do, and what was refused.
#include <algorithm>

#include "server/acl/door.h"
#include "server/commands/handlers.h"
#include "server/context.h"
#include "server/numbers.h"
#include "server/server.h"
#include "server/worker.h"

namespace ullage::server {
namespace {

constexpr const char* kNoFile =
    "ERR This Redis instance is not configured to use an ACL file. You may want to specify users "
    "via the ACL SETUSER command and then issue a CONFIG REWRITE (assuming you have a Redis "
    "configuration file set) in order to store users in the Redis configuration.";

void tell_rights(Context& c, const Rights& rights) {
  c.out.bulk("commands"), c.out.bulk(rights.commands_text());
  c.out.bulk("keys"), c.out.bulk(rights.keys_text());
  c.out.bulk("channels"), c.out.bulk(rights.channels_text());
}

}  // namespace

void acl_setuser_command(Context& c) {
  std::vector<std::string_view> rules(c.words.begin() + 3, c.words.end());
  Result<void> done;
  {
    const auto lock = c.server.users().changing();
    done = c.server.users().set(c.word(2), rules);
  }
  if (!done.ok()) return c.error("ERR " + done.error().message);
  settle_clients(c.server, c.session);
  c.out.ok();
}

void acl_deluser_command(Context& c) {
  for (std::size_t i = 2; i < c.words.size(); ++i) {
    if (c.word(i) == "default") return c.error("ERR The 'default' user cannot be removed");
  }
  std::int64_t gone = 0;
  {
    const auto lock = c.server.users().changing();
    for (std::size_t i = 2; i < c.words.size(); ++i) {
      gone += c.server.users().remove(c.word(i)) ? 1 : 0;
    }
  }
  settle_clients(c.server, c.session);
  c.out.integer(gone);
}

void acl_getuser_command(Context& c) {
  const User* user = c.server.users().find(c.word(2));
  if (user == nullptr) return c.out.null();
  c.out.map(6);
  c.out.bulk("flags");
  const std::vector<const char*> flags = user->flags();
  c.out.set(flags.size());
  for (const char* flag : flags) c.out.bulk(flag);
  c.out.bulk("passwords");
  c.out.array(user->passwords().size());
  for (const std::string& hash : user->passwords()) c.out.bulk(hash);
  tell_rights(c, user->rights()[0]);
  c.out.bulk("selectors");
  c.out.array(user->rights().size() - 1);
  for (std::size_t i = 1; i < user->rights().size(); ++i) {
    c.out.map(3);
    tell_rights(c, user->rights()[i]);
  }
}

void acl_list_command(Context& c) {
  const std::vector<const User*> users = c.server.users().all();
  c.out.array(users.size());
  for (const User* user : users) c.out.bulk(user->text());
}

void acl_users_command(Context& c) {
  const std::vector<const User*> users = c.server.users().all();
  c.out.array(users.size());
  for (const User* user : users) c.out.bulk(user->name());
}

void acl_whoami_command(Context& c) {
  const User* user = c.server.users().find(c.caller.user);
  c.out.bulk(user != nullptr ? user->name() : "");
}

void acl_dryrun_command(Context& c) {
  const User* user = c.server.users().find(c.word(2));
  if (user == nullptr) return c.error("ERR User '" + std::string(c.word(2)) + "' not found");
  const std::span<const std::string_view> words = c.words.subspan(3);
  const Command* command = find_command(words[0]);
  if (command != nullptr && (command->flags & kContainer) && words.size() > 1) {
    command = find_subcommand(*command, words[1]);
  }
  if (command == nullptr) {
    return c.error("ERR Command '" + std::string(words[0]) + "' not found");
  }
  if (!arity_fits(*command, words.size())) {
    return c.error("ERR wrong number of arguments for '" + std::string(command->name) +
                   "' command");
  }
  const Verdict verdict = user->check(*command, words);
  const std::string word(words[verdict.word]);
  switch (verdict.why) {
    case Refusal::kNone:
      return c.out.ok();
    case Refusal::kCommand:
      return c.out.bulk("This user has no permissions to run the '" + std::string(command->name) +
                        "' command");
    case Refusal::kReach:
      return c.out.bulk("'" + std::string(command->name) +
                        "' reaches beyond the keys of this user: it needs allkeys");
    case Refusal::kKey:
      return c.out.bulk("This user has no permissions to access the '" + word + "' key");
    case Refusal::kChannel:
      return c.out.bulk("This user has no permissions to access the '" + word + "' channel");
  }
}

void acl_load_command(Context& c) {
  const std::string path = c.config().contract.text("server.acl_file");
  if (path.empty()) return c.error(kNoFile);
  const Result<void> done = c.server.load_users(c.session);
  if (!done.ok()) return c.error("ERR " + done.error().message);
  c.out.ok();
}

void acl_save_command(Context& c) {
  const std::string path = c.config().contract.text("server.acl_file");
  if (path.empty()) return c.error(kNoFile);
  const Result<void> done = write_acl_file(path, c.server.users().text());
  if (!done.ok()) return c.error("ERR " + done.error().message);
  c.out.ok();
}

void acl_log_command(Context& c) {
  constexpr std::int64_t kShown = 10;
  std::int64_t count = kShown;
  if (c.words.size() > 3) return c.wrong_subcommand_words();
  if (c.words.size() == 3 && c.is(2, "reset")) {
    c.server.acl_log().clear();
    return c.out.ok();
  }
  if (c.words.size() == 3 && !c.integer(2, count)) return;
  const auto entries = c.server.acl_log().newest(static_cast<std::size_t>(std::max(count, {})));
  c.out.array(entries.size());
  for (const AclLog::Entry& entry : entries) {
    c.out.map(7);
    c.out.bulk("count"), c.out.integer(static_cast<std::int64_t>(entry.count));
    c.out.bulk("reason"), c.out.bulk(entry.reason);
    c.out.bulk("context"), c.out.bulk(entry.where);
    c.out.bulk("object"), c.out.bulk(entry.object);
    c.out.bulk("username"), c.out.bulk(entry.user);
    c.out.bulk("age-seconds"),
        c.out.real(static_cast<double>(c.now_ms() - std::min(entry.unix_ms, c.now_ms())) / 1000);
    c.out.bulk("client-info"), c.out.bulk(entry.client);
  }
}

}  // namespace ullage::server
