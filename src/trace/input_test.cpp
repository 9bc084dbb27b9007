// SPDX-License-Identifier: Apache-2.0
#include <archive.h>
#include <archive_entry.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "trace/input_open.h"
#include "trace/input_unpack.h"

namespace ullage::trace {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Bytes = std::vector<std::uint8_t>;
using Members = std::vector<std::pair<std::string, std::string>>;

// An archive in memory, as libarchive writes it; `set` chooses the format and its filter.
template <class Set>
Bytes packed(const Members& members, Set set) {
  archive* a = archive_write_new();
  set(a);
  Bytes bytes(1 << 24);
  std::size_t used = 0;
  archive_write_set_bytes_in_last_block(a, 1);
  archive_write_open_memory(a, bytes.data(), bytes.size(), &used);
  for (const auto& [name, text] : members) {
    archive_entry* entry = archive_entry_new();
    archive_entry_set_pathname(entry, name.c_str());
    archive_entry_set_size(entry, static_cast<la_int64_t>(text.size()));
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0644);
    archive_write_header(a, entry);
    archive_write_data(a, text.data(), text.size());
    archive_entry_free(entry);
  }
  archive_write_close(a);
  archive_write_free(a);
  bytes.resize(used);
  return bytes;
}

Bytes stream(const std::string& text, int (*filter)(archive*)) {
  return packed({{"data", text}}, [&](archive* a) {
    archive_write_set_format_raw(a);
    filter(a);
  });
}
void pax(archive* a) { archive_write_set_format_pax(a); }
void ustar(archive* a) { archive_write_set_format_ustar(a); }
void gnu(archive* a) { archive_write_set_format_gnutar(a); }
void zip(archive* a) { archive_write_set_format_zip(a); }
void zip_stored(archive* a) {
  archive_write_set_format_zip(a);
  archive_write_zip_set_compression_store(a);
}
void tar_gz(archive* a) {
  archive_write_set_format_pax(a);
  archive_write_add_filter_gzip(a);
}

// Text that does not compress to nothing and is longer than what stays in memory.
std::string long_text(std::size_t bytes = 3 * kInMemoryBytesMax) {
  std::string text;
  unsigned x = 1;
  while (text.size() < bytes) {
    x = x * 1664525 + 1013904223;
    text += "line " + std::to_string(x) + "\n";
  }
  return text;
}

std::vector<std::string> names(const std::vector<Input>& inputs) {
  std::vector<std::string> all;
  for (const Input& input : inputs) all.push_back(input.name());
  return all;
}

std::string as_string(Input input) { return std::string(input.text()); }

class Inputs : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string path = ::testing::TempDir() + "input_test_XXXXXX";
    ASSERT_NE(mkdtemp(path.data()), nullptr);
    folder = path;
  }
  void TearDown() override { std::filesystem::remove_all(folder); }
  std::string write(const std::string& name, const std::string& text) {
    const std::filesystem::path path = folder / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << text;
    return path.string();
  }
  std::string write(const std::string& name, const Bytes& bytes) {
    return write(name, std::string(bytes.begin(), bytes.end()));
  }
  std::filesystem::path folder;
};

TEST_F(Inputs, APlainFileIsMappedUnderItsOwnName) {
  const std::string path = write("gc.log", "hello");
  const auto inputs = open_inputs(path);
  ASSERT_TRUE(inputs.ok()) << inputs.error().message;
  ASSERT_THAT(names(*inputs), ElementsAre(path));
  EXPECT_EQ(inputs->front().text(), "hello");
  EXPECT_EQ(inputs->front().path(), path);
}

TEST_F(Inputs, StreamsAreDecompressedByTheirMagicWhateverTheirName) {
  for (const std::string& text : {std::string("short"), long_text()}) {
    for (const auto filter : {archive_write_add_filter_gzip, archive_write_add_filter_zstd,
                              archive_write_add_filter_xz}) {
      const std::string path = write("any.name", stream(text, filter));
      const auto inputs = open_inputs(path);
      ASSERT_TRUE(inputs.ok()) << inputs.error().message;
      ASSERT_THAT(names(*inputs), ElementsAre(path));
      EXPECT_EQ(inputs->front().text(), text);
      EXPECT_EQ(inputs->front().loss(), "");
    }
  }
}

TEST_F(Inputs, GzipFilesThatWereAppendedToEachOtherAreOne) {
  Bytes both = stream("one ", archive_write_add_filter_gzip);
  const Bytes second = stream("two", archive_write_add_filter_gzip);
  both.insert(both.end(), second.begin(), second.end());
  const auto inputs = unpack_inputs(Input::from_bytes("x.gz", both));
  ASSERT_EQ(inputs.size(), 1u);
  EXPECT_EQ(inputs[0].text(), "one two");
}

TEST_F(Inputs, WhatIsLargeGoesToATemporaryFileThatCanBeOpenedAgain) {
  const std::string text = long_text();
  const auto inputs =
      unpack_inputs(Input::from_bytes("x.gz", stream(text, archive_write_add_filter_gzip)));
  ASSERT_EQ(inputs.size(), 1u);
  ASSERT_NE(inputs[0].path(), "");
  const auto again = Input::map(inputs[0].path());
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->text(), text);
}

TEST_F(Inputs, MembersOfEveryKindOfArchiveAreNamedAfterIt) {
  const std::string longer(180, 'n');
  const Members members = {{"b/gc.log", long_text()}, {"./a.trace", "trace"}, {"empty", ""}};
  for (const auto format : {pax, ustar, gnu, zip, zip_stored, tar_gz}) {
    Members all = members;
    if (format != ustar) all.push_back({longer, "long name"});
    const std::string path = write("incident", packed(all, format));
    std::vector<InputProblem> problems;
    const auto inputs = open_inputs(path, {}, &problems);
    ASSERT_TRUE(inputs.ok()) << inputs.error().message;
    EXPECT_TRUE(problems.empty());
    std::vector<std::string> expected = {path + "!a.trace", path + "!b/gc.log", path + "!empty"};
    if (format != ustar) expected.push_back(path + "!" + longer);
    ASSERT_EQ(names(*inputs), expected);
    EXPECT_EQ((*inputs)[0].text(), "trace");
    EXPECT_EQ((*inputs)[1].text(), members[0].second);
    EXPECT_EQ((*inputs)[2].text(), "");
  }
}

TEST_F(Inputs, PackedMembersAreUnpackedToo) {
  const Bytes inner = packed({{"x.txt", "inner"}}, tar_gz);
  const Bytes gz = stream("log", archive_write_add_filter_gzip);
  const Bytes outer = packed(
      {{"in.tar.gz", {inner.begin(), inner.end()}}, {"gc.log.gz", {gz.begin(), gz.end()}}}, zip);
  const auto inputs = unpack_inputs(Input::from_bytes("out.zip", outer));
  ASSERT_THAT(names(inputs), ElementsAre("out.zip!gc.log.gz", "out.zip!in.tar.gz!x.txt"));
  EXPECT_EQ(inputs[0].text(), "log");
  EXPECT_EQ(inputs[1].text(), "inner");
}

TEST_F(Inputs, ATarMemberIsAPartOfTheArchivesOwnBytes) {
  const Input tar = Input::from_bytes("x.tar", packed({{"m", long_text()}}, pax));
  const auto inputs = unpack_inputs(tar);
  ASSERT_EQ(inputs.size(), 1u);
  EXPECT_GT(inputs[0].bytes().data(), tar.bytes().data());
  EXPECT_LT(inputs[0].bytes().data(), tar.bytes().data() + tar.bytes().size());
}

TEST_F(Inputs, FoldersAreWalkedByNameWithNumbersByValue) {
  for (const char* name : {"gc.log.10", "gc.log.2", "gc.log", "sub/z", ".hidden", ".git/config"}) {
    write(name, "x");
  }
  const std::string f = folder.string();
  const auto inputs = open_inputs(f);
  ASSERT_TRUE(inputs.ok());
  EXPECT_THAT(names(*inputs),
              ElementsAre(f + "/gc.log", f + "/gc.log.2", f + "/gc.log.10", f + "/sub/z"));
}

TEST_F(Inputs, LinksThatLeadBackUpAreNotFollowed) {
  write("sub/a", "x");
  std::filesystem::create_directory_symlink(folder, folder / "sub/up");
  std::filesystem::create_symlink(folder / "sub/a", folder / "other");
  const auto inputs = open_inputs(folder.string());
  ASSERT_TRUE(inputs.ok());
  EXPECT_EQ(inputs->size(), 2u);
}

TEST_F(Inputs, HiddenMembersAreLeftOutAsHiddenFilesAre) {
  const auto inputs = unpack_inputs(
      Input::from_bytes("x.zip", packed({{"a/._gc.log", "mac"}, {"a/gc.log", "log"}}, zip)));
  EXPECT_THAT(names(inputs), ElementsAre("x.zip!a/gc.log"));
}

TEST_F(Inputs, APipeIsReadToItsEnd) {
  const std::string path = (folder / "pipe").string();
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  const Bytes gz = stream(long_text(), archive_write_add_filter_gzip);
  const pid_t child = fork();
  if (child == 0) {
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(gz.data()), static_cast<std::streamsize>(gz.size()));
    _exit(0);
  }
  const auto inputs = open_inputs(path);
  ASSERT_TRUE(inputs.ok()) << inputs.error().message;
  EXPECT_EQ(as_string(inputs->front()), long_text());
}

// /dev/zero would fill the disk.
TEST_F(Inputs, ADeviceIsLeftOut) {
  const auto inputs = open_inputs("/dev/null");
  ASSERT_FALSE(inputs.ok());
  EXPECT_THAT(inputs.error().message, HasSubstr("neither a file nor a folder"));
}

TEST_F(Inputs, AStreamThatWasCutIsWorthWhatCameBeforeTheCut) {
  const std::string text = long_text();
  Bytes gz = stream(text, archive_write_add_filter_gzip);
  gz.resize(gz.size() / 2);
  const auto inputs = unpack_inputs(Input::from_bytes("x.gz", gz));
  ASSERT_EQ(inputs.size(), 1u);
  EXPECT_GT(inputs[0].bytes().size(), text.size() / 4);
  EXPECT_TRUE(text.starts_with(inputs[0].text()));
  EXPECT_THAT(inputs[0].loss(), HasSubstr("cut short"));
}

TEST_F(Inputs, ADamagedMemberDoesNotHideTheOthers) {
  Bytes bytes = packed({{"a", long_text(10000)}, {"b", "fine"}}, zip);
  for (std::size_t i = 100; i < 200; ++i) bytes[i] = static_cast<std::uint8_t>(0xA5 + i);
  std::vector<InputProblem> problems;
  const auto inputs = unpack_inputs(Input::from_bytes("x.zip", bytes), {}, &problems);
  ASSERT_FALSE(inputs.empty());
  EXPECT_EQ(inputs.back().text(), "fine");
  // The damaged one is told of, either way.
  EXPECT_TRUE(!problems.empty() || !inputs.front().loss().empty());
}

TEST_F(Inputs, NothingAtAllIsAnErrorThatNamesIt) {
  const auto missing = open_inputs((folder / "no").string());
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().code, Code::kNotFound);
  EXPECT_THAT(missing.error().message, HasSubstr("/no: can't be opened"));
  const auto nothing = open_inputs(folder.string());
  ASSERT_FALSE(nothing.ok());
  EXPECT_THAT(nothing.error().message, HasSubstr("holds no files"));
  const auto broken = open_inputs(write("x.gz", Bytes{0x1f, 0x8b, 8, 0, 1, 2, 3}));
  ASSERT_FALSE(broken.ok());
  EXPECT_THAT(broken.error().message, HasSubstr("x.gz: can't be unpacked"));
}

TEST_F(Inputs, MoreThanTheBytesThatMayBeUnpackedAreLeftOut) {
  std::vector<InputProblem> problems;
  const auto inputs =
      unpack_inputs(Input::from_bytes("x.gz", stream(long_text(), archive_write_add_filter_gzip)),
                    {.unpacked_bytes_max = 1000}, &problems);
  EXPECT_TRUE(inputs.empty());
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_EQ(problems[0].error.code, Code::kExhausted);
}

TEST_F(Inputs, WhatUnpacksToManyTimesItsSizeIsLeftOut) {
  std::vector<InputProblem> problems;
  const Bytes bomb = stream(std::string(8 << 20, '\0'), archive_write_add_filter_gzip);
  EXPECT_EQ(unpack_inputs(Input::from_bytes("x.gz", bomb)).size(), 1u);
  const auto inputs = unpack_inputs(Input::from_bytes("x.gz", bomb),
                                    {.ratio_max = 100, .ratio_free_bytes = 1 << 20}, &problems);
  EXPECT_TRUE(inputs.empty());
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_THAT(problems[0].error.message, HasSubstr("100 times its size"));
}

// One bomb in each packing, and within each other: zeros, in front of what does not compress.
TEST_F(Inputs, ABombIsKnownByWhatItGaveSoFar) {
  const std::string zeros(12 << 20, '\0');
  const std::string dense = long_text(4 << 20);
  const InputLimits limits = {.ratio_max = 50, .ratio_free_bytes = 1 << 20};
  const auto refused = [&](const char* name, const Bytes& bytes) {
    std::vector<InputProblem> problems;
    EXPECT_TRUE(unpack_inputs(Input::from_bytes(name, bytes), limits, &problems).empty()) << name;
    ASSERT_EQ(problems.size(), 1u) << name;
    EXPECT_THAT(problems[0].error.message, HasSubstr("50 times its size")) << name;
  };
  const auto text = [](const Bytes& bytes) { return std::string(bytes.begin(), bytes.end()); };
  const Bytes gzip = stream(zeros + dense, archive_write_add_filter_gzip);
  ASSERT_LT((zeros.size() + dense.size()) / gzip.size(), 50u) << "as a whole it is none";
  refused("gzip", gzip);
  refused("xz", stream(zeros + dense, archive_write_add_filter_xz));
  refused("zstd", stream(zeros + dense, archive_write_add_filter_zstd));
  refused("zip", packed({{"a", zeros + dense}}, zip));
  refused("gzip in zstd", stream(text(gzip), archive_write_add_filter_zstd));
  refused("xz in a zip", packed({{"a", text(stream(zeros, archive_write_add_filter_xz))}}, zip));
  refused("zip in gzip", stream(text(packed({{"a", zeros}}, zip)), archive_write_add_filter_gzip));
}

TEST_F(Inputs, ManyMembersThatAreEachBelowTheBoundAreABombTogether) {
  Members members;
  for (int i = 0; i < 20; ++i)
    members.emplace_back(std::to_string(i), std::string(900 << 10, '\0'));
  std::vector<InputProblem> problems;
  const auto inputs = unpack_inputs(Input::from_bytes("x.zip", packed(members, zip)),
                                    {.ratio_max = 50, .ratio_free_bytes = 1 << 20}, &problems);
  EXPECT_EQ(inputs.size(), 1u);
  EXPECT_EQ(problems.size(), 19u);
}

TEST_F(Inputs, WhatCompressesWellBeyondTheFreePartIsNoBomb) {
  const std::string text = long_text(8 << 20);
  for (const Bytes& bytes : {stream(text, archive_write_add_filter_gzip),
                             packed({{"a", text}}, zip), packed({{"a", text}}, tar_gz)}) {
    std::vector<InputProblem> problems;
    const auto inputs = unpack_inputs(Input::from_bytes("x", bytes),
                                      {.ratio_max = 50, .ratio_free_bytes = 1 << 20}, &problems);
    EXPECT_EQ(inputs.size(), 1u);
    EXPECT_TRUE(problems.empty()) << problems[0].error.message;
  }
}

TEST_F(Inputs, MoreFilesThanTheLimitAreLeftOutAndToldOfOnce) {
  for (const char* name : {"a", "b", "c", "d/e", "d/f"}) write(name, "x");
  std::vector<InputProblem> problems;
  const auto inputs = open_inputs(folder.string(), {.files_max = 2}, &problems);
  ASSERT_TRUE(inputs.ok());
  EXPECT_EQ(inputs->size(), 2u);
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_THAT(problems[0].error.message, HasSubstr("2 files are read at once"));
}

TEST_F(Inputs, FoldersAndPackingDeeperThanTheLimitAreLeftOut) {
  write("a/b/c", "x");
  write("top", "x");
  std::vector<InputProblem> problems;
  const auto inputs = open_inputs(folder.string(), {.folder_depth_max = 2}, &problems);
  ASSERT_TRUE(inputs.ok());
  EXPECT_EQ(inputs->size(), 1u);
  ASSERT_EQ(problems.size(), 1u);
  Bytes bytes = {'x'};
  for (int i = 0; i < 5; ++i) {
    bytes = packed({{"x", {bytes.begin(), bytes.end()}}}, zip);
  }
  problems.clear();
  EXPECT_TRUE(unpack_inputs(Input::from_bytes("x.zip", bytes), {}, &problems).empty());
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_THAT(problems[0].error.message, HasSubstr("packed more than 4 times"));
}

TEST_F(Inputs, ATemporaryFolderThatCannotBeWrittenToIsNamed) {
  const char* before = getenv("TMPDIR");
  const std::string kept = before != nullptr ? before : "";
  setenv("TMPDIR", "/proc/nowhere", 1);
  std::vector<InputProblem> problems;
  unpack_inputs(Input::from_bytes("x.gz", stream(long_text(), archive_write_add_filter_gzip)), {},
                &problems);
  if (before != nullptr) {
    setenv("TMPDIR", kept.c_str(), 1);
  } else {
    unsetenv("TMPDIR");
  }
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_THAT(problems[0].error.message, HasSubstr("/proc/nowhere"));
}

TEST_F(Inputs, NamesAreOrderedByTheValueOfTheirNumbers) {
  EXPECT_TRUE(name_before("gc.log.2", "gc.log.10"));
  EXPECT_FALSE(name_before("gc.log.10", "gc.log.2"));
  EXPECT_TRUE(name_before("gc.log", "gc.log.0"));
  EXPECT_TRUE(name_before("a007b", "a7c"));
  EXPECT_NE(name_before("a7", "a07"), name_before("a07", "a7"));
  EXPECT_FALSE(name_before("a7", "a7"));
}

}  // namespace
}  // namespace ullage::trace
