// SPDX-License-Identifier: Apache-2.0
#include "trace/native/names.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "trace/native/names_brackets.h"

namespace ullage::trace {
namespace {

using std::string_view;

// A name without its template arguments is cut here; no growth function's is longer.
constexpr std::size_t kPlainBytesMax = 1024;
// Words of one identifier that are looked at.
constexpr std::size_t kWordsMax = 16;

// "std::vector<A, B>::_M_realloc_insert<C>" -> "std::vector::_M_realloc_insert".
class PlainName {
 public:
  explicit PlainName(string_view name) {
    int depth = 0, parentheses = 0;
    for (std::size_t i = 0; i < name.size(); ++i) {
      if (const std::size_t after = skip_operator_sign(name, i); after != i) {
        if (depth == 0) append(name.substr(i, after - i));
        i = after - 1;
        continue;
      }
      const char c = name[i];
      if (depth > 0 && c == '(') ++parentheses;
      if (depth > 0 && c == ')' && parentheses > 0) --parentheses;
      if (parentheses > 0) continue;  // "A<(1 > 2)>"
      if (c == '<')
        ++depth;
      else if (c == '>' && depth > 0 && name[i - 1] != '-')
        --depth;
      else if (depth == 0)
        append(name.substr(i, 1));
      if (size_ == kPlainBytesMax) break;
    }
    // The strings people write as std::string are one template.
    static constexpr std::pair<string_view, string_view> kStrings[] = {
        {"std::string::", "std::basic_string::"},
        {"std::wstring::", "std::basic_string::"},
        {"std::u8string::", "std::basic_string::"},
        {"std::u16string::", "std::basic_string::"},
        {"std::u32string::", "std::basic_string::"},
        {"std::stringbuf::", "std::basic_stringbuf::"},
        {"std::wstringbuf::", "std::basic_stringbuf::"}};
    if (text().starts_with("std::"))
      for (const auto& [from, to] : kStrings)
        if (text().starts_with(from)) {
          replace_front(from.size(), to);
          break;
        }
  }

  string_view text() const { return {bytes_.data(), size_}; }

 private:
  void append(string_view part) {
    const std::size_t count = std::min(part.size(), kPlainBytesMax - size_);
    std::memcpy(bytes_.data() + size_, part.data(), count);
    size_ += count;
  }
  void replace_front(std::size_t count, string_view with) {
    const std::size_t rest = std::min(size_ - count, kPlainBytesMax - with.size());
    std::memmove(bytes_.data() + with.size(), bytes_.data() + count, rest);
    std::memcpy(bytes_.data(), with.data(), with.size());
    size_ = with.size() + rest;
  }

  std::array<char, kPlainBytesMax> bytes_;
  std::size_t size_ = 0;
};

string_view last_component(string_view plain) {
  const std::size_t at = plain.rfind("::");
  return at == string_view::npos ? plain : plain.substr(at + 2);
}

// The last `count` components, or all of it when there are fewer.
string_view tail(string_view plain, std::size_t count) {
  std::size_t at = plain.size();
  while (count-- > 0) {
    at = at == 0 ? string_view::npos : plain.rfind("::", at - 1);
    if (at == string_view::npos) return plain;
  }
  return plain.substr(at + 2);
}

// '*' stands for any characters but ':'.
bool glob(string_view pattern, string_view text) {
  std::size_t p = 0, t = 0, star = string_view::npos, resume = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p, ++t;
    } else if (star != string_view::npos && text[resume] != ':') {
      p = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

enum Counts { kElements, kBytes, kBuckets };

struct Pattern {
  string_view text;
  std::size_t components;
  GrowthName name;
};

struct Word {
  string_view first, second;  // second empty: one word
  GrowthName name;
};

// names.def, arranged for lookup by the last component.
struct GrowthTable {
  std::vector<Pattern> patterns;
  std::vector<Word> words;
  std::unordered_map<string_view, std::vector<const Pattern*>> by_last;
  std::vector<const Pattern*> with_wildcard_last;

  void pattern(string_view text, string_view kind, string_view family, string_view hint,
               Counts counts) {
    std::size_t components = 1;
    for (std::size_t at = 0; (at = text.find("::", at)) != string_view::npos; at += 2) ++components;
    patterns.push_back({text,
                        components,
                        {std::string(kind), std::string(family), std::string(hint),
                         counts == kBuckets, counts == kBytes, false}});
  }
  void word(string_view text, string_view kind, string_view hint, Counts counts) {
    const std::size_t space = std::min(text.find(' '), text.size());
    words.push_back(
        {text.substr(0, space),
         text.substr(std::min(space + 1, text.size())),
         {std::string(kind), {}, std::string(hint), counts == kBuckets, counts == kBytes, true}});
  }

  GrowthTable() {
#define GROWTH(text, kind, family, hint, counts) pattern(text, kind, family, hint, counts);
#define WORD(text, kind, hint, counts) word(text, kind, hint, counts);
#include "trace/native/names.def"
#undef GROWTH
#undef WORD
    for (const Pattern& pattern : patterns) {
      const string_view last = last_component(pattern.text);
      if (last.find('*') == string_view::npos)
        by_last[last].push_back(&pattern);
      else
        with_wildcard_last.push_back(&pattern);
    }
  }
};

const GrowthTable& growth_table() {
  static const GrowthTable table;
  return table;
}

// A pattern of one component is a C function and matches only whole names.
bool matches(const Pattern& pattern, string_view plain) {
  return glob(pattern.text, pattern.components == 1 ? plain : tail(plain, pattern.components));
}

bool upper(char c) { return c >= 'A' && c <= 'Z'; }
bool lower(char c) { return c >= 'a' && c <= 'z'; }

bool equal_ignoring_case(string_view lower_text, string_view text) {
  if (lower_text.size() != text.size()) return false;
  for (std::size_t i = 0; i < text.size(); ++i)
    if (lower_text[i] != (upper(text[i]) ? static_cast<char>(text[i] + 32) : text[i])) return false;
  return true;
}

// The words of an identifier: growOpArray, lp_realloc, SDSGrow.
std::size_t split_words(string_view name, std::array<string_view, kWordsMax>& words) {
  std::size_t count = 0;
  for (std::size_t i = 0; i < name.size() && count < kWordsMax;) {
    if (!upper(name[i]) && !lower(name[i])) {
      ++i;
      continue;
    }
    std::size_t end = i + 1;
    if (upper(name[i]) && end < name.size() && upper(name[end])) {
      while (end < name.size() && upper(name[end]) &&
             !(end + 1 < name.size() && lower(name[end + 1])))
        ++end;
    } else {
      while (end < name.size() && lower(name[end])) ++end;
    }
    words[count++] = name.substr(i, end - i);
    i = end;
  }
  return count;
}

// names_library.def.
struct LibraryTable {
  std::unordered_set<string_view> namespaces, functions;
  std::vector<string_view> namespace_prefixes, function_prefixes, modules, sources;

  static void add(string_view text, std::unordered_set<string_view>& whole,
                  std::vector<string_view>& prefixes) {
    if (text.ends_with('*'))
      prefixes.push_back(text.substr(0, text.size() - 1));
    else
      whole.insert(text);
  }

  LibraryTable() {
#define NAMESPACE(text) add(text, namespaces, namespace_prefixes);
#define FUNCTION(text) add(text, functions, function_prefixes);
#define MODULE(text) modules.push_back(text);
#define SOURCE(text) sources.push_back(text);
#include "trace/native/names_library.def"
#undef NAMESPACE
#undef FUNCTION
#undef MODULE
#undef SOURCE
  }

  // A path of a namespace or class, or one of its members.
  bool owns(string_view plain) const {
    for (std::size_t at = 0; at != string_view::npos;) {
      at = plain.find("::", at);
      if (namespaces.contains(plain.substr(0, at))) return true;
      if (at != string_view::npos) at += 2;
    }
    return std::any_of(namespace_prefixes.begin(), namespace_prefixes.end(),
                       [&](string_view prefix) { return plain.starts_with(prefix); });
  }

  bool wrapper(string_view plain) const {
    if (plain.find("::") != string_view::npos) return false;
    return functions.contains(plain) ||
           std::any_of(function_prefixes.begin(), function_prefixes.end(),
                       [&](string_view prefix) { return plain.starts_with(prefix); });
  }
};

const LibraryTable& library_table() {
  static const LibraryTable table;
  return table;
}

// Rust's "<Type as Trait>::f": belongs to the type, or to the trait when the type is a parameter or
// built in.
bool rust_impl_is_library(string_view function, const LibraryTable& table) {
  int depth = 0;
  std::size_t end = 0;
  for (; end < function.size(); ++end) {
    if (function[end] == '<') ++depth;
    if (function[end] == '>' && function[end - 1] != '-' && --depth == 0) break;
  }
  string_view inside = function.substr(1, end > 0 ? end - 1 : 0);
  string_view type = inside, trait;
  depth = 0;
  for (std::size_t i = 0; i < inside.size(); ++i) {
    if (inside[i] == '<') ++depth;
    if (inside[i] == '>') --depth;
    if (depth == 0 && inside.substr(i, 4) == " as ") {
      type = inside.substr(0, i);
      trait = inside.substr(i + 4);
      break;
    }
  }
  for (string_view sign : {"&", "mut ", "*const ", "*mut ", "[", "("})
    if (type.starts_with(sign)) type.remove_prefix(sign.size());
  const PlainName plain(type);
  if (plain.text().find("::") != string_view::npos) return table.owns(plain.text());
  return trait.empty() || table.owns(PlainName(trait).text());
}

}  // namespace

const GrowthName* growth_name(string_view function) {
  const GrowthTable& table = growth_table();
  const PlainName name(function);
  const string_view plain = name.text();
  const string_view last = last_component(plain);
  if (const auto it = table.by_last.find(last); it != table.by_last.end())
    for (const Pattern* pattern : it->second)
      if (matches(*pattern, plain)) return &pattern->name;
  for (const Pattern* pattern : table.with_wildcard_last)
    if (matches(*pattern, plain)) return &pattern->name;

  if (last.starts_with("operator") || last.starts_with('{')) return nullptr;
  std::array<string_view, kWordsMax> words;
  const std::size_t count = split_words(last, words);
  for (std::size_t i = 0; i < count; ++i)
    for (const Word& word : table.words) {
      if (!equal_ignoring_case(word.first, words[i])) continue;
      if (!word.second.empty() &&
          (i + 1 == count || !equal_ignoring_case(word.second, words[i + 1])))
        continue;
      return library_table().wrapper(plain) ? nullptr : &word.name;
    }
  return nullptr;
}

const GrowthName& realloc_growth() {
  static const GrowthName* const name = growth_name("buffer_realloc");
  return *name;
}

bool library_frame(const evidence::Frame& frame) {
  const LibraryTable& table = library_table();
  const string_view module = frame.module;
  for (string_view listed : table.modules)
    if (module.starts_with(listed)) return true;
  const string_view function = frame.function;
  // A nearest symbol that does not cover the address says nothing about the code there.
  if (!function.empty() && frame.exact) {
    const PlainName name(function);
    const string_view plain = name.text();
    if (function.starts_with('<')) {
      if (rust_impl_is_library(function, table)) return true;
    } else if (table.owns(plain) || table.wrapper(plain)) {
      return true;
    }
  }
  const string_view file = frame.file;
  return std::any_of(table.sources.begin(), table.sources.end(),
                     [&](string_view part) { return file.find(part) != string_view::npos; });
}

}  // namespace ullage::trace
