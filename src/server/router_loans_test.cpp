// SPDX-License-Identifier: Apache-2.0
//
// Commands that ask for memory while they run, on a server that has none to spare: what makes room
// for a reply, a document or a value is never what the command is about.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <optional>

#include "server/router_testing.h"

namespace ullage::server {
namespace {

using testing::StartsWith;
using Words = std::vector<std::string>;

// What is read from below is granted on its way, in memory and in the reply: thrice, if it is one
// of several.
constexpr std::uint64_t kHotBytes = 24 << 20;
constexpr std::uint64_t kProcessBytes = std::uint64_t{1} << 40;

std::string text(std::size_t bytes, char with) { return std::string(bytes, with); }

std::string quoted(std::size_t bytes, char with = 'x') { return '"' + text(bytes, with) + '"'; }

// A reply, or the beginning of a long one, as a failed test shows it.
std::string brief(const std::string& reply) {
  return reply.size() <= 120 ? reply : reply.substr(0, 100) + "... " + std::to_string(reply.size());
}

struct Case {
  const char* name;
  std::vector<Words> before;  // what there is, cold
  Words words;
  std::string reply;
  // What the cold tier has behind it, of texts; nothing: not there.
  std::map<std::string, std::optional<std::string>> after;
  // Of documents: what is replied to these.
  std::vector<std::pair<Words, std::string>> then;
};

std::string document(std::size_t bytes = 2000) {
  return R"({"old":)" + quoted(bytes, 'o') + R"(,"n":1,"list":[1]})";
}

std::vector<Case> reply_cases() {
  const std::string large = text(5 << 20, 'a');
  std::vector<Case> cases = {
      {"GET", {{"SET", "k", large}}, {"GET", "k"}, "$" + large, {{"k", large}}, {}},
      {"GETRANGE",
       {{"SET", "k", large}},
       {"GETRANGE", "k", "0", "9"},
       "$aaaaaaaaaa",
       {{"k", large}},
       {}},
      {"GETEX", {{"SET", "k", large}}, {"GETEX", "k", "PERSIST"}, "$" + large, {{"k", large}}, {}},
      {"GETDEL", {{"SET", "k", large}}, {"GETDEL", "k"}, "$" + large, {{"k", std::nullopt}}, {}},
      {"GETSET", {{"SET", "k", large}}, {"GETSET", "k", "v"}, "$" + large, {{"k", "v"}}, {}},
      {"SET GET", {{"SET", "k", large}}, {"SET", "k", "v", "GET"}, "$" + large, {{"k", "v"}}, {}},
  };
  Case mget{"MGET of large values", {}, {"MGET"}, "*[", {}, {}};
  for (int i = 0; i < 12; ++i) {
    const std::string key = "k" + std::to_string(i % 10);  // two of them twice
    const std::string value = text(600 << 10, static_cast<char>('a' + i % 10));
    if (i < 10) mget.before.push_back({"SET", key, value});
    mget.words.push_back(key);
    mget.reply += "$" + value + ",";
    mget.after[key] = value;
  }
  mget.words.push_back("none");
  mget.reply += "$-1]";
  cases.push_back(mget);
  Case many{"MGET of a thousand", {}, {"MGET"}, "*[", {}, {}};
  for (int i = 0; i < 1000; ++i) {
    const std::string key = "k" + std::to_string(i);
    const std::string value = key + text(7000, 'v');
    many.before.push_back({"SET", key, value});
    many.words.push_back(key);
    many.reply += (i == 0 ? "$" : ",$") + value;
    many.after[key] = value;
  }
  many.reply += "]";
  cases.push_back(many);
  return cases;
}

std::vector<Case> text_cases() {
  const std::string megabytes = text(3 << 20, 'a'), more = text(1 << 20, 'b');
  const std::string long_name = text(700, 'n'), cell = text(16'000, 'c');
  const auto with = [](std::string value, std::size_t at, const std::string& what) {
    if (value.size() < at + what.size()) value.resize(at + what.size());
    return value.replace(at, what.size(), what);
  };
  std::string ored = text(600 << 10, '\x41');
  return {
      {"SET NX", {{"SET", "k", "old"}}, {"SET", "k", megabytes, "NX"}, "$-1", {{"k", "old"}}, {}},
      {"SET XX",
       {{"SET", "k", "old"}},
       {"SET", "k", megabytes, "XX"},
       "+OK",
       {{"k", megabytes}},
       {}},
      {"SET XX over a large one",
       {{"SET", "k", text(7 << 20, 'o')}},
       {"SET", "k", text(7 << 20, 'n'), "XX"},
       "+OK",
       {{"k", text(7 << 20, 'n')}},
       {}},
      {"SETNX", {{"SET", "k", "old"}}, {"SETNX", "k", megabytes}, ":0", {{"k", "old"}}, {}},
      {"MSETNX",
       {{"SET", "d", "old"}},
       {"MSETNX", "a", more, "b", more, "c", more, "d", more},
       ":0",
       {{"a", std::nullopt}, {"d", "old"}},
       {}},
      {"APPEND",
       {{"SET", "k", cell}},
       {"APPEND", "k", megabytes},
       ":" + std::to_string(cell.size() + megabytes.size()),
       {{"k", cell + megabytes}},
       {}},
      {"APPEND to a large one",
       {{"SET", "k", megabytes}},
       {"APPEND", "k", more},
       ":" + std::to_string(4 << 20),
       {{"k", megabytes + more}},
       {}},
      {"SETRANGE",
       {{"SET", "k", "old"}},
       {"SETRANGE", "k", "1000000", "end"},
       ":1000003",
       {{"k", with("old", 1'000'000, "end")}},
       {}},
      {"SETBIT",
       {{"SET", "k", "old"}},
       {"SETBIT", "k", "16000007", "1"},
       ":0",
       {{"k", with("old", 2'000'000, "\x01")}},
       {}},
      {"BITFIELD",
       {{"SET", "k", "old"}},
       {"BITFIELD", "k", "SET", "u8", "#2000000", "1", "GET", "u8", "0"},
       "*[:0,:111]",
       {{"k", with("old", 2'000'000, "\x01")}},
       {}},
      {"BITOP",
       {{"SET", "a", text(600 << 10, '\x40')}, {"SET", "b", text(600 << 10, '\x01')}},
       {"BITOP", "OR", "to", "a", "b"},
       ":" + std::to_string(600 << 10),
       {{"to", ored}, {"a", text(600 << 10, '\x40')}},
       {}},
      {"COPY", {{"SET", "k", more}}, {"COPY", "k", "to"}, ":1", {{"k", more}, {"to", more}}, {}},
      {"COPY onto another",
       {{"SET", "k", more}, {"SET", "to", cell}},
       {"COPY", "k", "to"},
       ":0",
       {{"k", more}, {"to", cell}},
       {}},
      {"RENAME",
       {{"SET", "k", megabytes}},
       {"RENAME", "k", "to"},
       "+OK",
       {{"k", std::nullopt}, {"to", megabytes}},
       {}},
      {"RENAME to a long name",
       {{"SET", "k", cell}},
       {"RENAME", "k", long_name},
       "+OK",
       {{"k", std::nullopt}, {long_name, cell}},
       {}},
      {"RENAMENX",
       {{"SET", "k", cell}, {"SET", "to", "old"}},
       {"RENAMENX", "k", "to"},
       ":0",
       {{"k", cell}, {"to", "old"}},
       {}},
      {"MOVE", {{"SET", "k", cell}}, {"MOVE", "k", "3"}, ":1", {{"k", std::nullopt}}, {}},
      {"INCR", {{"SET", "k", "41"}}, {"INCR", "k"}, ":42", {{"k", "42"}}, {}},
  };
}

std::vector<Case> document_cases() {
  const std::string patch = R"({"big":)" + quoted(200 << 10) + "}";
  const Words n{"JSON.GET", "d", "$.n"};
  const Words size{"JSON.STRLEN", "d", "$.big"};
  const std::string large = std::to_string(200 << 10);
  const Words made{"JSON.SET", "d", "$", document()};
  return {
      {"JSON.MERGE",
       {made},
       {"JSON.MERGE", "d", "$", patch},
       "+OK",
       {},
       {{n, "$[1]"}, {size, "*[:" + large + "]"}}},
      {"JSON.MERGE into a large one",
       {{"JSON.SET", "d", "$", document(500 << 10)}},
       {"JSON.MERGE", "d", "$", R"({"m":2})"},
       "+OK",
       {},
       {{n, "$[1]"}, {{"JSON.GET", "d", "$.m"}, "$[2]"}}},
      {"JSON.SET NX", {made}, {"JSON.SET", "d", "$", patch, "NX"}, "$-1", {}, {{n, "$[1]"}}},
      {"JSON.SET of a path",
       {made},
       {"JSON.SET", "d", "$.big", quoted(200 << 10)},
       "+OK",
       {},
       {{n, "$[1]"}, {size, "*[:" + large + "]"}}},
      {"JSON.MSET",
       {made, {"JSON.SET", "e", "$", document()}},
       {"JSON.MSET", "d", "$.big", quoted(200 << 10), "e", "$.big", quoted(200 << 10)},
       "+OK",
       {},
       {{n, "$[1]"}, {{"JSON.GET", "e", "$.n"}, "$[1]"}, {size, "*[:" + large + "]"}}},
      {"JSON.STRAPPEND",
       {made},
       {"JSON.STRAPPEND", "d", "$.old", quoted(200 << 10)},
       "*[:" + std::to_string(2000 + (200 << 10)) + "]",
       {},
       {{n, "$[1]"}}},
      {"JSON.ARRAPPEND",
       {made},
       {"JSON.ARRAPPEND", "d", "$.list", quoted(200 << 10)},
       "*[:2]",
       {},
       {{n, "$[1]"}, {{"JSON.ARRLEN", "d", "$.list"}, "*[:2]"}}},
      {"JSON.ARRINSERT",
       {made},
       {"JSON.ARRINSERT", "d", "$.list", "0", quoted(200 << 10)},
       "*[:2]",
       {},
       {{n, "$[1]"}, {{"JSON.GET", "d", "$.list[1]"}, "$[1]"}}},
      {"JSON.ARRINDEX",
       {made},
       {"JSON.ARRINDEX", "d", "$.list", quoted(200 << 10)},
       "*[:-1]",
       {},
       {{n, "$[1]"}}},
      {"JSON.NUMINCRBY", {made}, {"JSON.NUMINCRBY", "d", "$.n", "1"}, "$[2]", {}, {{n, "$[2]"}}},
  };
}

class RouterLoans : public testing::TestWithParam<unsigned> {
 protected:
  RouterLoans()
      : site(GetParam(), lasting_no(), kHotBytes, kProcessBytes),
        client(std::make_unique<TestClient>(site)) {}
  static Persistence lasting_no() {
    Persistence how;
    how.durability = contract::parse_durability("no").value();
    how.read_wait_ms = 1000;
    return how;
  }
  std::string ask(const Words& words) {
    try {
      client->send(words);
      return client->read();
    } catch (const std::exception& problem) {
      // The command itself found no room and its client was cut.
      client = std::make_unique<TestClient>(site);
      return "-OOM, " + std::string(problem.what());
    }
  }
  // All that may be granted is, and none of it is what a case is about.
  void fill_memory() {
    const std::string value = text(4000, 'f');
    constexpr int kFillers = 6500;
    for (int i = 0; i < kFillers; ++i) {
      client->append("SET filler:" + std::to_string(i) + " " + value);
      if (i % 100 < 99) continue;
      client->flush();
      for (int n = 0; n < 100; ++n) ASSERT_EQ(client->read(), "+OK");
    }
  }
  // Several threads have a third of memory each: there, no is an answer, too; but nothing else is.
  bool may_be_denied() const { return GetParam() > 1; }

  std::optional<std::string> below(const std::string& key) {
    const auto found = site.cold().find(0, key);
    return found ? std::optional(found->value) : std::nullopt;
  }

  void run(const Case& each) {
    SCOPED_TRACE(each.name);
    ASSERT_EQ(ask({"FLUSHALL"}), "+OK");
    // Memory of what was flushed comes back in steps.
    site.until([&] { return site.server().budget().granted_bytes() < kHotBytes / 4; });
    for (const Words& words : each.before) ASSERT_EQ(ask(words), "+OK");
    site.evict_all();
    std::map<std::string, std::optional<std::string>> was;
    for (const auto& [key, value] : each.after) was[key] = below(key);
    fill_memory();
    const std::string reply = ask(each.words);
    const bool denied =
        may_be_denied() && (reply.starts_with("-OOM") || reply.starts_with("-TRYAGAIN"));
    if (!denied) {
      EXPECT_TRUE(reply == each.reply) << brief(reply) << ", not " << brief(each.reply);
    }
    site.evict_all();
    for (const auto& [key, value] : each.after) {
      const auto& wanted = denied ? was[key] : value;
      const auto now = below(key);
      EXPECT_TRUE(now == wanted) << brief(key) << ": " << brief(now.value_or("(nothing)"));
    }
    if (denied) return;
    for (const auto& [words, wanted] : each.then) EXPECT_EQ(brief(ask(words)), wanted) << words[0];
  }

  TieredServer site;
  std::unique_ptr<TestClient> client;
};
INSTANTIATE_TEST_SUITE_P(Threads, RouterLoans, testing::Values(1, 3));

TEST_P(RouterLoans, NoReplyDrivesOutWhatItIsAbout) {
  for (const Case& each : reply_cases()) run(each);
}

TEST_P(RouterLoans, NoTextIsLostToWhatIsWritten) {
  for (const Case& each : text_cases()) run(each);
}

TEST_P(RouterLoans, NoDocumentIsLostToWhatIsWritten) {
  for (const Case& each : document_cases()) run(each);
}

}  // namespace
}  // namespace ullage::server
