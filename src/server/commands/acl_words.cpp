// SPDX-License-Identifier: Apache-2.0
//
// ACL without users: categories, a new password, help.
#include <sys/random.h>

#include <vector>

#include "server/acl/categories.h"
#include "server/commands/handlers.h"
#include "server/context.h"
#include "server/numbers.h"

namespace ullage::server {

void acl_cat_command(Context& c) {
  if (c.words.size() > 3) return c.wrong_subcommand_words();
  if (c.words.size() == 2) {
    c.out.array(category_names().size());
    for (const char* name : category_names()) c.out.bulk(name);
    return;
  }
  const Categories category = category_named(c.word(2));
  if (category == 0) return c.error("ERR Unknown category '" + std::string(c.word(2)) + "'");
  std::vector<const char*> names;
  for (const Command& command : commands()) {
    if (categories_of(command) & category) names.push_back(command.name);
  }
  c.out.array(names.size());
  for (const char* name : names) c.out.bulk(name);
}

void acl_genpass_command(Context& c) {
  constexpr std::int64_t kBits = 256, kBitsMax = 4096;
  std::int64_t bits = kBits;
  if (c.words.size() > 3) return c.wrong_subcommand_words();
  if (c.words.size() == 3) {
    if (!c.integer(2, bits)) return;
    if (bits <= 0 || bits > kBitsMax) {
      return c.error(
          "ERR ACL GENPASS argument must be the number of bits for the output password, a "
          "positive number up to 4096");
    }
  }
  unsigned char random[kBitsMax / 8];
  std::size_t have = 0;
  while (have < sizeof random) {
    const ssize_t got = ::getrandom(random + have, sizeof random - have, 0);
    if (got > 0) have += static_cast<std::size_t>(got);
  }
  std::string text;
  const auto digits = static_cast<std::size_t>((bits + 3) / 4);
  for (std::size_t i = 0; i < digits; ++i) {
    text += "0123456789abcdef"[random[i / 2] >> (i % 2 == 0 ? 4 : 0) & 15];
  }
  c.out.bulk(text);
}

void acl_help_command(Context& c) {
  static constexpr const char* kLines[] = {
      "CAT [<category>]",
      "    List all commands that belong to <category>, or all command categories",
      "    when no category is specified.",
      "DELUSER <username> [<username> ...]",
      "    Delete a list of users.",
      "DRYRUN <username> <command> [<arg> ...]",
      "    Returns whether the user can execute the given command without executing the command.",
      "GETUSER <username>",
      "    Get the user's details.",
      "GENPASS [<bits>]",
      "    Generate a secure 256-bit user password. The optional `bits` argument can",
      "    be used to specify a different size.",
      "LIST",
      "    Show users details in config file format.",
      "LOAD",
      "    Reload users from the ACL file.",
      "LOG [<count> | RESET]",
      "    Show the ACL log entries.",
      "SAVE",
      "    Save the current config to the ACL file.",
      "SETUSER <username> <attribute> [<attribute> ...]",
      "    Create or modify a user with the specified attributes.",
      "USERS",
      "    List all the registered usernames.",
      "WHOAMI",
      "    Return the current connection username.",
  };
  c.help(kLines);
}

}  // namespace ullage::server
