// SPDX-License-Identifier: Apache-2.0
#include "trace/native/symbols_code.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <gelf.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <new>
#include <stdexcept>

namespace ullage::trace {
namespace {

// What is left of std::vector's growth when its name is gone: the text, and a call.
[[gnu::noinline]] void* holds_vector_growth(std::size_t bytes) {
  if (bytes > PTRDIFF_MAX) std::__throw_length_error("vector::_M_realloc_insert");
  return ::operator new(bytes);
}
[[gnu::noinline]] void* holds_string_growth(std::size_t bytes) {
  if (bytes > PTRDIFF_MAX) std::__throw_length_error("basic_string::_M_create");
  return ::operator new(bytes);
}
[[gnu::noinline]] void* holds_nothing(std::size_t bytes) { return ::operator new(bytes + 1); }

std::uint64_t returned_to = 0;
[[gnu::noinline]] void callee() {
  returned_to = reinterpret_cast<std::uint64_t>(__builtin_return_address(0));
}
[[gnu::noinline]] int calls() {
  callee();
  return static_cast<int>(returned_to & 1);  // keeps the call from being the last instruction
}

// Reads the code of this very program.
struct CodeReaderTest : testing::Test {
  void SetUp() override {
#if !defined(__x86_64__)
    GTEST_SKIP() << "the code of other machines is not read";
#endif
    elf_version(EV_CURRENT);
    fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    elf = elf_begin(fd, ELF_C_READ_MMAP, nullptr);
    Dl_info info;
    ASSERT_NE(dladdr(reinterpret_cast<void*>(&holds_nothing), &info), 0);
    GElf_Ehdr header;
    ASSERT_NE(gelf_getehdr(elf, &header), nullptr);
    base = header.e_type == ET_EXEC ? 0 : reinterpret_cast<std::uint64_t>(info.dli_fbase);
  }
  void TearDown() override {
    if (elf != nullptr) elf_end(elf);
    if (fd >= 0) close(fd);
  }
  template <class Function>
  std::uint64_t inside(Function* function) {
    return reinterpret_cast<std::uint64_t>(function) - base + 2;
  }
  int fd = -1;
  Elf* elf = nullptr;
  std::uint64_t base = 0;
};

TEST_F(CodeReaderTest, FindsTheVectorThatAFunctionWithoutANameHolds) {
  CodeReader code{elf, [](std::uint64_t) { return ElfModule::Symbol{}; }};
  EXPECT_EQ(code.growth_at(inside(&holds_vector_growth)).text, "std::vector::_M_realloc_insert");
  EXPECT_EQ(code.growth_at(inside(&holds_nothing)).text, "");
  // A string names itself already when it is made, which is no growth.
  EXPECT_EQ(code.growth_at(inside(&holds_string_growth)).text, "");
  for (auto* holds : {&holds_vector_growth, &holds_string_growth, &holds_nothing}) {
    void* block = holds(0);
    ASSERT_NE(block, nullptr);
    ::operator delete(block);
  }
}

TEST_F(CodeReaderTest, FindsWhatACallGoesToEvenIfThatLeavesNoFrame) {
  calls();
  const std::uint64_t wanted = reinterpret_cast<std::uint64_t>(&callee) - base;
  const char* name = "_ZN4llvm15allocate_bufferEmm";
  CodeReader code{elf, [&](std::uint64_t address) {
                    return ElfModule::Symbol{name, address - wanted, address == wanted};
                  }};
  EXPECT_EQ(code.growth_at(returned_to - base).callee, "llvm::DenseMap::grow");
  name = "_ZN4llvm15SmallVectorBaseIjE13mallocForGrowEmmRm";
  EXPECT_EQ(code.growth_at(returned_to - base).callee,
            "llvm::SmallVectorBase<unsigned int>::mallocForGrow");
  name = "buffer_grow";  // a word alone is no proof
  EXPECT_EQ(code.growth_at(returned_to - base).callee, "");
}

TEST_F(CodeReaderTest, AnswersNothingOutsideOfTheCode) {
  CodeReader code{elf, [](std::uint64_t) { return ElfModule::Symbol{}; }};
  for (const std::uint64_t address : {UINT64_C(0), UINT64_C(1), UINT64_C(4), UINT64_MAX,
                                      UINT64_C(1) << 47, UINT64_C(0x8000000000000000)}) {
    EXPECT_EQ(code.growth_at(address).text, "") << address;
    EXPECT_EQ(code.growth_at(address).callee, "") << address;
  }
  CodeReader none{nullptr, [](std::uint64_t) { return ElfModule::Symbol{}; }};
  EXPECT_EQ(none.growth_at(0x1000).text, "");
}

}  // namespace
}  // namespace ullage::trace
