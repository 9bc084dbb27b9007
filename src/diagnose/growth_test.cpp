// SPDX-License-Identifier: Apache-2.0
#include "diagnose/growth.h"

#include <gtest/gtest.h>

namespace ullage::diagnose {
namespace {

using evidence::GrowthSite;
using evidence::Verdict;

TEST(RoundUp, NeverGoesBelowAndAddsAtMostFivePercent) {
  EXPECT_EQ(round_up(0), 0u);
  EXPECT_EQ(round_up(81), 81u);
  EXPECT_EQ(round_up(101), 101u);
  EXPECT_EQ(round_up(8192), 8200u);
  EXPECT_EQ(round_up(8'360'000), 8'400'000u);
  EXPECT_EQ(round_up(1'010'001), 1'020'000u);
  for (std::uint64_t n = 1; n < 1'000'000'000'000; n = n * 17 / 11 + 1) {
    EXPECT_GE(round_up(n), n);
    EXPECT_LE(static_cast<double>(round_up(n)), 1.05 * static_cast<double>(n)) << n;
  }
  EXPECT_EQ(round_up(UINT64_MAX), UINT64_MAX);
}

TEST(MayStand, NeedsAStrongVerdictOrANameThatGrowsContainers) {
  GrowthSite site;
  site.links = 3;
  for (const Verdict verdict :
       {Verdict::kRealloc, Verdict::kContent, Verdict::kStructure, Verdict::kSeries}) {
    site.verdict = verdict;
    EXPECT_TRUE(may_stand(site)) << evidence::to_string(verdict);
  }
  for (const Verdict verdict : {Verdict::kMixed, Verdict::kReplace, Verdict::kWeak}) {
    site.verdict = verdict;
    EXPECT_FALSE(may_stand(site)) << evidence::to_string(verdict);
  }
  site.named_growth = true;
  EXPECT_FALSE(may_stand(site));
  site.verdict = Verdict::kMixed;
  EXPECT_TRUE(may_stand(site));
}

TEST(Stall, LeavesOutWhatCopyingCannotTake) {
  GrowthSite site;
  site.verdict = Verdict::kContent;
  site.stall_ns_total = 6'000'000;
  site.stall_ns_max = 4'000'000;
  site.credible_stall_ns_total = 2'100'000;
  site.credible_stall_ns_max = 1'000'000;
  EXPECT_EQ(stall_ns_max(site), 1'000'000u);
  EXPECT_EQ(stall_ns_total(site), 2'100'000u);
  EXPECT_NE(what_it_cost(site).find("2.1 ms in all, 1 ms at worst"), std::string::npos);
  EXPECT_NE(what_it_cost(site).find("(3.9 ms more went by in growths that took longer than copying "
                                    "can, one of them 4 ms: threads were waiting"),
            std::string::npos)
      << what_it_cost(site);
  site.credible_stall_ns_total = site.stall_ns_total;
  site.credible_stall_ns_max = site.stall_ns_max;
  EXPECT_EQ(what_it_cost(site).find("longer than"), std::string::npos);
  site.verdict = Verdict::kSeries;  // nobody waited for an incremental rehash
  EXPECT_EQ(stall_ns_total(site), 0u);
}

TEST(Unit, CountsElementsOfATableByItsLoadFactorAndControlBytes) {
  GrowthSite site;
  site.container_kind = "hash table";
  site.growth.function = "std::_Hashtable<int, int>::_M_rehash";
  site.element_bytes = 8;
  site.element_source = "dwarf";
  EXPECT_EQ(unit_of(site).of(8 * 1000), 1000u);
  site.growth.function = "absl::container_internal::raw_hash_set<...>::resize";
  EXPECT_EQ(unit_of(site).of(9 * 1000), 875u);
  // With control bytes between the slots, a common divisor of the sizes is nobody's element.
  site.element_source = "gcd";
  EXPECT_FALSE(unit_of(site).elements);
}

TEST(Subject, NamesTheGrowthThatStrippedCodeTellsOf) {
  GrowthSite site;
  site.verdict = Verdict::kStructure;
  site.links = 3;
  site.container_kind = "vector";
  site.growth_in_code = "std::vector::_M_realloc_insert";
  EXPECT_EQ(subject(site), "vector in std::vector::_M_realloc_insert");
  EXPECT_NE(how_we_know(site).find("the machine code there holds or calls std::vector::_M_realloc"),
            std::string::npos);
  // A name found in code makes no weak evidence stand.
  site.verdict = Verdict::kMixed;
  EXPECT_FALSE(may_stand(site));
}

TEST(Unit, DoesNotGuessTheElementsOfATableFromSizesThatDouble) {
  GrowthSite site;
  site.container_kind = "hash table";
  site.growth_in_code = "llvm::DenseMap::grow";
  site.element_bytes = 1024;
  site.element_source = "gcd";
  EXPECT_FALSE(unit_of(site).elements);
  site.element_bytes = 16;
  site.element_source = "dwarf";
  EXPECT_EQ(unit_of(site).of(16 * 1024), 768u);
}

TEST(Unit, TakesAStringOfUnknownCharactersForBytes) {
  GrowthSite site;
  site.container_kind = "string";
  site.element_bytes = 8;
  site.element_source = "gcd";
  EXPECT_EQ(unit_of(site).text(4096), "4 096 bytes");
}

TEST(AdviseSize, OffersElementsInTheObjectOnlyWhereTheyAreFew) {
  GrowthSite site;
  site.container = "llvm::SmallVector<Token>";
  site.container_kind = "vector";
  site.reserve_hint = "SmallVector<T, {N}>, or v.reserve({N})";
  site.element_bytes = 16;
  site.element_source = "dwarf";
  EXPECT_EQ(advise_size(site, 1024, 0, "").call, "SmallVector<T, 64>, or v.reserve(64)");
  EXPECT_EQ(advise_size(site, 1040, 0, "").call, "v.reserve(65)");
  site.container_kind = "hash table";
  site.reserve_hint = "SmallPtrSet<T, {N}>";
  EXPECT_EQ(advise_size(site, 1024, 0, "").call, "SmallPtrSet<T, 64>");
  EXPECT_EQ(advise_size(site, 1040, 0, "").call, "reserve(65)");
}

TEST(AdviseSize, SpeaksRustToRust) {
  GrowthSite site;
  site.container = "Vec<u64>";
  site.container_kind = "vector";
  site.growth.function = "alloc::raw_vec::RawVecInner<A>::finish_grow";
  site.reserve_hint = "Vec::with_capacity({N})";
  site.element_bytes = 8;
  site.element_source = "dwarf";
  EXPECT_EQ(advise_size(site, 8 * 132'000, 0, "").call, "Vec::with_capacity(132_000)");
  EXPECT_EQ(chunked_instead(site), "a Vec of fixed-size blocks");
  // A C++ vector is one, whoever called it.
  site.container = "std::vector<long>";
  site.growth.function = "std::vector<long>::_M_realloc_insert<long>";
  site.user.file = "main.rs";
  site.reserve_hint = "v.reserve({N})";
  EXPECT_EQ(advise_size(site, 8 * 132'000, 0, "").call, "v.reserve(132'000)");
  EXPECT_EQ(chunked_instead(site), "std::deque");
}

TEST(Brief, DropsTheTemplateArgumentsOfLongNamesOnly) {
  EXPECT_EQ(brief("std::vector<int>::push_back"), "std::vector<int>::push_back");
  const std::string args = "<" + std::string(60, 'x') + "<y>, z>";
  EXPECT_EQ(brief("std::vector" + args + "::grow" + args), "std::vector<...>::grow<...>");
  EXPECT_EQ(brief("a" + args + "::operator< " + args), "a<...>::operator< <...>");
  EXPECT_EQ(brief("fill" + args + "::<lambda(int)>"), "fill<...>::<lambda(int)>");
  EXPECT_EQ(brief("fill<" + std::string(60, 'x') + "::<lambda(int)>>"), "fill<...>");
  EXPECT_EQ(brief("unbalanced" + std::string(60, 'x') + "<"),
            "unbalanced" + std::string(60, 'x') + "<");
}

}  // namespace
}  // namespace ullage::diagnose
