// SPDX-License-Identifier: Apache-2.0
#include "trace/native/names_container.h"

#include <vector>

#include "trace/native/names_brackets.h"
#include "trace/native/names_tidy.h"

namespace ullage::trace {
namespace {

using std::string;
using std::string_view;

// The class of a member function: everything before its last top-level "::".
string_view scope_of(string_view function) {
  function = function.substr(0, kNameBytesMax);
  const Brackets brackets(function);
  std::size_t last = string_view::npos;
  for (std::size_t i = 0; i < function.size();) {
    if (const std::size_t after = skip_operator_sign(function, i); after != i) {
      i = after;
    } else if (brackets.closer(i) != 0) {
      i = brackets.closer(i) + 1;
    } else {
      if (function.substr(i, 2) == "::") last = i;
      ++i;
    }
  }
  return last == string_view::npos ? string_view{} : function.substr(0, last);
}

// The template's name without its arguments: "std::vector<A>" -> "std::vector".
string_view template_name(string_view type) { return type.substr(0, type.find('<')); }

// Implementation classes and the containers people know them by; the element is an argument.
struct Alias {
  string_view inner, outer;
  std::size_t element;
};
constexpr Alias kAliases[] = {
    {"std::_Vector_base", "std::vector", 0},
    {"std::__vector_base", "std::vector", 0},
    {"std::__split_buffer", "std::vector", 0},
    {"std::_Deque_base", "std::deque", 0},
    {"llvm::SmallVectorTemplateBase", "llvm::SmallVector", 0},
    {"llvm::SmallVectorTemplateCommon", "llvm::SmallVector", 0},
    {"llvm::SmallVectorImpl", "llvm::SmallVector", 0},
    {"alloc::raw_vec::RawVec", "Vec", 0},
    {"alloc::vec::Vec", "Vec", 0},
    {"hashbrown::raw::RawTable", "HashMap", 0},
    {"QArrayDataPointer", "QList", 0},
    {"QTypedArrayData", "QVector", 0},
};

// Element 0 of these is not what they store.
constexpr string_view kNoElement[] = {"llvm::SmallVectorBase",    "alloc::raw_vec::RawVecInner",
                                      "std::allocator_traits",    "std::allocator",
                                      "__gnu_cxx::new_allocator", "std::function",
                                      "std::_Function_handler"};

// "std::pair<K const, V>" -> {"K", "V"}
bool split_pair(string_view pair, string* key, string* value) {
  if (template_name(pair) != "std::pair") return false;
  const auto parts = template_arguments(pair);
  if (parts.size() != 2) return false;
  string_view first = parts[0];
  if (first.ends_with(" const")) first.remove_suffix(6);
  if (first.starts_with("const ")) first.remove_prefix(6);  // as debug information writes it
  *key = first;
  *value = parts[1];
  return true;
}

string of(string_view name, std::initializer_list<string_view> arguments) {
  string text(name);
  char separator = '<';
  for (string_view argument : arguments) {
    text += separator;
    if (separator == ',') text += ' ';
    text += argument;
    separator = ',';
  }
  return text + '>';
}

// std::_Hashtable<Key, Value>, or with all ten arguments when keys need not be unique.
ContainerName libstdcxx_hashtable(const std::vector<string_view>& arguments) {
  ContainerName name;
  if (arguments.size() < 2) return name;
  name.element = arguments[1];
  const bool multi = arguments.size() > 2 && arguments.back().ends_with("false>");
  string key, value;
  if (split_pair(arguments[1], &key, &value))
    name.container = of(multi ? "std::unordered_multimap" : "std::unordered_map", {key, value});
  else
    name.container = of(multi ? "std::unordered_multiset" : "std::unordered_set", {arguments[0]});
  return name;
}

ContainerName libcxx_hash_table(const std::vector<string_view>& arguments) {
  ContainerName name;
  if (arguments.empty()) return name;
  const auto inner = template_arguments(arguments[0]);
  if (template_name(arguments[0]) == "std::__hash_value_type" && inner.size() == 2) {
    name.container = of("std::unordered_map", {inner[0], inner[1]});
    name.element = of("std::pair", {string(inner[0]) + " const", inner[1]});
  } else {
    name.container = of("std::unordered_set", {arguments[0]});
    name.element = arguments[0];
  }
  return name;
}

// absl::container_internal::raw_hash_set<FlatHashMapPolicy<K, V>, …>
ContainerName absl_table(const std::vector<string_view>& arguments) {
  ContainerName name;
  if (arguments.empty()) return name;
  string_view policy = template_name(arguments[0]);
  if (const std::size_t at = policy.rfind("::"); at != string_view::npos)
    policy = policy.substr(at + 2);
  const auto inner = template_arguments(arguments[0]);
  const bool flat = policy.starts_with("Flat");
  if (policy.ends_with("MapPolicy") && inner.size() >= 2) {
    name.container = of(flat ? "absl::flat_hash_map" : "absl::node_hash_map", {inner[0], inner[1]});
    name.element = of("std::pair", {string(inner[0]) + " const", inner[1]});
  } else if (policy.ends_with("SetPolicy") && !inner.empty()) {
    name.container = of(flat ? "absl::flat_hash_set" : "absl::node_hash_set", {inner[0]});
    name.element = inner[0];
  }
  if (!flat && !name.element.empty()) name.element += '*';
  return name;
}

// hashbrown's RawTable<(K, V)>; a set's V is ().
string rust_table(string_view pair) {
  if (!pair.starts_with('(') || !pair.ends_with(')')) return of("HashMap", {pair});
  pair = pair.substr(1, pair.size() - 2);
  if (pair.ends_with(", ()")) return of("HashSet", {pair.substr(0, pair.size() - 4)});
  return of("HashMap", {pair});
}

// llvm::DenseMap<Key, Value, KeyInfo, Bucket>: it stores buckets.
ContainerName densemap(const std::vector<string_view>& arguments) {
  ContainerName name;
  if (arguments.size() < 2) return name;
  name.container = of("llvm::DenseMap", {arguments[0], arguments[1]});
  name.element = arguments.back();
  return name;
}

}  // namespace

ContainerName container_name(string_view function) {
  const string_view scope = scope_of(function);
  ContainerName name;
  if (scope == "std::string" || scope == "std::wstring") {
    name.container = scope;
    name.element = scope == "std::string" ? "char" : "wchar_t";
    return name;
  }
  if (!scope.ends_with('>') || scope.starts_with('<')) return name;
  const auto arguments = template_arguments(scope);
  if (arguments.empty()) return name;
  const string_view head = template_name(scope);
  if (head == "std::_Hashtable") return libstdcxx_hashtable(arguments);
  if (head == "std::__hash_table") return libcxx_hash_table(arguments);
  if (head == "absl::container_internal::raw_hash_set") return absl_table(arguments);
  if (head == "std::unordered_map" || head == "std::map" || head == "absl::flat_hash_map") {
    name.container = scope;
    if (arguments.size() >= 2)
      name.element = of("std::pair", {string(arguments[0]) + " const", arguments[1]});
    return name;
  }
  if (head == "llvm::DenseMapBase") return densemap(template_arguments(arguments[0]));
  if (head == "llvm::DenseMap") return densemap(arguments);
  for (string_view none : kNoElement)
    if (head == none) return name;
  for (const Alias& alias : kAliases) {
    if (head != alias.inner || alias.element >= arguments.size()) continue;
    name.element = arguments[alias.element];
    if (alias.outer == "HashMap") {
      name.container = rust_table(name.element);
      return name;
    }
    name.container = of(alias.outer, {name.element});
    return name;
  }
  name.container = scope;
  name.element = arguments[0];
  return name;
}

std::uint64_t known_size(string_view type) {
  if (type.ends_with(" const")) type.remove_suffix(6);
  if (type.ends_with('*')) return 8;
  struct Known {
    string_view name;
    std::uint64_t bytes;
  };
  constexpr Known kTypes[] = {{"char", 1},
                              {"signed char", 1},
                              {"unsigned char", 1},
                              {"bool", 1},
                              {"char8_t", 1},
                              {"std::byte", 1},
                              {"short", 2},
                              {"unsigned short", 2},
                              {"char16_t", 2},
                              {"int", 4},
                              {"unsigned int", 4},
                              {"float", 4},
                              {"wchar_t", 4},
                              {"char32_t", 4},
                              {"long", 8},
                              {"unsigned long", 8},
                              {"long long", 8},
                              {"unsigned long long", 8},
                              {"double", 8},
                              {"long double", 16},
                              {"__int128", 16},
                              {"unsigned __int128", 16},
                              {"std::string_view", 16},
                              // Rust
                              {"u8", 1},
                              {"i8", 1},
                              {"u16", 2},
                              {"i16", 2},
                              {"u32", 4},
                              {"i32", 4},
                              {"f32", 4},
                              {"u64", 8},
                              {"i64", 8},
                              {"f64", 8},
                              {"usize", 8},
                              {"isize", 8},
                              {"u128", 16},
                              {"i128", 16},
                              {"alloc::string::String", 24}};
  for (const Known& known : kTypes)
    if (known.name == type) return known.bytes;
  const string_view head = template_name(type);
  if (head.size() < type.size()) {
    if (head == "std::vector" && !type.starts_with("std::vector<bool")) return 24;
    if (head == "std::shared_ptr" || head == "std::weak_ptr") return 16;
    if (head == "std::unique_ptr" && template_arguments(type).size() == 1) return 8;
    if (head == "alloc::vec::Vec") return 24;
  }
  return 0;
}

}  // namespace ullage::trace
