// SPDX-License-Identifier: Apache-2.0
#include "contract/contract.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "contract/durability.h"

namespace ullage::contract {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;

Contract parsed(std::string_view text) {
  Result<Contract> contract = Contract::parse(text, "ullage.toml");
  EXPECT_TRUE(contract.ok()) << contract.error().message;
  return contract.ok() ? contract.value() : Contract{};
}

std::string refusal(std::string_view text) {
  const Result<Contract> contract = Contract::parse(text, "ullage.toml");
  EXPECT_FALSE(contract.ok());
  return contract.ok() ? "" : contract.error().message;
}

TEST(Contract, AnEmptyFileIsTheDefaults) {
  const Contract contract = parsed("");
  EXPECT_EQ(contract.number("allocation.growth_stall"), 1'000'000u);
  EXPECT_EQ(contract.setting("allocation.growth_stall").origin, "default");
  EXPECT_EQ(contract.number("residency.process"), std::nullopt);
  EXPECT_EQ(contract.ratio("allocation.copy_ratio"), std::nullopt);
}

TEST(Contract, EveryValueKnowsItsLine) {
  const Contract contract = parsed(
      "# ours\n[allocation]\ngrowth_stall = \"200us\"\ncopy_ratio = 0.05\n\n[residency]\n"
      "process = \"512MiB\"\n");
  EXPECT_EQ(contract.number("allocation.growth_stall"), 200'000u);
  EXPECT_EQ(contract.setting("allocation.growth_stall").origin, "ullage.toml:3");
  EXPECT_EQ(contract.ratio("allocation.copy_ratio"), 0.05);
  EXPECT_EQ(contract.number("residency.process"), 512u << 20);
  EXPECT_EQ(contract.setting("residency.process").origin, "ullage.toml:7");
}

TEST(Contract, DottedKeysWholeNumbersAndBytesWithoutUnit) {
  EXPECT_EQ(parsed("residency.process = 4194304\n").number("residency.process"), 4194304u);
  EXPECT_EQ(parsed("[allocation]\ncopy_ratio = 1\n").ratio("allocation.copy_ratio"), 1.0);
}

TEST(Contract, AFlagWinsOverTheFileAndSaysSo) {
  Contract contract = parsed("[allocation]\ngrowth_stall = \"5ms\"\n");
  ASSERT_TRUE(contract.set("allocation.growth_stall", "2ms", "--allocation.growth_stall").ok());
  EXPECT_EQ(contract.number("allocation.growth_stall"), 2'000'000u);
  EXPECT_EQ(contract.setting("allocation.growth_stall").origin, "--allocation.growth_stall");
}

TEST(Contract, ATableOfPrefixesIsReadWithTheirDurability) {
  const Contract contract = parsed(
      "[persistence]\ndurability = \"no\"\n[persistence.prefixes]\n\"orders:\" = \"always\"\n"
      "\"a,b=%\" = \"off\"\n");
  const Prefixes prefixes = parse_prefixes(contract.text("persistence.prefixes")).value();
  ASSERT_EQ(prefixes.size(), 2u);
  EXPECT_EQ(prefixes[0], (std::pair{std::string("a,b=%"), Durability{Durability::Kind::kOff, 0}}));
  EXPECT_EQ(prefixes[1],
            (std::pair{std::string("orders:"), Durability{Durability::Kind::kAlways, 0}}));
  EXPECT_EQ(contract.text("persistence.durability"), "no");
  EXPECT_EQ(contract.setting("persistence.prefixes").origin, "ullage.toml:3");
}

TEST(Contract, AWrongDurabilityOfAPrefixIsToldWithItsLine) {
  EXPECT_THAT(
      refusal("[persistence.prefixes]\n\"orders:\" = \"always\"\n\"x:\" = \"soon\"\n"),
      AllOf(HasSubstr("ullage.toml:3: persistence.prefixes.\"x:\""), HasSubstr("\"soon\"")));
  EXPECT_THAT(refusal("[persistence]\ndurability = \"2h\"\n"), HasSubstr("ullage.toml:2: "));
}

TEST(Contract, PrefixesOfAFlagAreCheckedToo) {
  Contract contract;
  ASSERT_TRUE(contract.set("persistence.prefixes", "o:=always,c:=off,w:=20ms", "--x").ok());
  EXPECT_EQ(parse_prefixes(contract.text("persistence.prefixes")).value()[2].second,
            (Durability{Durability::Kind::kWindow, 20}));
  for (const char* wrong : {"orders:", "o=always,o=off", "a%=off", "a%4=off", "=maybe"}) {
    EXPECT_FALSE(contract.set("persistence.prefixes", wrong, "--x").ok()) << wrong;
  }
  EXPECT_TRUE(contract.set("persistence.prefixes", "", "--x").ok());
}

TEST(Contract, AMistakeInAFlagChangesNothing) {
  Contract contract;
  const Result<void> done = contract.set("allocation.growth_stall", "soon", "--x");
  ASSERT_FALSE(done.ok());
  EXPECT_THAT(done.error().message,
              AllOf(HasSubstr("--x: allocation.growth_stall"), HasSubstr("expected a duration")));
  EXPECT_EQ(contract.number("allocation.growth_stall"), 1'000'000u);
}

TEST(Contract, AnUnknownKeyNamesTheNearest) {
  EXPECT_THAT(refusal("[allocation]\ngrowth_stal = \"1ms\"\n"),
              AllOf(HasSubstr("ullage.toml:2: allocation.growth_stal is no key"),
                    HasSubstr("Did you mean allocation.growth_stall?")));
  EXPECT_THAT(refusal("[alocation]\ngrowth_stall = \"1ms\"\n"),
              AllOf(HasSubstr("ullage.toml:1: [alocation] is no section"),
                    HasSubstr("Did you mean allocation?")));
  EXPECT_THAT(refusal("[residency]\ncopy_ratio = 0.1\n"),
              HasSubstr("Did you mean allocation.copy_ratio?"));
  EXPECT_THAT(refusal("[allocation]\nxyzzyplugh = 1\n"),
              HasSubstr("All of them: ullage contract explain"));
}

TEST(Contract, TypesAndBoundsAreToldWithTheirLine) {
  EXPECT_THAT(refusal("[allocation]\n\ngrowth_stall = 5\n"),
              HasSubstr("ullage.toml:3: allocation.growth_stall: expected a duration"));
  EXPECT_THAT(
      refusal("[allocation]\ngrowth_stall = \"5 parsecs\"\n"),
      AllOf(HasSubstr("ullage.toml:2:"), HasSubstr("5 parsecs"), HasSubstr("expected a duration")));
  EXPECT_THAT(refusal("[allocation]\ngrowth_stall = \"1ns\"\n"),
              HasSubstr("the least that is allowed is 1us"));
  EXPECT_THAT(refusal("[residency]\nprocess = \"17TiB\"\n"),
              HasSubstr("the most that is allowed is 16TiB"));
  EXPECT_THAT(refusal("[allocation]\ncopy_ratio = -0.1\n"), HasSubstr("the least"));
  EXPECT_THAT(refusal("[allocation]\ncopy_ratio = nan\n"), HasSubstr("expected a number"));
  EXPECT_THAT(refusal("[residency]\nprocess = -1\n"), HasSubstr("expected a size"));
  EXPECT_THAT(refusal("allocation = 3\n"), HasSubstr("is a section: write [allocation]"));
  EXPECT_THAT(refusal("[allocation\n"), HasSubstr("ullage.toml:1: is not TOML"));
}

TEST(Contract, AllMistakesAreToldAtOnceButNotAThousand) {
  EXPECT_THAT(refusal("[allocation]\na1 = 1\nb2 = 2\n"),
              AllOf(HasSubstr("ullage.toml:2"), HasSubstr("ullage.toml:3")));
  std::string many = "[allocation]\n";
  for (int i = 0; i < 1000; ++i) many += "k" + std::to_string(i) + " = 1\n";
  EXPECT_THAT(refusal(many), HasSubstr("... and 980 more."));
}

TEST(Contract, ABudgetBeyondTheMachineIsImpossible) {
  const Contract contract = parsed("[residency]\nprocess = \"64GB\"\n");
  const Machine small{.memory_bytes = 64ull << 30, .limit_bytes = 8'000'000'000};
  const std::vector<std::string> problems = contract.impossible(small);
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_THAT(problems[0], AllOf(HasSubstr("ullage.toml:2: residency.process"),
                                 HasSubstr("the cgroup's limit (8 GB)"), HasSubstr("7.2 GB"),
                                 HasSubstr("memory.max")));
  EXPECT_THAT(contract.impossible({.memory_bytes = 72'000'000'000}), IsEmpty());
  EXPECT_THAT(contract.impossible({.memory_bytes = 64'000'000'000})[0],
              HasSubstr("the machine's memory"));
  EXPECT_THAT(contract.impossible({}), IsEmpty());  // unknown machine
  EXPECT_THAT(Contract{}.impossible(small), IsEmpty());
}

TEST(Contract, AFileThatIsNotThereOrTooLargeIsRefused) {
  EXPECT_THAT(Contract::read("/nonexistent/ullage.toml").error().message,
              HasSubstr("can't be read"));
  EXPECT_FALSE(Contract::read("/").ok());
  EXPECT_THAT(refusal(std::string(kContractBytesMax + 1, '#')), HasSubstr("larger than 1 MiB"));
}

TEST(Keys, EveryKeyIsExplainedAndItsExampleIsAContract) {
  ASSERT_FALSE(keys().empty());
  for (const Key& key : keys()) {
    const std::string page = explain(key, 80);
    EXPECT_THAT(page, AllOf(HasSubstr(key.path), HasSubstr("default"), HasSubstr("allowed")));
    const std::size_t example = page.rfind("\n  [");
    ASSERT_NE(example, std::string::npos);
    EXPECT_TRUE(Contract::parse(page.substr(example), "x").ok()) << page;
    EXPECT_GT(std::string_view(key.explanation).size(), 100u) << key.path;
  }
}

TEST(Keys, TheTableShowsValueAndOrigin) {
  const std::string text = table(parsed("[allocation]\ngrowth_stall = \"3ms\"\n"), 100);
  EXPECT_THAT(text, HasSubstr("allocation.growth_stall"));
  EXPECT_THAT(text, HasSubstr("3ms"));
  EXPECT_THAT(text, HasSubstr("ullage.toml:2"));
  EXPECT_THAT(text, HasSubstr("unset"));
}

TEST(Contract, ReadsCountsAndTextsAndRefusesTheOtherKind) {
  const auto contract = Contract::parse("[server]\nthreads = 4\nbind = \"::1\"\n", "c.toml");
  ASSERT_TRUE(contract.ok()) << contract.error().message;
  EXPECT_EQ(contract->number("server.threads"), 4u);
  EXPECT_EQ(contract->text("server.bind"), "::1");
  for (const char* wrong : {"threads = \"4\"", "threads = 4.5", "threads = -1", "threads = 65",
                            "bind = 7", "resp_port = 70000"}) {
    const auto refused = Contract::parse("[server]\n" + std::string(wrong) + "\n", "c.toml");
    ASSERT_FALSE(refused.ok()) << wrong;
    EXPECT_NE(refused.error().message.find("c.toml:2: server."), std::string::npos) << wrong;
  }
}

TEST(Contract, APortThatIsOffIsAsIfItWereNotThereAndSaysWhoSaidSo) {
  const Contract contract = parsed("[server]\nresp_port = \"off\"\nhttp_port = 0\n");
  EXPECT_EQ(contract.number("server.resp_port"), std::nullopt);
  EXPECT_EQ(contract.number("server.http_port"), 0u);
  EXPECT_EQ(contract.setting("server.resp_port").origin, "ullage.toml:2");
  EXPECT_THAT(table(contract, 100), HasSubstr("server.resp_port               off"));
  EXPECT_EQ(Contract{}.number("server.resp_port"), 6379u);
  for (const char* wrong : {"\"on\"", "\"6379\"", "\"\"", "-1", "65536", "true"}) {
    EXPECT_THAT(refusal("[server]\nhttp_port = " + std::string(wrong) + "\n"),
                AllOf(HasSubstr("ullage.toml:2: server.http_port"),
                      HasSubstr("See: ullage contract explain server.http_port")))
        << wrong;
  }
  // A flag takes back what the file says.
  Contract later = parsed("[server]\nhttp_port = 9180\n");
  ASSERT_TRUE(later.set("server.http_port", "off", "--server.http_port").ok());
  EXPECT_FALSE(later.setting("server.http_port").set);
}

TEST(Contract, AHotTierLargerThanItsProcessIsImpossible) {
  const auto contract =
      Contract::parse("[residency]\nprocess = \"1MiB\"\nhot = \"2MiB\"\n", "c.toml");
  ASSERT_TRUE(contract.ok());
  const auto problems = contract->impossible(Machine{.memory_bytes = 1u << 30});
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_EQ(problems[0].find("c.toml:3: residency.hot"), 0u) << problems[0];
}

TEST(Contract, TiersThatDoNotFitTogetherAreImpossible) {
  const Machine machine{.memory_bytes = 23'500ull << 20};
  const std::string both = "[residency]\nhot = \"15GiB\"\ncold = \"15GiB\"\n";
  EXPECT_THAT(parsed(both).impossible(machine), IsEmpty());  // there is no cold tier
  const std::string tiered = both + "[persistence]\ndirectory = \"/data\"\n";
  const auto problems = parsed(tiered).impossible(machine);
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_THAT(problems[0], AllOf(HasSubstr("ullage.toml:3: residency.cold = \"15GiB\""),
                                 HasSubstr("residency.hot = \"15GiB\" (ullage.toml:2)"),
                                 HasSubstr("nine tenths of the machine's memory")));
  EXPECT_THAT(parsed(tiered).impossible({.memory_bytes = 40ull << 30}), IsEmpty());
  const std::string process =
      "[residency]\nhot = \"1GiB\"\ncold = \"64MiB\"\nprocess = \"1GiB\"\n"
      "[persistence]\ndirectory = \"/data\"\n";
  const auto beyond = parsed(process).impossible(machine);
  ASSERT_EQ(beyond.size(), 1u);
  EXPECT_THAT(beyond[0], HasSubstr("the whole process may take (residency.process = \"1GiB\""));
  // Half of the machine is what an unset hot tier takes.
  const std::string half = "[residency]\ncold = \"10GiB\"\n[persistence]\ndirectory = \"/data\"\n";
  ASSERT_EQ(parsed(half).impossible(machine).size(), 1u);
}

TEST(Contract, EveryThreadNeedsALittleOfTheHotTier) {
  const std::string text = "[residency]\nhot = \"1MiB\"\n[server]\nthreads = ";
  EXPECT_THAT(parsed(text + "4\n").impossible({}), IsEmpty());
  const auto problems = parsed(text + "8\n").impossible({});
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_THAT(
      problems[0],
      AllOf(HasSubstr("ullage.toml:2: residency.hot = \"1MiB\" is too little for 8 threads"),
            HasSubstr("at least 2048KiB")));
}

TEST(Contract, DoesNotShowAPassword) {
  Contract contract;
  ASSERT_TRUE(contract.set("server.requirepass", "opensesame", "--server.requirepass").ok());
  EXPECT_EQ(table(contract, 120).find("opensesame"), std::string::npos);
  EXPECT_EQ(contract.text("server.requirepass"), "opensesame");
}

}  // namespace
}  // namespace ullage::contract
