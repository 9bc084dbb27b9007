// SPDX-License-Identifier: Apache-2.0
#pragma once

// Readable names: from linker symbols to what a person would write in the source.
//
//   demangle("_ZNSt6vectorIiSaIiEE9push_backERKi")     "std::vector<int>::push_back"
//   tidy_type("std::vector<int, std::allocator<int> >")  "std::vector<int>"
//
// Promises     Never fails: what can't be understood comes back as it was. Argument lists, return
//              types, clone suffixes, Rust hashes, inline namespaces (std::__cxx11, std::__1,
//              absl::lts_*) and defaulted template arguments go; template arguments stay.
// Input        Outside bytes: any length, any content. Longer than kNameBytesMax comes back cut.
// Cost         Linear in the length of the demangled name. Thread-safety: any thread.

#include <string>
#include <string_view>
#include <vector>

namespace ullage::trace {

// Mangled names longer than this are shown cut, and demangled ones stop growing here: a hostile
// symbol of a few hundred bytes can demangle to gigabytes.
inline constexpr std::size_t kNameBytesMax = 32 * 1024;

// A linker symbol (C, C++, Rust legacy or v0) as a function name.
std::string demangle(std::string_view symbol);

// A demangled C++ name with arguments and return type ("void f<int>(int)") as a function name.
std::string tidy_function(std::string_view demangled);

// A C++ type or qualified name, without defaulted template arguments.
std::string tidy_type(std::string_view type);

// The template arguments of "a::b<x, y<z>>": {"x", "y<z>"}; of its last component. Empty if none.
std::vector<std::string_view> template_arguments(std::string_view type);

}  // namespace ullage::trace
