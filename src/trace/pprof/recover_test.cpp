// SPDX-License-Identifier: Apache-2.0
#include "trace/pprof/recover.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "trace/go_binary/go_binary_testing.h"
#include "trace/pprof/pprof_testing.h"
#include "trace/pprof/reader.h"

namespace ullage::trace {
namespace {

using evidence::CallKind;
using evidence::CallProof;
using evidence::Incident;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

ReadOptions with(const GoElf& elf) {
  ReadOptions options;
  options.go_binaries.push_back(GoBinary::open(Input::from_bytes("app", elf.build())).value());
  return options;
}

Incident heap(const ReadOptions& options, std::uint64_t address, const std::string& function,
              const std::string& build_id, std::uint64_t mapped_at = 0x400000) {
  ProfileBuilder b({{"inuse_objects", "count"}, {"inuse_space", "bytes"}});
  b.mapping(mapped_at, 0, "/srv/app", build_id);
  b.sample({b.location(address, function)}, {1, 64}, 64);
  return read_pprof(Input::from_bytes("heap", b.build()), options).value().incident;
}

constexpr std::uint64_t kAppendAt = 0x401034, kMakeAt = 0x401014;  // return address less one

TEST(RecoverCalls, ReadsTheCallInTheBinaryOfTheSameBuild) {
  const Incident i = heap(with({}), kAppendAt, "main.f", "abcdef");
  ASSERT_EQ(i.heap_sites.size(), 1u);
  EXPECT_EQ(i.heap_sites[0].call, CallKind::kAppend);
  EXPECT_EQ(i.heap_sites[0].proof, CallProof::kCallSite);
  EXPECT_EQ(i.heap_sites[0].element_bytes, 24u);
  ASSERT_EQ(i.heap_sites[0].hidden.size(), 1u);
  EXPECT_EQ(i.heap_sites[0].hidden[0].function, "runtime.growslice");
  EXPECT_EQ(heap(with({}), kMakeAt, "main.f", "abcdef").heap_sites[0].call, CallKind::kMake);
}

TEST(RecoverCalls, LeavesABinaryOfAnotherBuildAloneAndSaysSo) {
  const Incident i = heap(with({}), kAppendAt, "main.f", "0123");
  EXPECT_EQ(i.heap_sites[0].call, CallKind::kUnknown);
  EXPECT_THAT(i.artefacts[0].notes, ElementsAre(HasSubstr("build id (0123)")));
}

TEST(RecoverCalls, ComparesNamesWhereAProfileHasNoBuildId) {
  EXPECT_EQ(heap(with({}), kAppendAt, "main.f", "").heap_sites[0].call, CallKind::kAppend);
  const Incident other = heap(with({}), kAppendAt, "main.other", "");
  EXPECT_EQ(other.heap_sites[0].call, CallKind::kUnknown);
  EXPECT_THAT(other.artefacts[0].notes, ElementsAre(HasSubstr("names its functions")));
}

TEST(RecoverCalls, FollowsAProgramToWhereItWasLoaded) {
  GoElf elf;
  elf.independent = true;
  elf.base = 0;
  const std::uint64_t loaded = 0x5581'2340'0000;
  const Incident i = heap(with(elf), loaded + 0x1034, "main.f", "abcdef", loaded);
  EXPECT_EQ(i.heap_sites[0].stack[0].offset, 0x1034u);
  EXPECT_EQ(i.heap_sites[0].call, CallKind::kAppend);
}

std::string text_heap(const std::string& address) {
  return "heap profile: 1: 64 [1: 64] @ heap/2\n1: 64 [1: 64] @ 0x401061 0x401045 " + address +
         "35\n#\t" + address + "34\tmain.f+0x34\tapp/main.go:12\n";
}

TEST(RecoverCalls, NamesTheHiddenProgramCountersOfText) {
  const auto e = read_go_text_profile(Input::from_text("heap", text_heap("0x4010")), with({}));
  const evidence::HeapSite& site = e.value().incident.heap_sites[0];
  EXPECT_EQ(site.call, CallKind::kAppend);
  EXPECT_EQ(site.proof, CallProof::kProgramCounter);
  EXPECT_EQ(site.element_bytes, 24u);
  ASSERT_EQ(site.hidden.size(), 2u);
  EXPECT_EQ(site.hidden[1].function, "runtime.growslice");
}

TEST(RecoverCalls, LearnsFromTextHowFarAProgramWasMoved) {
  GoElf elf;
  elf.independent = true;
  elf.base = 0;
  const auto e =
      read_go_text_profile(Input::from_text("heap", text_heap("0x5581234010")), with(elf));
  EXPECT_EQ(e.value().incident.heap_sites[0].call, CallKind::kAppend);
  EXPECT_EQ(e.value().incident.heap_sites[0].proof, CallProof::kCallSite);
}

// Merged by hand: a text heap profile, and a CPU profile of the same build.
Incident with_cpu(const std::string& user_function) {
  Incident i =
      read_go_text_profile(Input::from_text("h", text_heap("0x4010")), {}).value().incident;
  ProfileBuilder b({{"samples", "count"}, {"cpu", "nanoseconds"}});
  b.sample({b.location(0x401041, "runtime.growslice"), b.location(0x401034, user_function)},
           {1, 1});
  b.sample({b.location(0x40104e, "runtime.growslice"), b.location(0x401034, user_function)},
           {1, 1});
  Incident cpu = read_pprof(Input::from_bytes("cpu", b.build()), {}).value().incident;
  i.artefacts.push_back(cpu.artefacts[0]);
  for (evidence::CpuSite& site : cpu.cpu_sites) site.artefact = 1;
  i.cpu_sites = cpu.cpu_sites;
  return i;
}

TEST(RecoverCalls, NamesHiddenCountersByACpuProfileOfTheSameBuild) {
  Incident i = with_cpu("main.f");
  EXPECT_EQ(i.heap_sites[0].call, CallKind::kUnknown);
  recover_calls(i, {});
  EXPECT_EQ(i.heap_sites[0].call, CallKind::kAppend);
  EXPECT_EQ(i.heap_sites[0].proof, CallProof::kProgramCounter);
  EXPECT_EQ(i.heap_sites[0].hidden[1].function, "runtime.growslice");
}

TEST(RecoverCalls, DoesNotBelieveACpuProfileThatNamesAnAddressOtherwise) {
  Incident i = with_cpu("main.other");
  recover_calls(i, {});
  EXPECT_EQ(i.heap_sites[0].call, CallKind::kUnknown);
}

TEST(RecoverCalls, MayBeAskedAgain) {
  ReadOptions options = with({});
  Incident i = heap(options, kAppendAt, "main.f", "0123");
  recover_calls(i, options.go_binaries);
  EXPECT_EQ(i.artefacts[0].notes.size(), 1u);
  Incident known = heap(options, kAppendAt, "main.f", "abcdef");
  recover_calls(known, options.go_binaries);
  EXPECT_EQ(known.heap_sites[0].hidden.size(), 1u);
  EXPECT_THAT(known.artefacts[0].notes, IsEmpty());
}

TEST(RecoverCalls, NamesWhatGoroutinesOfTextWaitIn) {
  const auto e =
      read_go_text_profile(Input::from_text("g",
                                            "goroutine profile: total 2\n2 @ 0x401045 0x401035\n"
                                            "#\t0x401034\tmain.f+0x34\tapp/main.go:12\n"),
                           with({}));
  const evidence::GoroutineGroup& g = e.value().incident.goroutines[0];
  ASSERT_EQ(g.stack.size(), 2u);
  EXPECT_EQ(g.stack[0].function, "runtime.growslice");
  EXPECT_EQ(g.state, "running");
}

}  // namespace
}  // namespace ullage::trace
