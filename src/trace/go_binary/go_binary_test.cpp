// SPDX-License-Identifier: Apache-2.0
#include "trace/go_binary/go_binary.h"

#include <gtest/gtest.h>

#include "trace/go_binary/go_binary_testing.h"
#include "trace/go_binary/reader.h"

namespace ullage::trace {
namespace {

using Layout = PcLineTable::Layout;

std::shared_ptr<const GoBinary> open(const GoElf& elf) {
  auto binary = GoBinary::open(Input::from_bytes("app", elf.build()));
  EXPECT_TRUE(binary.ok()) << binary.error().message;
  return binary.ok() ? binary.value() : nullptr;
}

class EveryLayout : public ::testing::TestWithParam<Layout> {};
INSTANTIATE_TEST_SUITE_P(GoBinary, EveryLayout,
                         ::testing::Values(Layout::kGo12, Layout::kGo116, Layout::kGo118,
                                           Layout::kGo120));

TEST_P(EveryLayout, NamesFunctionFileAndLine) {
  GoElf elf;
  elf.layout = GetParam();
  const auto binary = open(elf);
  ASSERT_NE(binary, nullptr);
  EXPECT_EQ(binary->functions(), 3u);
  EXPECT_EQ(binary->function_at(elf.base + 0x1000), "main.f");
  EXPECT_EQ(binary->function_at(elf.base + 0x103f), "main.f");
  EXPECT_EQ(binary->function_at(elf.base + 0x1040), "runtime.growslice");
  EXPECT_EQ(binary->function_at(elf.base + 0x1080), "");
  EXPECT_EQ(binary->function_at(elf.base + 0xfff), "");
  const evidence::Stack frames = binary->frames_at(elf.base + 0x1004);
  ASSERT_EQ(frames.size(), 1u);
  EXPECT_EQ(frames[0].function, "main.f");
  EXPECT_EQ(frames[0].file, "app/main.go");
  EXPECT_EQ(frames[0].line, 10);
  EXPECT_EQ(binary->frames_at(elf.base + 0x1024).front().line, 12);
  EXPECT_EQ(binary->entry_of("runtime.makeslice"), elf.base + 0x1060);
  EXPECT_EQ(binary->entry_of("main.nothing"), 0u);
}

TEST(GoBinary, TellsWhatIsInlinedAndWhere) {
  for (const Layout layout : {Layout::kGo118, Layout::kGo120}) {
    GoElf elf;
    elf.layout = layout;
    const auto binary = open(elf);
    ASSERT_TRUE(binary->tells_inlining());
    const evidence::Stack frames = binary->frames_at(elf.base + 0x1024);
    ASSERT_EQ(frames.size(), 2u);
    EXPECT_EQ(frames[0].function, "main.g");
    EXPECT_TRUE(frames[0].inlined);
    EXPECT_EQ(frames[0].line, 12);
    EXPECT_EQ(frames[1].function, "main.f");
    EXPECT_FALSE(frames[1].inlined);
    EXPECT_EQ(frames[1].line, 10);
  }
}

TEST(GoBinary, FindsTheTablesOfInlinedCallsOfGo127) {
  GoElf elf;
  elf.header_text_start = false;
  elf.module_of_127 = true;
  for (const bool independent : {false, true}) {
    elf.independent = independent;
    const auto binary = open(elf);
    ASSERT_TRUE(binary->tells_inlining());
    const evidence::Stack frames = binary->frames_at(elf.base + 0x1024);
    ASSERT_EQ(frames.size(), 2u);
    EXPECT_EQ(frames[0].function, "main.g");
  }
}

TEST(GoBinary, DecodesTheCallBeforeAReturnAddressOnBothMachines) {
  for (const bool arm64 : {false, true}) {
    GoElf elf;
    elf.arm64 = arm64;
    const auto binary = open(elf);
    const auto append = binary->call_before(elf.return_address(GoElf::kCallAppend));
    EXPECT_EQ(append.function, "runtime.growslice");
    EXPECT_EQ(append.target, elf.base + 0x1040);
    EXPECT_EQ(append.element_bytes, 24u);
    const auto make = binary->call_before(elf.return_address(GoElf::kCallMake));
    EXPECT_EQ(make.function, "runtime.makeslice");
    EXPECT_EQ(make.element_bytes, 0u);  // no type is loaded before it
    EXPECT_EQ(binary->call_before(elf.base + 0x1008).function, "");
    EXPECT_EQ(binary->call_before(0).function, "");
    EXPECT_EQ(binary->call_before(UINT64_MAX).function, "");
  }
}

TEST(GoBinary, BelievesNoTypeThatHasNotTheShapeOfOne) {
  GoElf elf;
  elf.type_bytes = 21;  // no multiple of its alignment
  EXPECT_EQ(open(elf)->call_before(elf.return_address(GoElf::kCallAppend)).element_bytes, 0u);
}

TEST(GoBinary, TakesTheTypeFromWhereOlderToolchainsPassedIt) {
  GoElf elf;
  elf.version = "go1.19.8";  // the type was the first argument; the load here is of the last
  EXPECT_EQ(open(elf)->call_before(elf.return_address(GoElf::kCallAppend)).element_bytes, 0u);
}

TEST(GoBinary, KnowsBuildInfoAndBuildIds) {
  const auto binary = open(GoElf{});
  EXPECT_EQ(binary->build_info().version, "go1.22.1");
  EXPECT_EQ(binary->build_info().path, "app");
  EXPECT_EQ(binary->build_info().main_module, "app");
  EXPECT_EQ(binary->build_info().setting("GOARCH"), "amd64");
  EXPECT_EQ(binary->build_info().setting("-trimpath"), "true");
  EXPECT_EQ(binary->go_build_id(), "a/b/c/d");
  EXPECT_EQ(binary->gnu_build_id(), "abcdef");
  EXPECT_TRUE(binary->is_build("abcdef"));
  EXPECT_TRUE(binary->is_build("a/b/c/d"));
  EXPECT_FALSE(binary->is_build(""));
  EXPECT_FALSE(binary->is_build("abcdee"));
}

TEST(GoBinary, FindsTheTableWhereSectionsWereStripped) {
  GoElf elf;
  elf.sections = false;
  EXPECT_EQ(open(elf)->function_at(elf.base + 0x1000), "main.f");
}

// Tables since Go 1.26 do not say where text starts.
TEST(GoBinary, LearnsWhereTextStartsFromTheModuleData) {
  GoElf elf;
  elf.header_text_start = false;
  EXPECT_EQ(open(elf)->function_at(elf.base + 0x1040), "runtime.growslice");
}

TEST(GoBinary, TakesFileOffsetsOfAPositionIndependentProgramToAddresses) {
  GoElf elf;
  elf.independent = true;
  const auto binary = open(elf);
  EXPECT_TRUE(binary->position_independent());
  EXPECT_EQ(binary->address_of(0x1030), elf.base + 0x1030);
  EXPECT_EQ(binary->address_of(0x1fff), UINT64_MAX);
  EXPECT_EQ(binary->file_offset_of(elf.base + 0x1030), 0x1030u);
  EXPECT_EQ(binary->file_offset_of(1), UINT64_MAX);
}

TEST(GoBinary, RefusesWhatIsNoneAndSaysWhatItIs) {
  const auto refusal = [](std::vector<std::uint8_t> bytes) {
    const auto binary = GoBinary::open(Input::from_bytes("x", std::move(bytes)));
    return binary.ok() ? std::string() : binary.error().message;
  };
  EXPECT_NE(refusal({1, 2, 3}).find("x: not an ELF file"), std::string::npos);
  auto elf = GoElf{}.build();
  elf[4] = 1;
  EXPECT_NE(refusal(elf).find("32-bit"), std::string::npos);
  elf = GoElf{}.build();
  elf[16] = 1;
  EXPECT_NE(refusal(elf).find("object or core file"), std::string::npos);
  elf = GoElf{}.build();
  elf[0x400] = 0;  // the table's magic
  EXPECT_NE(refusal(elf).find(".gopclntab"), std::string::npos);
  elf = GoElf{}.build();
  elf[0x40f] = 0x7f;  // more functions than bytes
  EXPECT_NE(refusal(elf).find("more functions than it can hold"), std::string::npos);
}

TEST(GoBinary, SurvivesBeingCutAnywhere) {
  const auto whole = GoElf{}.build();
  for (std::size_t size = 0; size < whole.size(); size += 7) {
    const auto binary =
        GoBinary::open(Input::from_bytes("x", {whole.begin(), whole.begin() + size}));
    if (!binary.ok()) continue;
    (*binary)->frames_at(0x401024);
    (*binary)->call_before(0x401035);
  }
}

TEST(GoBinaryReader, MakesAnArtefactOfIt) {
  const Input input = Input::from_bytes("app", GoElf{}.build());
  EXPECT_TRUE(sniff_go_binary(input.bytes()));
  EXPECT_FALSE(sniff_go_binary(std::vector<std::uint8_t>(100, 0x7f)));
  const auto binary = GoBinary::open(input);
  ASSERT_TRUE(binary.ok()) << binary.error().message;
  const evidence::Evidence e = describe_go_binary(**binary, input);
  ASSERT_EQ(e.incident.artefacts.size(), 1u);
  EXPECT_EQ(e.incident.artefacts[0].format, "Go binary");
  EXPECT_EQ(e.incident.artefacts[0].version, "go1.22.1");
  EXPECT_EQ(e.incident.artefacts[0].build_id, "abcdef");
  EXPECT_EQ(e.incident.facts.build_ids, (std::vector<std::string>{"abcdef", "a/b/c/d"}));
}

}  // namespace
}  // namespace ullage::trace
