// SPDX-License-Identifier: Apache-2.0
#include "server/command.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "server/keys_of.h"

namespace ullage::server {
namespace {

TEST(Commands, AreFoundByNameInAnyCaseAndBySubcommand) {
  for (const Command& command : commands()) {
    std::string name(command.name);
    const std::size_t bar = name.find('|');
    for (char& c : name) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    if (bar == std::string::npos) {
      EXPECT_EQ(find_command(name), command.flags & kInternal ? nullptr : &command);
      EXPECT_EQ(find_internal(name), &command);
      EXPECT_EQ(public_form(command).flags & kInternal, 0u) << name;
      continue;
    }
    const Command* container = find_command(name.substr(0, bar));
    ASSERT_NE(container, nullptr) << name;
    EXPECT_TRUE(container->flags & kContainer) << name;
    EXPECT_EQ(find_subcommand(*container, name.substr(bar + 1)), &command);
    EXPECT_EQ(find_command(name), nullptr) << "a subcommand is no command of its own";
  }
  EXPECT_EQ(find_command("nonsense"), nullptr);
  EXPECT_EQ(find_command(""), nullptr);
}

TEST(Commands, AreEachThereOnceAndAgreeWithThemselves) {
  std::set<std::string> names;
  for (const Command& command : commands()) {
    EXPECT_TRUE(names.insert(command.name).second) << command.name;
    EXPECT_NE(command.arity, 0) << command.name;
    EXPECT_FALSE((command.flags & kWrite) && (command.flags & kReadonly)) << command.name;
    const bool keyed = command.route == Route::kKey || command.route == Route::kKeys ||
                       command.route == Route::kParts;
    EXPECT_TRUE(!keyed || command.first_key > 0) << command.name << ": routed by a key it lacks";
    EXPECT_EQ(command.first_key > 0, *command.key_flags != 0) << command.name;
    EXPECT_NE(*command.summary, 0) << command.name;
  }
}

TEST(Keys, AreWhereTheTableSays) {
  const auto keys = [](std::vector<std::string_view> words) {
    std::string found;
    for_each_key(*find_command(words[0]), words,
                 [&](std::size_t i) { found += std::string(words[i]) + " "; });
    return found;
  };
  EXPECT_EQ(keys({"get", "a"}), "a ");
  EXPECT_EQ(keys({"mset", "a", "1", "b", "2"}), "a b ");
  EXPECT_EQ(keys({"bitop", "and", "d", "a", "b"}), "d a b ");
  EXPECT_EQ(keys({"rename", "a", "b"}), "a b ");
  EXPECT_EQ(keys({"ping"}), "");
  EXPECT_EQ(keys({"mset"}), "");
}

}  // namespace
}  // namespace ullage::server
