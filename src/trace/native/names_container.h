// SPDX-License-Identifier: Apache-2.0
#pragma once

// From the name of a member function to the container a person wrote, by text alone:
//
//   container_name("std::_Hashtable<int, std::pair<int const, A>, …>::_M_rehash")
//     -> container "std::unordered_map<int, A>", element "std::pair<int const, A>"
//
// Input: a name as demangle() gives it. Thread-safety: any thread.

#include <cstdint>
#include <string>
#include <string_view>

namespace ullage::trace {

struct ContainerName {
  std::string container;  // empty = not a member of a class template
  std::string element;    // what it stores; empty = unknown
};
ContainerName container_name(std::string_view function);

// sizeof a fundamental type, pointer or well-known standard type on a 64-bit machine; 0 = unknown.
std::uint64_t known_size(std::string_view type);

}  // namespace ullage::trace
