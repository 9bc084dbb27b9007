// SPDX-License-Identifier: Apache-2.0
#include "server/acl/user.h"

#include <gtest/gtest.h>

#include <initializer_list>
#include <set>
#include <string>

#include "server/acl/categories.h"
#include "server/acl/users.h"
#include "server/session.h"

namespace ullage::server {
namespace {

using Words = std::initializer_list<std::string_view>;

User user_with(Words rules) {
  User user(7, "u");
  const Result<void> done = user.apply(std::vector<std::string_view>(rules));
  EXPECT_TRUE(done.ok()) << (done.ok() ? "" : done.error().message);
  return user;
}

Refusal asked(const User& user, Words words) {
  const std::vector<std::string_view> all(words);
  const Command* command = find_command(all[0]);
  if ((command->flags & kContainer) && all.size() > 1) command = find_subcommand(*command, all[1]);
  return user.check(*command, all).why;
}

TEST(User, MayDoNothingAtFirst) {
  const User user(1, "u");
  EXPECT_EQ(asked(user, {"get", "k"}), Refusal::kCommand);
  EXPECT_EQ(asked(user, {"ping"}), Refusal::kCommand);
  EXPECT_EQ(asked(user, {"auth", "x"}), Refusal::kNone) << "else nobody could come in";
  EXPECT_FALSE(user.on());
  EXPECT_FALSE(user.knows(""));
  EXPECT_EQ(user.text(), "user u off resetchannels -@all");
}

TEST(User, IsUnboundedOnlyWithEverything) {
  EXPECT_TRUE(user_with({"~*", "&*", "+@all"}).unbounded());
  EXPECT_TRUE(user_with({"allkeys", "allchannels", "allcommands"}).unbounded());
  EXPECT_FALSE(user_with({"~*", "&*", "+@all", "-debug"}).unbounded());
  EXPECT_TRUE(user_with({"~*", "&*", "+@all", "-debug", "+debug"}).unbounded());
  EXPECT_FALSE(user_with({"~*", "+@all"}).unbounded());
  EXPECT_FALSE(user_with({"~a*", "&*", "+@all"}).unbounded());
  EXPECT_FALSE(user_with({"(~* +@all)", "(&* +@all)"}).unbounded());
}

TEST(User, ACommandThatSaysNothingOfItsKeysIsRefusedToThoseWithSomeKeys) {
  const User some = user_with({"~mine:*", "&*", "+@all"});
  const User all = user_with({"~*", "+@all"});
  for (const char* name : {"flushall", "flushdb", "debug", "shutdown"}) {
    EXPECT_EQ(asked(some, {name}), Refusal::kReach) << name;
    EXPECT_EQ(asked(all, {name}), Refusal::kNone) << name;
  }
  EXPECT_EQ(asked(some, {"config", "get", "*"}), Refusal::kReach);
  EXPECT_EQ(asked(some, {"acl", "setuser", "u", "~*"}), Refusal::kReach);
  EXPECT_EQ(asked(some, {"keys", "*"}), Refusal::kNone) << "leaves out what may not be seen";
  EXPECT_EQ(asked(some, {"ping"}), Refusal::kNone);
}

TEST(User, MayReachBeyondItsKeysWithWhatWasGivenByName) {
  EXPECT_EQ(asked(user_with({"~a*", "+flushall"}), {"flushall"}), Refusal::kNone);
  EXPECT_EQ(asked(user_with({"~a*", "+@all", "+flushall"}), {"flushall"}), Refusal::kNone);
  EXPECT_EQ(asked(user_with({"~a*", "+flushall", "+@all"}), {"flushall"}), Refusal::kReach);
  EXPECT_EQ(asked(user_with({"~a*", "+flushall", "-@dangerous", "+@keyspace"}), {"flushall"}),
            Refusal::kReach);
  const User admin = user_with({"+acl", "-acl|load", "+@all"});
  EXPECT_EQ(asked(admin, {"acl", "setuser", "x"}), Refusal::kReach) << "all came behind it";
  const User keeper = user_with({"+@all", "+acl", "-acl|load"});
  EXPECT_EQ(asked(keeper, {"acl", "setuser", "x"}), Refusal::kNone);
  EXPECT_EQ(asked(keeper, {"acl", "load"}), Refusal::kCommand);
  EXPECT_EQ(asked(keeper, {"flushall"}), Refusal::kReach);
}

TEST(User, EveryKeyOfEveryCommandIsAsked) {
  const User user = user_with({"~mine:*", "&*", "+@all"});
  for (const Command& command : commands()) {
    if (command.first_key == 0) continue;
    // Room for three keys where there may be many.
    std::vector<std::string_view> words(
        static_cast<std::size_t>(
            std::max(std::abs(command.arity), command.first_key + 3 * command.key_step + 1)),
        "mine:1");
    words[0] = command.name;
    EXPECT_EQ(user.check(command, words).why, Refusal::kNone) << command.name;
    std::size_t asked_keys = 0;
    for (std::size_t i = static_cast<std::size_t>(command.first_key); i < words.size(); ++i) {
      const std::string_view kept = words[i];
      words[i] = "other";
      const Verdict verdict = user.check(command, words);
      words[i] = kept;
      if (verdict.why == Refusal::kNone) continue;  // a value, or beyond the last key
      EXPECT_EQ(verdict.why, Refusal::kKey) << command.name;
      EXPECT_EQ(verdict.word, i) << command.name;
      ++asked_keys;
    }
    EXPECT_GT(asked_keys, 0u) << command.name;
  }
}

TEST(User, ReadingAndWritingAreApart) {
  const User user = user_with({"%R~r:*", "%W~w:*", "+@all"});
  EXPECT_EQ(asked(user, {"get", "r:1"}), Refusal::kNone);
  EXPECT_EQ(asked(user, {"get", "w:1"}), Refusal::kKey);
  EXPECT_EQ(asked(user, {"set", "w:1", "v"}), Refusal::kNone);
  EXPECT_EQ(asked(user, {"set", "w:1", "get"}), Refusal::kNone) << "get is the value here";
  EXPECT_EQ(asked(user, {"set", "w:1", "v", "GET"}), Refusal::kKey);
  EXPECT_EQ(asked(user, {"set", "r:1", "v"}), Refusal::kKey);
  EXPECT_EQ(asked(user, {"bitfield", "r:1", "get", "u8", "0"}), Refusal::kNone);
  EXPECT_EQ(asked(user, {"bitfield", "r:1", "get", "u8", "0", "Set", "u8", "0", "1"}),
            Refusal::kKey);
  EXPECT_EQ(asked(user, {"copy", "r:1", "w:1"}), Refusal::kNone);
  EXPECT_EQ(asked(user, {"copy", "w:1", "r:1"}), Refusal::kKey);
  EXPECT_EQ(asked(user, {"bitop", "and", "w:1", "r:1", "r:2"}), Refusal::kNone);
  EXPECT_EQ(asked(user, {"bitop", "and", "w:1", "r:1", "w:2"}), Refusal::kKey);
  EXPECT_TRUE(user.may_see("r:1"));
  EXPECT_FALSE(user.may_see("w:1"));
}

TEST(User, OneSelectorMustAllowAllOfACommand) {
  const User user = user_with({"~a*", "+get", "(~b* +set)"});
  EXPECT_EQ(asked(user, {"get", "a1"}), Refusal::kNone);
  EXPECT_EQ(asked(user, {"set", "b1", "v"}), Refusal::kNone);
  EXPECT_EQ(asked(user, {"set", "a1", "v"}), Refusal::kKey);
  EXPECT_EQ(asked(user, {"get", "b1"}), Refusal::kKey);
  EXPECT_EQ(asked(user, {"del", "a1"}), Refusal::kCommand);
}

TEST(User, ARuleThatIsWrongChangesNothing) {
  User user = user_with({"on", ">p", "~a*", "+get"});
  const std::string before = user.text();
  const std::pair<std::vector<std::string_view>, const char*> wrong[] = {
      {{"+set", "+nosuch"}, "'+nosuch': Unknown command or category name in ACL"},
      {{"resetpass", "~a b"}, "'~a b': Syntax error"},
      {{"+set", "(+get"}, "Unmatched parenthesis in acl selector starting at '(+get'."},
      {{"(~a))"}, "Syntax error"},
      {{"+select|a b"}, "Syntax error"},
  };
  for (const auto& [rules, message] : wrong) {
    const Result<void> done = user.apply(rules);
    ASSERT_FALSE(done.ok());
    EXPECT_NE(done.error().message.find(message), std::string::npos) << done.error().message;
    EXPECT_EQ(user.text(), before);
  }
}

TEST(User, HoldsSoManyRulesAndNoMore) {
  User user(1, "u");
  std::vector<std::string> patterns;
  for (std::size_t i = 0; i <= kRightsEntriesMax; ++i) patterns.push_back("~" + std::to_string(i));
  std::vector<std::string_view> rules(patterns.begin(), patterns.end());
  EXPECT_FALSE(user.apply(rules).ok());
  rules.pop_back();
  EXPECT_TRUE(user.apply(rules).ok());
}

TEST(Categories, AreThoseOfEveryCommand) {
  std::set<std::string_view> names(category_names().begin(), category_names().end());
  EXPECT_EQ(names.size(), 21u);
  for (const Command& command : commands()) {
    const Categories all = categories_of(command);
    EXPECT_NE((all & category_named("fast")) == 0, (all & category_named("slow")) == 0)
        << command.name;
  }
  EXPECT_EQ(category_named("nosuch"), 0u);
  EXPECT_NE(category_named("ReAd"), 0u);
}

TEST(Users, KeepWhoTheyAreAcrossAFile) {
  Users users;
  const std::string_view rules[] = {"on", ">p", "~a*", "+get", "(+set ~b*)"};
  ASSERT_TRUE(users.set("alice", rules).ok());
  const std::uint32_t number = users.find("alice")->number();
  const std::string text = users.text();
  ASSERT_TRUE(users.load(text, "f").ok());
  EXPECT_EQ(users.text(), text);
  EXPECT_EQ(users.find("alice")->number(), number) << "its clients stay its clients";
  const Result<void> twice = users.load("user bob on\nuser bob off\n", "f");
  ASSERT_FALSE(twice.ok());
  EXPECT_EQ(twice.error().message, "f:2: Duplicate user 'bob' found");
  EXPECT_EQ(users.text(), text);
  ASSERT_TRUE(users.load("user bob on nopass\n", "f").ok());
  EXPECT_EQ(users.find("alice"), nullptr);
  EXPECT_EQ(users.find(number), nullptr);
}

TEST(Users, NeverUseANumberAgain) {
  Users users;
  ASSERT_TRUE(users.set("a", {}).ok());
  const std::uint32_t first = users.find("a")->number();
  ASSERT_TRUE(users.remove("a"));
  ASSERT_TRUE(users.set("a", {}).ok());
  EXPECT_NE(users.find("a")->number(), first);
  EXPECT_FALSE(users.remove("default"));
}

TEST(Users, AskForAPasswordOnlyWhenThereIsOne) {
  Users users;
  Caller caller;
  EXPECT_TRUE(caller.guarded) << "whoever is made elsewhere is asked";
  EXPECT_TRUE(users.admit(caller));
  EXPECT_FALSE(caller.guarded);
  users.require_password("secret");
  EXPECT_FALSE(users.admit(caller));
  EXPECT_TRUE(caller.guarded);
  EXPECT_EQ(users.authenticate("default", "wrong"), nullptr);
  EXPECT_EQ(users.authenticate("nobody", "secret"), nullptr);
  EXPECT_EQ(users.authenticate("default", "secret"), &users.default_user());
  users.mark(caller, true);
  EXPECT_FALSE(caller.guarded);
}

}  // namespace
}  // namespace ullage::server
