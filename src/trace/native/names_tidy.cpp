// SPDX-License-Identifier: Apache-2.0
#include "trace/native/names_tidy.h"

#include <cxxabi.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <memory>

#include "trace/native/names_brackets.h"
#include "trace/native/names_rust.h"

namespace ullage::trace {
namespace {

using std::string;
using std::string_view;

// Brackets nested deeper than this are copied as they are; real names stay below 30.
constexpr int kNestingMax = 64;

bool identifier(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '$';
}

// Inline namespaces that say nothing to a reader.
constexpr string_view kInlineNamespaces[] = {"__cxx11::", "__1::", "__ndk1::", "_V2::"};

// Length of an inline namespace at the start of `text` ("lts_20220623::", and Debian's Abseil has
// "debian3::"), or 0.
std::size_t inline_namespace(string_view text) {
  for (string_view name : kInlineNamespaces)
    if (text.starts_with(name)) return name.size();
  for (string_view name : {string_view("lts_"), string_view("debian")}) {
    if (!text.starts_with(name)) continue;
    std::size_t end = name.size();
    while (end < text.size() && text[end] >= '0' && text[end] <= '9') ++end;
    return end > name.size() && text.substr(end, 2) == "::" ? end + 2 : 0;
  }
  return 0;
}

// Templates whose trailing arguments have the defaults known to is_default().
constexpr string_view kDefaulted[] = {
    "std::vector",
    "std::deque",
    "std::list",
    "std::forward_list",
    "std::set",
    "std::multiset",
    "std::map",
    "std::multimap",
    "std::unordered_map",
    "std::unordered_set",
    "std::unordered_multimap",
    "std::unordered_multiset",
    "std::basic_string",
    "std::basic_string_view",
    "std::unique_ptr",
    "std::queue",
    "std::stack",
    "std::priority_queue",
    "std::_Vector_base",
    "std::_Deque_base",
    "std::_List_base",
    "std::_Fwd_list_base",
    "std::basic_ostream",
    "std::basic_istream",
    "std::basic_iostream",
    "std::basic_ios",
    "std::basic_streambuf",
    "std::basic_stringbuf",
    "std::basic_stringstream",
    "std::basic_ostringstream",
    "std::basic_istringstream",
    "std::basic_ofstream",
    "std::basic_ifstream",
    "std::basic_fstream",
    "std::basic_filebuf",
    "std::basic_regex",
    "std::__vector_base",
    "absl::flat_hash_map",
    "absl::flat_hash_set",
    "absl::node_hash_map",
    "absl::node_hash_set",
    "absl::btree_map",
    "absl::btree_set",
    "absl::InlinedVector",
    "absl::FixedArray",
    "__gnu_cxx::hash_map",
    "boost::container::vector",
    "boost::container::small_vector",
    "folly::fbvector",
};

// Implementation classes whose first arguments tell everything; the rest is policy that fills a
// screen.
struct Shortened {
  string_view name;
  std::size_t keep;
};
constexpr Shortened kShortened[] = {
    {"std::_Hashtable", 2},
    {"std::__hash_table", 1},
    {"std::_Rb_tree", 2},
    {"std::__tree", 1},
    {"std::__detail::_Map_base", 2},
    {"std::__detail::_Insert", 2},
    {"std::__detail::_Insert_base", 2},
    {"absl::container_internal::raw_hash_set", 1},
    {"absl::container_internal::raw_hash_map", 1},
    {"llvm::DenseMapBase", 1},
};

// True if `last` is what the template would have had for its last argument anyway.
bool is_default(string_view last, string_view first) {
  const auto of_first = [&](string_view name) {
    return last.size() == name.size() + first.size() + 2 && last.starts_with(name) &&
           last.substr(name.size() + 1, first.size()) == first && last.back() == '>';
  };
  return last.starts_with("std::allocator<") || of_first("std::char_traits") ||
         of_first("std::less") || of_first("std::hash") || of_first("std::equal_to") ||
         of_first("std::default_delete") || of_first("std::deque") || of_first("std::vector") ||
         of_first("absl::hash_internal::Hash") ||
         last.starts_with("absl::container_internal::StringHash") ||
         last.starts_with("absl::container_internal::hash_default_") ||
         last.starts_with("boost::container::new_allocator<") || last == "void";
}

// "std::basic_string" with {"char"} is "std::string".
string character_typedef(string_view name, string_view argument) {
  constexpr string_view kPrefix = "std::basic_";
  if (!name.starts_with(kPrefix)) return {};
  const string_view rest = name.substr(kPrefix.size());
  constexpr std::pair<string_view, string_view> kCharacters[] = {
      {"char", ""}, {"wchar_t", "w"}, {"char8_t", "u8"}, {"char16_t", "u16"}, {"char32_t", "u32"}};
  for (const auto& [character, prefix] : kCharacters)
    if (argument == character) return string("std::").append(prefix).append(rest);
  return {};
}

class Tidier {
 public:
  explicit Tidier(string_view text) : text_(text), brackets_(text) {}

  string run(std::size_t begin, std::size_t end) {
    string out;
    emit(begin, end, out, 0);
    return out;
  }
  const Brackets& brackets() const { return brackets_; }

 private:
  void emit(std::size_t begin, std::size_t end, string& out, int depth) {
    for (std::size_t i = begin; i < end;) {
      if (const std::size_t after = skip_operator_sign(text_, i); after != i && after <= end) {
        out += text_.substr(i, after - i);
        i = after;
        // "operator< <int>": the space only keeps the signs apart.
        continue;
      }
      const char c = text_[i];
      if ((i == begin || !identifier(text_[i - 1])) && out.ends_with("::")) {
        if (const std::size_t length = inline_namespace(text_.substr(i, end - i)); length > 0) {
          i += length;
          continue;
        }
      }
      const std::size_t close = brackets_.closer(i);
      if (close == 0 || close >= end || depth >= kNestingMax) {
        if (!(c == ' ' && i + 1 < end && text_[i + 1] == '>' && !out.ends_with('>') &&
              identifier_or_closer(out)))
          out += c;
        ++i;
        continue;
      }
      if (c == '<' && !out.empty() && identifier(out.back())) {
        template_list(i, close, out, depth);
      } else if (c == '{' && text_.substr(i + 1, 6) == "lambda") {
        lambda(i, close, out);
      } else if (c == '[' && text_.substr(i + 1, 4) == "abi:") {
        // "[abi:cxx11]": dropped
      } else {
        out += c;
        emit(i + 1, close, out, depth + 1);
        while (c == '<' && out.ends_with(' ')) out.pop_back();
        out += text_[close];
      }
      i = close + 1;
    }
  }

  static bool identifier_or_closer(const string& out) {
    return !out.empty() && (identifier(out.back()) || out.back() == '*' || out.back() == '&');
  }

  // "{lambda(int, char)#2}" -> "{lambda#2}"
  void lambda(std::size_t open, std::size_t close, string& out) {
    std::size_t number = open + 7;
    if (text_[number] == '(' && brackets_.closer(number) != 0)
      number = brackets_.closer(number) + 1;
    out += "{lambda";
    if (number < close && text_[number] == '#') out += text_.substr(number, close - number);
    out += '}';
  }

  // <...> behind a name: arguments tidied one by one, defaulted ones dropped.
  void template_list(std::size_t open, std::size_t close, string& out, int depth) {
    std::vector<string> arguments;
    for (std::size_t i = open + 1; i <= close;) {
      std::size_t end = i;
      while (end < close && text_[end] != ',') {
        if (const std::size_t after = skip_operator_sign(text_, end); after != end)
          end = std::min(after, close);
        else if (brackets_.closer(end) != 0)
          end = brackets_.closer(end) + 1;
        else
          ++end;
      }
      std::size_t first = i, last = end;
      while (first < last && text_[first] == ' ') ++first;
      while (last > first && text_[last - 1] == ' ') --last;
      emit(first, last, arguments.emplace_back(), depth + 1);
      i = end + 1;
    }
    std::size_t name_at = out.size();
    while (name_at > 0 && (identifier(out[name_at - 1]) || out[name_at - 1] == ':')) --name_at;
    const string_view name = string_view(out).substr(name_at);
    if (std::find(std::begin(kDefaulted), std::end(kDefaulted), name) != std::end(kDefaulted)) {
      while (arguments.size() > 1 && is_default(arguments.back(), arguments.front()))
        arguments.pop_back();
      if (arguments.size() == 1) {
        if (const string shorter = character_typedef(name, arguments[0]); !shorter.empty()) {
          out.resize(name_at);
          out += shorter;
          return;
        }
      }
    }
    for (const Shortened& shortened : kShortened) {
      // A multimap tells itself from a map by its last argument only.
      if (name != shortened.name || arguments.size() <= shortened.keep ||
          arguments.back().ends_with(" false>"))
        continue;
      arguments.resize(shortened.keep);
    }
    out += '<';
    for (std::size_t i = 0; i < arguments.size(); ++i) {
      if (i > 0) out += ", ";
      out += arguments[i];
    }
    out += '>';
  }

  string_view text_;
  Brackets brackets_;
};

// Where the arguments that end a function's name open, and where its name begins.
struct Signature {
  std::size_t name = 0, arguments = 0;
};

// Finds the name within "Ret a::b<c>(args)" in [begin, end): behind the last space that is at the
// top level and not part of the name itself ("operator new", "operator unsigned long").
std::size_t name_start(string_view text, const Brackets& brackets, std::size_t end) {
  std::size_t start = 0;
  for (std::size_t i = 0; i < end;) {
    if (const std::size_t after = skip_operator_sign(text, i); after != i) {
      // What follows is at most "< <args>" or arguments.
      return start;
    }
    if (text.substr(i, 9) == "operator " && (i == 0 || !identifier(text[i - 1]))) return start;
    if (brackets.closer(i) != 0) {
      i = brackets.closer(i) + 1;
      continue;
    }
    if (text[i] == ' ') start = i + 1;
    ++i;
  }
  return start;
}

// One past the qualifiers behind an argument list: " const", "&", "&&", " volatile".
std::size_t skip_qualifiers(string_view text, std::size_t at) {
  for (;;) {
    const string_view rest = text.substr(at);
    if (rest.starts_with(" const"))
      at += 6;
    else if (rest.starts_with(" volatile"))
      at += 9;
    else if (rest.starts_with(" &&"))
      at += 3;
    else if (rest.starts_with(" &"))
      at += 2;
    else if (rest.starts_with("&"))
      at += 1;
    else if (rest.starts_with(" noexcept"))
      at += 9;
    else
      return at;
  }
}

// Without " [clone .isra.0]" and the like at the end.
string_view without_clone(string_view text) {
  while (text.ends_with("]")) {
    const std::size_t at = text.rfind(" [clone ");
    if (at == string_view::npos) break;
    text = text.substr(0, at);
  }
  return text;
}

// Symbol suffixes that compilers add for copies of a function.
constexpr string_view kCloneSuffixes[] = {".isra.",   ".part.",     ".constprop.", ".cold",
                                          ".llvm.",   ".lto_priv.", ".localalias", ".resolver",
                                          ".__uniq.", ".avx",       ".sse",        ".default"};

string_view without_suffix(string_view symbol) {
  std::size_t cut = symbol.size();
  for (string_view suffix : kCloneSuffixes) cut = std::min(cut, symbol.find(suffix));
  // "foo@@VERSION" as some tools write dynamic symbols.
  cut = std::min(cut, symbol.find('@'));
  return cut == 0 ? symbol : symbol.substr(0, cut);
}

}  // namespace

string tidy_function(string_view demangled) {
  string_view text = without_clone(demangled.substr(0, kNameBytesMax));
  Tidier tidier(text);
  const Brackets& brackets = tidier.brackets();

  // Scopes: [name, '(') pieces; more than one when a function is local to another one.
  string out;
  std::size_t piece = 0;
  for (std::size_t i = 0; i < text.size();) {
    if (const std::size_t after = skip_operator_sign(text, i); after != i) {
      i = after;
      continue;
    }
    const std::size_t close = brackets.closer(i);
    if (close == 0) {
      ++i;
      continue;
    }
    const string_view inside = text.substr(i + 1, close - i - 1);
    const bool arguments =
        text[i] == '(' && i > 0 && !inside.starts_with('*') && inside != "anonymous namespace" &&
        !text.substr(0, i).ends_with("decltype") && !text.substr(0, i).ends_with("decltype ");
    if (!arguments) {
      i = close + 1;
      continue;
    }
    if (piece == 0) piece = name_start(text, brackets, i);
    out += tidier.run(piece, i);
    const std::size_t after = skip_qualifiers(text, close + 1);
    if (text.substr(after, 2) != "::") return out.empty() ? string(text) : out;
    piece = i = after;
  }
  if (piece == 0) {
    // No argument list at all: a variable, "vtable for X", or a name without arguments (Rust, C).
    return tidier.run(0, text.size());
  }
  return out + tidier.run(piece, text.size());
}

string tidy_type(string_view type) {
  type = type.substr(0, kNameBytesMax);
  return Tidier(type).run(0, type.size());
}

namespace {

// A symbol may name a part of itself again ("S3_"); one that names its newest part twice, over and
// over, unfolds to 2^n bytes. This many doublings are no name any more: it is shown as it is.
constexpr int kDoublingsMax = 20;

int doublings(string_view symbol) {
  int count = 0;
  std::uint64_t newest = 0;
  bool counted = false;
  for (std::size_t i = 0; i + 1 < symbol.size(); ++i) {
    if (symbol[i] != 'S') continue;
    std::size_t end = i + 1;
    std::uint64_t id = 0;
    for (; end < symbol.size() && end < i + 8; ++end) {
      const char c = symbol[end];
      if (c >= '0' && c <= '9')
        id = id * 36 + static_cast<std::uint64_t>(c - '0') + 1;
      else if (c >= 'A' && c <= 'Z')
        id = id * 36 + static_cast<std::uint64_t>(c - 'A') + 11;
      else
        break;
    }
    if (end >= symbol.size() || symbol[end] != '_') continue;
    if (id > newest) {
      newest = id;
      counted = false;
    } else if (id == newest && !counted) {
      counted = true;
      ++count;
    }
  }
  return count;
}

string demangle_cpp(const string& symbol) {
  if (doublings(symbol) > kDoublingsMax) return {};
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> text(
      abi::__cxa_demangle(symbol.c_str(), nullptr, nullptr, &status), std::free);
  return text && status == 0 ? string(text.get()) : string{};
}

}  // namespace

string demangle(string_view symbol) {
  symbol = symbol.substr(0, std::min(symbol.find('\0'), kNameBytesMax));
  if (symbol.starts_with("__Z")) symbol.remove_prefix(1);
  if (symbol.starts_with("_R") || symbol.starts_with("_ZN"))
    if (auto rust = demangle_rust(symbol)) return *std::move(rust);
  symbol = without_suffix(symbol);
  if (!symbol.starts_with("_Z")) return string(symbol);
  const string full = demangle_cpp(string(symbol));
  return full.empty() ? string(symbol) : tidy_function(full);
}

std::vector<string_view> template_arguments(string_view type) {
  type = type.substr(0, kNameBytesMax);
  std::vector<string_view> arguments;
  if (!type.ends_with('>')) return arguments;
  const Brackets brackets(type);
  std::size_t open = 0;
  while (open < type.size()) {
    const std::size_t close = brackets.closer(open);
    if (close == type.size() - 1) break;
    open = close != 0 ? close + 1 : open + 1;
  }
  if (open >= type.size()) return arguments;
  for (std::size_t i = open + 1; i < type.size();) {
    std::size_t end = i;
    while (end < type.size() - 1 && type[end] != ',')
      end = brackets.closer(end) != 0 ? brackets.closer(end) + 1 : end + 1;
    string_view argument = type.substr(i, end - i);
    while (argument.starts_with(' ')) argument.remove_prefix(1);
    while (argument.ends_with(' ')) argument.remove_suffix(1);
    if (!argument.empty()) arguments.push_back(argument);
    i = end + 1;
  }
  return arguments;
}

}  // namespace ullage::trace
