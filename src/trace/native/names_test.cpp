// SPDX-License-Identifier: Apache-2.0
#include "trace/native/names.h"

#include <gtest/gtest.h>

#include <tuple>

#include "trace/native/names_container.h"

namespace ullage::trace {
namespace {

std::string kind(std::string_view function) {
  const GrowthName* name = growth_name(function);
  return name == nullptr ? "-" : (name->generic ? "generic " : "") + name->kind;
}

evidence::Frame frame(std::string function, std::string file = {}, std::string module = "app") {
  evidence::Frame made;
  made.function = std::move(function);
  made.file = std::move(file);
  made.module = std::move(module);
  return made;
}

TEST(GrowthName, KnowsTheGrowthFunctionsOfManyLibraries) {
  const std::pair<const char*, const char*> kExpected[] = {
      {"std::vector<Order>::_M_realloc_insert<Order const&>", "vector"},
      {"std::vector<std::pair<int, A<(1 > 2)>>>::_M_default_append", "vector"},
      {"std::string::_M_mutate", "string"},
      {"std::basic_string<char, my_traits>::_M_create", "string"},
      {"std::_Hashtable<int, std::pair<int const, A>>::_M_rehash_aux", "hash table"},
      {"std::deque<int>::_M_reallocate_map", "deque map"},
      {"std::stringbuf::overflow", "string"},
      {"std::vector<A>::__push_back_slow_path<A const&>", "vector"},
      {"std::__hash_table<A>::__do_rehash<true>", "hash table"},
      {"std::__split_buffer<A, std::allocator<A>&>::__split_buffer", "vector"},
      {"absl::container_internal::raw_hash_set<A>::resize", "hash table"},
      {"absl::inlined_vector_internal::Storage<A, 4ul, B>::EmplaceBackSlow<A>", "vector"},
      {"llvm::SmallVectorBase<unsigned int>::grow_pod", "vector"},
      {"llvm::SmallVectorTemplateBase<A, false>::grow", "vector"},
      {"llvm::DenseMap<A, B>::grow", "hash table"},
      {"llvm::DenseMapBase<llvm::DenseMap<A, B>>::grow", "hash table"},
      {"llvm::StringMapImpl::RehashTable", "hash table"},
      {"alloc::raw_vec::RawVec<T,A>::grow_amortized", "vector"},
      {"alloc::raw_vec::RawVec<a::Order>::grow_one", "vector"},
      {"alloc::raw_vec::RawVec<T,A>::reserve::do_reserve_and_handle", "vector"},
      {"alloc::raw_vec::finish_grow", "vector"},
      {"hashbrown::raw::RawTable<T,A>::reserve_rehash", "hash table"},
      {"QArrayData::reallocateUnaligned", "vector"},
      {"QListData::realloc_grow", "vector"},
      {"folly::fbvector<int>::emplace_back_aux<int>", "vector"},
      {"boost::container::vector<int>::priv_insert_forward_range_no_capacity<X>", "vector"},
      {"sqlite3StrAccumEnlarge", "string"},
      {"vdbeSorterSort", "buffer"},
      {"pcache1ResizeHash", "hash table"},
      {"_dictExpand", "hash table"},
      {"sdsMakeRoomFor", "string"},
      {"raxAddChild", "buffer"},
      {"dictresize", "hash table"},
      {"list_resize", "vector"},
      {"g_array_maybe_expand", "vector"},
  };
  for (const auto& [function, expected] : kExpected)
    EXPECT_EQ(kind(function), expected) << function;
}

TEST(GrowthName, RecognisesTheWordsOfUnknownFunctions) {
  EXPECT_EQ(kind("growMyTable"), "generic buffer");
  EXPECT_EQ(kind("my::Buffer::ensureCapacity"), "generic buffer");
  EXPECT_EQ(kind("Arena<int>::ensure_capacity"), "generic buffer");
  EXPECT_EQ(kind("BUF_GROW"), "generic buffer");
  EXPECT_EQ(kind("node_rehash2"), "generic hash table");
  EXPECT_EQ(kind("bufReallocate"), "generic realloc buffer");
}

TEST(GrowthName, IsNotFooledByWordsWithinWords) {
  EXPECT_EQ(kind("llvm::AnalysisUsage::addPreserved"), "-");
  EXPECT_EQ(kind("preserve"), "-");
  EXPECT_EQ(kind("expanded_size"), "-");
  EXPECT_EQ(kind("grower"), "-");
  EXPECT_EQ(kind("main"), "-");
  EXPECT_EQ(kind(""), "-");
  EXPECT_EQ(kind("std::vector<grow>::size"), "-");
  EXPECT_EQ(kind("Tree::operator new"), "-");
  EXPECT_EQ(kind("other::_M_mutate"), "-") << "the class belongs to the pattern";
  EXPECT_EQ(kind("my::std::vector<int>::_M_realloc_insert"), "vector");
  EXPECT_EQ(kind("ns::dictresize"), "-") << "a C function has no namespace";
}

TEST(GrowthName, GivesAllocatorsThemselvesNoGrowth) {
  for (const char* wrapper :
       {"realloc", "g_realloc", "zrealloc", "sqlite3Realloc", "PyMem_Realloc"})
    EXPECT_EQ(growth_name(wrapper), nullptr) << wrapper;
}

TEST(GrowthName, SaysWhatToReserveAndWhatNCounts) {
  EXPECT_EQ(growth_name("std::vector<A>::_M_realloc_insert")->reserve_hint, "v.reserve({N})");
  EXPECT_TRUE(growth_name("std::_Hashtable<A, B>::_M_rehash")->counts_buckets);
  EXPECT_TRUE(growth_name("std::string::_M_append")->counts_bytes);
  EXPECT_EQ(growth_name("RawVec<u8>::grow_one")->reserve_hint, "Vec::with_capacity({N})");
  EXPECT_EQ(growth_name("list_resize")->reserve_hint, "");
  EXPECT_EQ(realloc_growth().kind, "realloc buffer");
  EXPECT_NE(realloc_growth().reserve_hint.find("{N}"), std::string::npos);
}

TEST(LibraryFrame, PutsContainersAndAllocatorsAsideAndLeavesTheUser) {
  for (const char* name : {"std::vector<Order>::push_back",
                           "std::function<void ()>::operator()",
                           "std::__invoke_impl<void, main::{lambda#1}>",
                           "__gnu_cxx::new_allocator<int>::allocate",
                           "absl::container_internal::raw_hash_set<A>::resize",
                           "llvm::SmallVectorImpl<int>::push_back",
                           "llvm::DenseMapBase<A>::grow",
                           "operator new",
                           "operator new[]",
                           "xmalloc",
                           "zmalloc_usable",
                           "sqlite3Malloc",
                           "sqlite3DbMallocRaw",
                           "PyObject_Malloc",
                           "g_malloc0",
                           "strdup",
                           "alloc::vec::Vec<T,A>::push",
                           "<alloc::vec::Vec<T,A> as core::ops::Drop>::drop",
                           "<T as alloc::string::ToString>::to_string",
                           "core::ops::function::FnOnce::call_once",
                           "hashbrown::map::HashMap<K,V>::insert",
                           "QVector<int>::append",
                           "_start"})
    EXPECT_TRUE(library_frame(frame(name))) << name;
  for (const char* name :
       {"main", "main::{lambda#1}::operator()", "sqlite3StrAccumEnlarge", "sdsMakeRoomFor",
        "order::Book::add", "llvm::Module::Module", "<app::Order as core::clone::Clone>::clone",
        "app::main::{{closure}}", "core::Engine::run", "stdlib::vector::push", "Qualified::name",
        "list_resize", "(anonymous namespace)::fill", ""})
    EXPECT_FALSE(library_frame(frame(name))) << name;
}

TEST(LibraryFrame, GoesByFileAndModuleToo) {
  EXPECT_TRUE(library_frame(frame("", "", "libc.so.6")));
  EXPECT_TRUE(library_frame(frame("", "", "ld-linux-x86-64.so.2")));
  EXPECT_TRUE(library_frame(frame("push_back", "/usr/include/c++/12/bits/stl_vector.h")));
  EXPECT_TRUE(library_frame(frame("x", "/rustc/abc/library/alloc/src/raw_vec.rs")));
  EXPECT_FALSE(library_frame(frame("", "", "libcrypto.so.3")));
  EXPECT_FALSE(library_frame(frame("push_back", "/home/me/stack.cpp")));
}

TEST(LibraryFrame, DoesNotBelieveAGuessedName) {
  evidence::Frame guess = frame("std::vector<A>::push_back");
  guess.exact = false;
  EXPECT_FALSE(library_frame(guess));
}

TEST(ContainerName, IsTheNameAPersonWouldWrite) {
  const std::tuple<const char*, const char*, const char*> kExpected[] = {
      {"std::vector<Order>::_M_realloc_insert<Order const&>", "std::vector<Order>", "Order"},
      {"std::_Vector_base<Order>::_M_allocate", "std::vector<Order>", "Order"},
      {"std::string::_M_mutate", "std::string", "char"},
      {"std::_Hashtable<int, std::pair<int const, A>>::_M_rehash", "std::unordered_map<int, A>",
       "std::pair<int const, A>"},
      {"std::_Hashtable<int, int>::_M_rehash", "std::unordered_set<int>", "int"},
      {"std::__hash_table<std::__hash_value_type<int, A>>::__rehash", "std::unordered_map<int, A>",
       "std::pair<int const, A>"},
      {"absl::container_internal::raw_hash_set<absl::container_internal::FlatHashMapPolicy<int, A>>"
       "::resize",
       "absl::flat_hash_map<int, A>", "std::pair<int const, A>"},
      // As debug information spells the constant key.
      {"std::_Hashtable<a::Key, std::pair<const a::Key, A>>::_M_rehash",
       "std::unordered_map<a::Key, A>", "std::pair<const a::Key, A>"},
      {"llvm::SmallVectorTemplateBase<A, true>::grow", "llvm::SmallVector<A>", "A"},
      {"llvm::SmallVectorBase<unsigned int>::grow_pod", "", ""},
      {"alloc::raw_vec::RawVec<u8>::grow_one", "Vec<u8>", "u8"},
      {"hashbrown::raw::RawTable<(u32, a::Order)>::reserve_rehash", "HashMap<u32, a::Order>",
       "(u32, a::Order)"},
      {"ns::Stack<ns::A<int>>::push", "ns::Stack<ns::A<int>>", "ns::A<int>"},
      {"sdsMakeRoomFor", "", ""},
      {"ns::Buffer::grow", "", ""},
  };
  for (const auto& [function, container, element] : kExpected) {
    const ContainerName name = container_name(function);
    EXPECT_EQ(name.container, container) << function;
    EXPECT_EQ(name.element, element) << function;
  }
}

TEST(KnownSize, KnowsWhatIsTheSameEverywhere) {
  EXPECT_EQ(known_size("unsigned long"), 8U);
  EXPECT_EQ(known_size("Order*"), 8U);
  EXPECT_EQ(known_size("std::vector<Order>"), 24U);
  EXPECT_EQ(known_size("u16"), 2U);
  EXPECT_EQ(known_size("Order"), 0U);
}

}  // namespace
}  // namespace ullage::trace
