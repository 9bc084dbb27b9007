// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "trace/pprof/pprof_testing.h"
#include "trace/pprof/profile.h"
#include "trace/pprof/reader.h"

namespace ullage::trace {
namespace {

using evidence::CallKind;
using evidence::CallProof;
using evidence::Incident;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

Incident read(const ProfileBuilder::Bytes& bytes) {
  const Input input = Input::from_bytes("a.pb", bytes);
  EXPECT_TRUE(sniff_pprof(input.bytes().first(std::min<std::size_t>(bytes.size(), kSniffBytes))));
  const auto e = read_pprof(input, {});
  EXPECT_TRUE(e.ok()) << e.error().message;
  return e.ok() ? e->incident : Incident{};
}

ProfileBuilder heap() {
  return ProfileBuilder({{"alloc_objects", "count"},
                         {"alloc_space", "bytes"},
                         {"inuse_objects", "count"},
                         {"inuse_space", "bytes"}});
}

TEST(Pprof, MakesOneHeapSiteOfAllSizesAtOneStack) {
  ProfileBuilder b = heap();
  b.mapping(0x400000, 0, "/srv/app", "c0ffee");
  const auto grow = b.location(0x401010, "main.fill"), main = b.location(0x402010, "main.main");
  const auto other = b.location(0x401020, "main.other");
  b.sample({grow, main}, {5, 5 * 4096, 0, 0}, 4096);
  b.sample({other, main}, {1, 64, 1, 64}, 64);
  b.sample({grow, main}, {5, 5 * 2048, 0, 0}, 2048);
  b.sample({grow, main}, {4, 4 * 4096, 1, 4096}, 4096);
  b.time(1'700'000'000'000'000'000);
  const Incident i = read(b.build());
  ASSERT_EQ(i.heap_sites.size(), 2u);
  const evidence::HeapSite& site = i.heap_sites[0];
  EXPECT_EQ(site.alloc_objects, 14u);
  EXPECT_EQ(site.alloc_bytes, 9u * 4096 + 5 * 2048);
  EXPECT_EQ(site.inuse_objects, 1u);
  EXPECT_EQ(site.inuse_bytes, 4096u);
  ASSERT_EQ(site.rungs.size(), 2u);
  EXPECT_EQ(site.rungs[0].bytes, 2048u);
  EXPECT_EQ(site.rungs[1].bytes, 4096u);
  EXPECT_EQ(site.rungs[1].allocated_objects, 9);
  EXPECT_EQ(site.rungs[1].inuse_objects, 1);
  ASSERT_EQ(site.stack.size(), 2u);
  EXPECT_EQ(site.stack[0].function, "main.fill");
  EXPECT_EQ(site.stack[0].offset, 0x401010u);
  EXPECT_EQ(site.stack[0].module, "app");
  ASSERT_EQ(i.snapshots.size(), 1u);
  EXPECT_EQ(i.snapshots[0].alloc_bytes, 9u * 4096 + 5 * 2048 + 64);
  EXPECT_EQ(i.snapshots[0].inuse_bytes, 4096u + 64);
  EXPECT_EQ(i.snapshots[0].at_ns, 1'700'000'000'000'000'000);
  EXPECT_TRUE(i.snapshots[0].wall);
  EXPECT_EQ(i.artefacts[0].format, "pprof heap profile");
  EXPECT_EQ(i.artefacts[0].records, 4u);
  EXPECT_EQ(i.artefacts[0].build_id, "c0ffee");
  EXPECT_EQ(i.facts.program, "app");
}

TEST(Pprof, ReadsInlinedLinesInnermostFirst) {
  ProfileBuilder b = heap();
  const auto l = b.location(0x401010, {{"main.inner", "a.go", 7}, {"main.outer", "b.go", 9}});
  b.sample({l}, {1, 10, 1, 10}, 10);
  const Incident i = read(b.build());
  ASSERT_EQ(i.heap_sites.size(), 1u);
  const evidence::Stack& s = i.heap_sites[0].stack;
  ASSERT_EQ(s.size(), 2u);
  EXPECT_EQ(s[0].function, "main.inner");
  EXPECT_EQ(s[0].file, "a.go");
  EXPECT_EQ(s[0].line, 7);
  EXPECT_TRUE(s[0].inlined);
  EXPECT_EQ(s[1].function, "main.outer");
  EXPECT_FALSE(s[1].inlined);
}

ProfileBuilder::Bytes ladder(double factor, int steps, std::uint64_t first) {
  ProfileBuilder b = heap();
  const auto l = b.location(0x401010, "main.fill");
  double size = static_cast<double>(first);
  for (int k = 0; k < steps; ++k, size *= factor) {
    const auto bytes = static_cast<std::int64_t>(size);
    b.sample({l}, {1, bytes, 0, 0}, static_cast<std::uint64_t>(bytes));
  }
  return b.build();
}

TEST(Pprof, TakesALadderOfAppendsStepsForAnAppend) {
  const Incident i = read(ladder(1.25, 12, 65536));
  EXPECT_EQ(i.heap_sites[0].call, CallKind::kAppend);
  EXPECT_EQ(i.heap_sites[0].proof, CallProof::kLadder);
}

TEST(Pprof, DoesNotSayWhichContainerDoubles) {
  const Incident i = read(ladder(2, 8, 65536));
  EXPECT_EQ(i.heap_sites[0].call, CallKind::kUnknown);
  EXPECT_EQ(i.heap_sites[0].proof, CallProof::kLadder);
}

TEST(Pprof, SeesNoLadderInThreeSizesOrInScatteredOnes) {
  EXPECT_EQ(read(ladder(1.25, 3, 65536)).heap_sites[0].proof, CallProof::kNone);
  EXPECT_EQ(read(ladder(8, 6, 64)).heap_sites[0].proof, CallProof::kNone);
}

TEST(Pprof, KeepsTheLargestSizesOfAStackThatHasTooMany) {
  const std::uint64_t many = evidence::kRungsMax + 40;
  ProfileBuilder b = heap();
  const auto l = b.location(0x401010, "main.fill");
  for (std::uint64_t k = 1; k <= many; ++k) b.sample({l}, {1, std::int64_t(k) * 8, 0, 0}, k * 8);
  const Incident i = read(b.build());
  ASSERT_EQ(i.heap_sites[0].rungs.size(), evidence::kRungsMax);
  EXPECT_EQ(i.heap_sites[0].rungs.front().bytes, (many - evidence::kRungsMax + 1) * 8);
  EXPECT_EQ(i.heap_sites[0].rungs.back().bytes, many * 8);
  EXPECT_EQ(i.heap_sites[0].alloc_objects, many);
}

TEST(Pprof, MovesRuntimeFramesOutOfHeapStacksAndBelievesThem) {
  ProfileBuilder b = heap();
  const auto malloc = b.location(0x400010, "runtime.mallocgc");
  const auto grow = b.location(0x400020, "runtime.growslice");
  const auto user = b.location(0x401010, "main.fill");
  b.sample({malloc, grow, user}, {1, 64, 1, 64}, 64);
  const Incident i = read(b.build());
  ASSERT_EQ(i.heap_sites[0].stack.size(), 1u);
  EXPECT_EQ(i.heap_sites[0].stack[0].function, "main.fill");
  EXPECT_EQ(i.heap_sites[0].hidden.size(), 2u);
  EXPECT_EQ(i.heap_sites[0].call, CallKind::kAppend);
  EXPECT_EQ(i.heap_sites[0].proof, CallProof::kStack);
  EXPECT_EQ(i.facts.runtime, evidence::Runtime::kGo);
}

TEST(Pprof, CountsCpuSamplesByWhatTheRuntimeDid) {
  ProfileBuilder b({{"samples", "count"}, {"cpu", "nanoseconds"}});
  const auto move = b.location(1, "runtime.memmove"), grow = b.location(2, "runtime.growslice");
  const auto user = b.location(3, "main.fill"), assist = b.location(4, "runtime.gcAssistAlloc");
  const auto mark = b.location(5, "runtime.gcBgMarkWorker");
  const auto copy = b.location(6, {{"runtime.copystack", "", 1}, {"runtime.newstack", "", 2}});
  const auto assign = b.location(7, "runtime.mapassign_fast64");
  const auto hash = b.location(8, "runtime.hashGrow");
  b.sample({move, grow, user}, {7, 70});
  b.sample({assist, grow, user}, {2, 20});
  b.sample({mark}, {4, 40});
  b.sample({copy, user}, {3, 30});
  b.sample({assign, user}, {5, 50});  // an assignment alone is no growth
  b.sample({hash, assign, user}, {1, 10});
  b.duration(3'000'000'000);
  const Incident i = read(b.build());
  EXPECT_EQ(i.cpu.samples, 22u);
  EXPECT_EQ(i.cpu.cpu_ns, 220u);
  EXPECT_EQ(i.cpu.slice_growth_samples, 9u);
  EXPECT_EQ(i.cpu.assist_samples, 2u);
  EXPECT_EQ(i.cpu.gc_samples, 6u);
  EXPECT_EQ(i.cpu.stack_growth_samples, 3u);
  EXPECT_EQ(i.cpu.map_growth_samples, 1u);
  ASSERT_EQ(i.cpu_sites.size(), 6u);
  EXPECT_EQ(i.cpu_sites[0].samples, 7u);
  EXPECT_EQ(i.cpu_sites[0].call, CallKind::kAppend);
  EXPECT_EQ(i.cpu_sites[0].stack[0].function, "runtime.memmove");
  EXPECT_EQ(i.cpu_sites[1].call, CallKind::kUnknown);  // the assignment
  EXPECT_TRUE(i.cpu_sites[4].assist);
  EXPECT_EQ(i.cpu_sites[5].call, CallKind::kMapAssign);
  EXPECT_EQ(i.artefacts[0].last_ns, 3'000'000'000);
}

TEST(Pprof, TellsWhatGoroutinesWaitFor) {
  ProfileBuilder b({{"goroutine", "count"}});
  const auto park = b.location(1, "runtime.gopark"), send = b.location(2, "runtime.chansend");
  const auto user = b.location(3, "main.worker");
  const auto acquire = b.location(4, "sync.runtime_Semacquire");
  const auto wait = b.location(5, "sync.(*WaitGroup).Wait");
  b.sample({park, acquire, wait, user}, {1});
  b.sample({park, send, user}, {1280});
  b.sample({user}, {2});
  const Incident i = read(b.build());
  ASSERT_EQ(i.goroutines.size(), 3u);
  EXPECT_EQ(i.goroutines[0].count, 1280u);
  EXPECT_EQ(i.goroutines[0].state, "chan send");
  EXPECT_EQ(i.goroutines[1].state, "running");
  EXPECT_EQ(i.goroutines[2].state, "sync.WaitGroup.Wait");
  EXPECT_EQ(i.snapshots[0].goroutines, 1283u);
}

TEST(Pprof, KnowsWhoWaitedFromWhoReleased) {
  ProfileBuilder b({{"contentions", "count"}, {"delay", "nanoseconds"}});
  const auto lock = b.location(1, "sync.(*Mutex).Lock"),
             unlock = b.location(2, "sync.(*Mutex).Unlock");
  const auto receive = b.location(3, "runtime.chanrecv1"), user = b.location(4, "main.f");
  b.sample({lock, user}, {3, 300});
  b.sample({unlock, user}, {2, 200});
  b.sample({receive, user}, {1, 100});
  const Incident i = read(b.build());
  ASSERT_EQ(i.waits.size(), 3u);
  EXPECT_EQ(i.waits[0].reason, "sync");
  EXPECT_EQ(i.waits[0].total_ns, 300u);
  EXPECT_EQ(i.waits[0].stack.size(), 2u);
  EXPECT_TRUE(i.waits[0].released_by.empty());
  EXPECT_EQ(i.waits[1].reason, "sync");
  EXPECT_TRUE(i.waits[1].stack.empty());
  EXPECT_EQ(i.waits[1].released_by.size(), 2u);
  EXPECT_EQ(i.waits[2].reason, "chan receive");
}

TEST(Pprof, ReadsWhatIsThereOfAProfileThatWasCutAndSaysSo) {
  ProfileBuilder b = heap();
  const auto l = b.location(0x401010, "main.fill");
  b.sample({l}, {1, 10, 1, 10}, 10);
  const auto whole = b.build();
  for (std::size_t size = 60; size < whole.size(); ++size) {
    const auto e = read_pprof(Input::from_bytes("x", {whole.begin(), whole.begin() + size}), {});
    if (!e.ok()) continue;
    const evidence::Artefact& a = e->incident.artefacts[0];
    EXPECT_LE(e->understood.bytes_used, size);
    if (!a.cut) continue;
    EXPECT_THAT(a.notes.front(), HasSubstr("cut short or damaged"));
  }
  auto broken = whole;
  broken.push_back(0x12);
  broken.push_back(0x7f);
  const Incident i = read(broken);
  EXPECT_TRUE(i.artefacts[0].cut);
  EXPECT_EQ(i.artefacts[0].bytes_skipped, 2u);
  EXPECT_EQ(i.heap_sites.size(), 1u);
}

TEST(Pprof, CountsSamplesThatDoNotHoldTogether) {
  ProfileBuilder b = heap();
  const auto l = b.location(0x401010, "main.fill");
  b.sample({l}, {1, 10, 1, 10}, 10);
  b.sample({l}, {1, 10});  // two of four values
  b.sample({l}, {-1, -10, 1, 10}, 10);
  const Incident i = read(b.build());
  EXPECT_EQ(i.artefacts[0].records, 3u);
  EXPECT_EQ(i.artefacts[0].records_unknown, 1u);
  EXPECT_EQ(i.snapshots[0].alloc_bytes, 10u);
  ASSERT_EQ(i.artefacts[0].notes.size(), 2u);
  EXPECT_THAT(i.artefacts[0].notes[1], HasSubstr("difference of two profiles"));
}

TEST(Pprof, KeepsTheHeaviestStacksWhereThereAreTooManyFrames) {
  ProfileBuilder b({{"samples", "count"}, {"cpu", "nanoseconds"}});
  const auto l = b.location(1, "main.f"), other = b.location(2, "main.g");
  const std::size_t depth = 4000, stacks = kFramesMax / depth + 3;
  for (std::size_t k = 0; k < stacks; ++k) {
    std::vector<std::uint64_t> stack(depth, l);
    stack[k] = other;
    b.sample(stack, {std::int64_t(k) + 1, 10});
  }
  const Incident i = read(b.build());
  EXPECT_EQ(i.cpu_sites.size(), kFramesMax / depth);
  EXPECT_EQ(i.cpu_sites.front().samples, stacks);
  EXPECT_EQ(i.cpu.cpu_ns, stacks * 10);
  EXPECT_THAT(i.artefacts[0].notes.front(), HasSubstr("that weigh most are kept"));
}

TEST(Pprof, SaysWhatAProfileOfAnotherKindCounts) {
  ProfileBuilder b({{"wall", "nanoseconds"}});
  b.sample({b.location(1, "f")}, {1});
  const Incident i = read(b.build());
  EXPECT_THAT(i.artefacts[0].notes, ElementsAre(HasSubstr("Counts wall")));
  EXPECT_EQ(i.artefacts[0].records_unknown, 1u);
}

TEST(Pprof, IsNotSeenInTextOrOtherBytes) {
  const auto sniffed = [](std::string_view text) {
    return sniff_pprof({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
  };
  EXPECT_FALSE(sniffed(""));
  EXPECT_FALSE(sniffed("\n\n\nhello\n"));
  EXPECT_FALSE(sniffed("heap profile: 1: 2 [3: 4] @ heap/1048576\n"));
  EXPECT_FALSE(sniffed("gc 1 @0.010s 2%: 0.026+0.39+0.10 ms clock"));
  EXPECT_FALSE(
      sniffed("\x7f"
              "ELF\x02\x01\x01"));
  EXPECT_FALSE(sniffed("go 1.22 trace"));
  EXPECT_FALSE(sniffed("\x1f\x8b\x08"));
}

}  // namespace
}  // namespace ullage::trace
