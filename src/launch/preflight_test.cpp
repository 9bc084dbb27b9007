// SPDX-License-Identifier: Apache-2.0
#include "launch/preflight.h"

#include <elf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "launch/elf_facts.h"

namespace ullage::launch {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr const char* kSearch = "/usr/local/bin:/usr/bin:/bin";

class Preflight : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = fs::temp_directory_path() / "ullage_preflight.XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string script(const std::string& name, const std::string& text, mode_t mode = 0755) {
    const std::string path = folder_ + "/" + name;
    std::ofstream(path) << text;
    chmod(path.c_str(), mode);
    return path;
  }
  // Compiles `source`; empty when there is no compiler that can.
  std::string build(const std::string& name, const std::string& source, const std::string& flags) {
    const std::string file = script(name + ".c", source, 0644);
    const std::string path = folder_ + "/" + name;
    const std::string command = "cc -o " + path + " " + file + " " + flags + " >/dev/null 2>&1";
    return std::system(command.c_str()) == 0 ? path : std::string();
  }
  static Error refusal(const std::string& path) {
    const Result<Program> r = preflight({path}, kSearch);
    EXPECT_FALSE(r.ok()) << path << " was accepted";
    return r.ok() ? Error{} : r.error();
  }
  // A copy of /bin/true with its ELF header changed.
  template <class Change>
  std::string changed_true(const std::string& name, Change change) {
    const std::string path = folder_ + "/" + name;
    fs::copy_file("/bin/true", path);
    std::fstream f(path, std::ios::in | std::ios::out | std::ios::binary);
    Elf64_Ehdr h;
    f.read(reinterpret_cast<char*>(&h), sizeof h);
    change(h);
    f.seekp(0);
    f.write(reinterpret_cast<const char*>(&h), sizeof h);
    return path;
  }

  std::string folder_;
};

TEST_F(Preflight, FindsAProgramInThePathAndHasNothingToSay) {
  const Result<Program> r = preflight({"true", "x"}, kSearch);
  ASSERT_TRUE(r.ok()) << r.error().message;
  EXPECT_EQ(r->path, "/usr/bin/true");
  EXPECT_EQ(r->argv, (std::vector<std::string>{"true", "x"}));
  EXPECT_THAT(r->notes, IsEmpty());
}

TEST_F(Preflight, SaysThatACommandDoesNotExist) {
  const Result<Program> r = preflight({"no-such-command-here"}, kSearch);
  ASSERT_FALSE(r.ok());
  EXPECT_EQ(r.error().code, Code::kNotFound);
  EXPECT_THAT(r.error().message, HasSubstr("not found in PATH"));
  EXPECT_THAT(refusal(folder_ + "/absent").message, HasSubstr("no such file"));
  EXPECT_THAT(refusal(folder_).message, HasSubstr("is a directory"));
  EXPECT_FALSE(preflight({}, kSearch).ok());
}

TEST_F(Preflight, SaysThatAFileIsNotExecutable) {
  const Error e = refusal(script("x.sh", "#!/bin/sh\n", 0644));
  EXPECT_EQ(e.code, Code::kImpossible);
  EXPECT_THAT(e.message, HasSubstr("not executable"));
}

TEST_F(Preflight, FollowsInterpretersToTheProgramThatIsLoaded) {
  EXPECT_EQ(preflight({script("a.sh", "#!/bin/sh -e\n")}, kSearch)->loaded, "/bin/sh");
  EXPECT_EQ(preflight({script("b.sh", "#! /usr/bin/env -S sh -e\n")}, kSearch)->loaded,
            "/usr/bin/sh");
  EXPECT_EQ(preflight({script("c.sh", "#!" + folder_ + "/a.sh\n")}, kSearch)->loaded, "/bin/sh");
  EXPECT_THAT(refusal(script("d.sh", "#!" + folder_ + "/d.sh\n")).message,
              HasSubstr("without end"));
  EXPECT_THAT(refusal(script("e.sh", "#!/nonexistent/perl\n")).message,
              AllOf(HasSubstr("interpreter"), HasSubstr("/nonexistent/perl")));
}

TEST_F(Preflight, RunsAScriptWithoutInterpreterAsTheShellDoes) {
  const std::string path = script("plain", "exit 0\n");
  const Result<Program> r = preflight({path, "1"}, kSearch);
  ASSERT_TRUE(r.ok()) << r.error().message;
  EXPECT_EQ(r->argv, (std::vector<std::string>{"/bin/sh", path, "1"}));
}

TEST_F(Preflight, RefusesAStaticProgramAndSaysWhatToDo) {
  const std::string path = build("still", "int main(void){return 0;}", "-static");
  if (path.empty()) GTEST_SKIP() << "no compiler that links statically";
  const Error e = refusal(path);
  EXPECT_EQ(e.code, Code::kImpossible);
  EXPECT_THAT(e.message, AllOf(HasSubstr("statically linked"), HasSubstr("Link it dynamically")));
  // Also behind a script.
  EXPECT_THAT(refusal(script("s.sh", "#!" + path + "\n")).message, HasSubstr("statically linked"));
}

TEST_F(Preflight, RefusesOtherMachines) {
  const auto arm = changed_true("arm", [](Elf64_Ehdr& h) { h.e_machine = EM_AARCH64; });
  EXPECT_THAT(refusal(arm).message, HasSubstr("64-bit ARM"));
  const auto old = changed_true("old", [](Elf64_Ehdr& h) {
    h.e_machine = EM_386;
    h.e_ident[EI_CLASS] = ELFCLASS32;
  });
  EXPECT_THAT(refusal(old).message, HasSubstr("32-bit x86"));
}

TEST_F(Preflight, RefusesMusl) {
  const std::string path =
      build("musl", "int main(void){return 0;}", "-Wl,--dynamic-linker=/lib/ld-musl-x86_64.so.1");
  if (path.empty()) GTEST_SKIP() << "no compiler";
  EXPECT_THAT(refusal(path).message, HasSubstr("musl"));
}

TEST_F(Preflight, RefusesSanitizedPrograms) {
  for (const char* kind : {"address", "thread", "memory"}) {
    const std::string init = std::string("__") + kind[0] + "san_init";
    const std::string path = build(std::string("san_") + kind,
                                   "void " + init + "(void){} int main(void){return 0;}", "");
    if (path.empty()) GTEST_SKIP() << "no compiler";
    EXPECT_THAT(refusal(path).message, HasSubstr(std::string("-fsanitize=") + kind));
  }
  const std::string real = build("asan", "int main(void){return 0;}", "-fsanitize=address");
  if (!real.empty()) {
    EXPECT_THAT(refusal(real).message, HasSubstr("-fsanitize=address"));
  }
}

TEST_F(Preflight, RefusesAnAllocatorThatIsLinkedInAndTakesMallocOver) {
  const std::string malloc_source =
      "#include <stddef.h>\nstatic char b[9999]; void* malloc(size_t n){(void)n;return b;}\n"
      "void free(void*p){(void)p;} int main(void){return 0;}\n";
  const std::string je = build("je", malloc_source + "int mallctl(void){return 0;}", "-rdynamic");
  if (je.empty()) GTEST_SKIP() << "no compiler";
  EXPECT_THAT(refusal(je).message, AllOf(HasSubstr("jemalloc"), HasSubstr("libjemalloc.so")));
  const std::string tc = build("tc", malloc_source + "int tc_malloc(void){return 0;}", "");
  EXPECT_THAT(refusal(tc).message, HasSubstr("tcmalloc"));
  // Its own malloc may forward, and je_malloc may be one allocator of two: these are notes.
  const Result<Program> own = preflight({build("own", malloc_source, "")}, kSearch);
  ASSERT_TRUE(own.ok()) << own.error().message;
  EXPECT_THAT(own->notes, testing::ElementsAre(HasSubstr("defines malloc itself")));
  const Result<Program> redis = preflight(
      {build("redis", "int je_malloc(void){return 0;} int main(void){return 0;}", "")}, kSearch);
  ASSERT_TRUE(redis.ok()) << redis.error().message;
  EXPECT_THAT(redis->notes, testing::ElementsAre(HasSubstr("MALLOC=libc")));
}

TEST_F(Preflight, RefusesProgramsThatSwitchUserOrGroup) {
  const std::string path = folder_ + "/su";
  fs::copy_file("/bin/true", path);
  EXPECT_EQ(secure_reason(path), "");
  ASSERT_EQ(chmod(path.c_str(), 04755), 0);
  EXPECT_EQ(secure_reason(path), "") << "owned by ourselves: nothing would change";
  if (chown(path.c_str(), 65534, static_cast<gid_t>(-1)) != 0) GTEST_SKIP() << "needs root";
  chmod(path.c_str(), 04755);  // chown took the bit away
  struct stat st {};
  stat(path.c_str(), &st);
  ASSERT_TRUE(st.st_mode & S_ISUID);
  const Error e = refusal(path);
  EXPECT_EQ(e.code, Code::kImpossible);
  EXPECT_THAT(e.message, AllOf(HasSubstr("setuid"), HasSubstr("cp ")));
  ASSERT_EQ(chown(path.c_str(), 0, 65534), 0);
  chmod(path.c_str(), 02755);
  EXPECT_THAT(refusal(path).message, HasSubstr("setgid"));
}

TEST_F(Preflight, RefusesWhatIsNoProgram) {
  EXPECT_THAT(refusal(script("bytes", std::string("\x01\x00\x02", 3))).message,
              HasSubstr("neither an ELF program nor a script"));
}

TEST_F(Preflight, SurvivesAnyElfHeader) {
  std::ifstream in("/bin/true", std::ios::binary);
  const std::string good{std::istreambuf_iterator<char>(in), {}};
  const std::string path = folder_ + "/elf";
  for (size_t at = 0; at < 0x400; at += at < 64 ? 1 : 5) {
    std::string bad = good.substr(0, at % 3 == 0 ? good.size() : 0x1000);
    bad[at] = static_cast<char>(bad[at] ^ 0xff);
    std::ofstream(path, std::ios::binary) << bad;
    chmod(path.c_str(), 0755);
    const Result<Program> r = preflight({path}, kSearch);
    EXPECT_TRUE(r.ok() || !r.error().message.empty());
  }
}

}  // namespace
}  // namespace ullage::launch
