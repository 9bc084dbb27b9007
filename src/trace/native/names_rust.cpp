// SPDX-License-Identifier: Apache-2.0
#include "trace/native/names_rust.h"

#include <cstdint>

#include "trace/native/names_tidy.h"

namespace ullage::trace {
namespace {

bool digit(char c) { return c >= '0' && c <= '9'; }
bool hex(char c) { return digit(c) || (c >= 'a' && c <= 'f'); }

// "17h" + 16 hex digits: the hash that ends every legacy symbol.
bool legacy_hash(std::string_view part) {
  if (part.size() != 17 || part[0] != 'h') return false;
  for (char c : part.substr(1))
    if (!hex(c)) return false;
  return true;
}

struct Escape {
  std::string_view code, text;
};
constexpr Escape kEscapes[] = {{"LT", "<"}, {"GT", ">"}, {"LP", "("}, {"RP", ")"},
                               {"C", ","},  {"RF", "&"}, {"BP", "*"}, {"SP", "@"}};

// "_$LT$alloc..vec..Vec$LT$T$GT$$GT$" -> "<alloc::vec::Vec<T>>"
void legacy_component(std::string_view part, std::string& out) {
  if (part.starts_with("_$")) part.remove_prefix(1);
  while (!part.empty()) {
    if (part.starts_with("..")) {
      out += "::";
      part.remove_prefix(2);
      continue;
    }
    const std::size_t end = part[0] == '$' ? part.find('$', 1) : std::string_view::npos;
    if (end == std::string_view::npos) {
      out += part[0];
      part.remove_prefix(1);
      continue;
    }
    const std::string_view code = part.substr(1, end - 1);
    std::string_view text;
    for (const Escape& escape : kEscapes)
      if (escape.code == code) text = escape.text;
    if (!text.empty()) {
      out += text;
    } else if (code.size() == 3 && code[0] == 'u') {  // $u20$: an ASCII character in hex
      const auto value = [](char c) { return digit(c) ? c - '0' : c - 'a' + 10; };
      const int c = hex(code[1]) && hex(code[2]) ? value(code[1]) * 16 + value(code[2]) : 0;
      if (c >= 0x20 && c < 0x7f) out += static_cast<char>(c);
    } else {
      out += part.substr(0, end + 1);
    }
    part.remove_prefix(end + 1);
  }
}

std::optional<std::string> demangle_legacy(std::string_view symbol) {
  std::string out;
  std::string_view rest = symbol.substr(3);
  while (!rest.empty() && digit(rest[0])) {
    std::size_t length = 0;
    while (!rest.empty() && digit(rest[0]) && length < kNameBytesMax) {
      length = length * 10 + static_cast<std::size_t>(rest[0] - '0');
      rest.remove_prefix(1);
    }
    if (length == 0 || length > rest.size()) return std::nullopt;
    const std::string_view part = rest.substr(0, length);
    rest.remove_prefix(length);
    if (!rest.empty() && rest[0] == 'E') {
      if (!legacy_hash(part) || out.empty()) return std::nullopt;
      return out;
    }
    if (!out.empty()) out += "::";
    legacy_component(part, out);
  }
  return std::nullopt;
}

// The v0 grammar (RFC 2603), printing what a reader needs and skipping the rest.
class V0 {
 public:
  explicit V0(std::string_view text) : text_(text) {}

  std::optional<std::string> run() {
    if (digit(peek())) return std::nullopt;  // a version we don't know
    path();
    if (failed_ || out_.empty()) return std::nullopt;
    return std::move(out_);
  }

 private:
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  char next() {
    if (at_ >= text_.size() || ++steps_ > kRustStepsMax || out_.size() > kNameBytesMax)
      failed_ = true;
    return failed_ ? '\0' : text_[at_++];
  }
  bool eat(char c) { return peek() == c && !failed_ ? (++at_, true) : false; }
  void print(std::string_view text) {
    if (!silent_) out_ += text;
  }

  std::uint64_t base62() {
    if (eat('_')) return 0;
    std::uint64_t value = 0;
    for (char c = next(); c != '_' && !failed_; c = next()) {
      std::uint64_t d = 0;
      if (digit(c))
        d = static_cast<std::uint64_t>(c - '0');
      else if (c >= 'a' && c <= 'z')
        d = static_cast<std::uint64_t>(c - 'a') + 10;
      else if (c >= 'A' && c <= 'Z')
        d = static_cast<std::uint64_t>(c - 'A') + 36;
      else
        failed_ = true;
      value = value * 62 + d;  // a crate's 64-bit hash may wrap; nobody reads it
    }
    return value + 1;
  }
  std::uint64_t disambiguator() { return eat('s') ? base62() + 1 : 0; }

  std::string_view identifier(std::uint64_t* number) {
    *number = disambiguator();
    eat('u');  // punycode: shown as it is
    std::size_t length = 0;
    if (!digit(peek())) failed_ = true;
    if (!eat('0'))
      while (digit(peek()) && length < kNameBytesMax)
        length = length * 10 + static_cast<std::size_t>(next() - '0');
    eat('_');
    if (failed_ || length > text_.size() - at_) {
      failed_ = true;
      return {};
    }
    const std::string_view name = text_.substr(at_, length);
    at_ += length;
    return name;
  }

  // Runs `parse` at an earlier position of the symbol.
  template <class Parse>
  void back_reference(Parse parse) {
    const std::size_t here = at_ - 1;
    const std::uint64_t to = base62();
    if (failed_ || to >= here || ++depth_ > kDepthMax) {
      failed_ = true;
      return;
    }
    const std::size_t resume = at_;
    at_ = to;
    if (!silent_) parse();
    at_ = resume;
    --depth_;
  }

  void path() {
    if (++depth_ > kDepthMax) failed_ = true;
    if (failed_) return;
    std::uint64_t number = 0;
    switch (const char tag = next()) {
      case 'C':
        print(identifier(&number));
        break;
      case 'M': {
        // "Vec<u8>::push" rather than "<Vec<u8>>::push", as legacy symbols and people have it.
        impl_path();
        const bool named = std::string_view("CNIB").find(peek()) != std::string_view::npos;
        if (!named) print("<");
        type();
        if (!named) print(">");
        break;
      }
      case 'X':
        impl_path();
        [[fallthrough]];
      case 'Y':
        print("<");
        type();
        print(" as ");
        path();
        print(">");
        break;
      case 'N': {
        const char space = next();
        path();
        const std::string_view name = identifier(&number);
        if (space == 'C' || space == 'S') {
          print(space == 'C' ? "::{closure" : "::{shim");
          if (!name.empty()) print(":"), print(name);
          print("#" + std::to_string(number) + "}");
        } else if (!name.empty()) {
          print("::");
          print(name);
        }
        break;
      }
      case 'I':
        path();
        print("<");
        list([this] { generic_argument(); });
        print(">");
        break;
      case 'B':
        back_reference([this] { path(); });
        break;
      default:
        static_cast<void>(tag);
        failed_ = true;
    }
    --depth_;
  }

  void impl_path() {
    disambiguator();
    const bool was = silent_;
    silent_ = true;
    path();
    silent_ = was;
  }

  template <class Item>
  std::size_t list(Item item) {
    std::size_t count = 0;
    for (; !failed_ && !eat('E'); ++count) {
      if (count > 0) print(", ");
      item();
    }
    return count;
  }

  void generic_argument() {
    if (eat('L')) {
      base62();
      print("'_");
    } else if (eat('K')) {
      constant();
    } else {
      type();
    }
  }

  static std::string_view basic(char c) {
    constexpr std::string_view kNames[26] = {"i8",   "bool",  "char",  "f64", "str", "f32", "",
                                             "u8",   "isize", "usize", "",    "i32", "u32", "i128",
                                             "u128", "_",     "",      "",    "i16", "u16", "()",
                                             "...",  "",      "i64",   "u64", "!"};
    return c >= 'a' && c <= 'z' ? kNames[c - 'a'] : std::string_view{};
  }

  void type() {
    if (++depth_ > kDepthMax) failed_ = true;
    if (failed_) return;
    if (const std::string_view name = basic(peek()); !name.empty()) {
      next();
      print(name);
      --depth_;
      return;
    }
    switch (next()) {
      case 'R':
      case 'Q': {
        const bool mutable_reference = text_[at_ - 1] == 'Q';
        print("&");
        if (eat('L')) base62();
        if (mutable_reference) print("mut ");
        type();
        break;
      }
      case 'P':
        print("*const "), type();
        break;
      case 'O':
        print("*mut "), type();
        break;
      case 'A':
        print("["), type(), print("; "), constant(), print("]");
        break;
      case 'S':
        print("["), type(), print("]");
        break;
      case 'T': {
        print("(");
        if (list([this] { type(); }) == 1) print(",");
        print(")");
        break;
      }
      case 'F':
        function();
        break;
      case 'D':
        dynamic();
        break;
      case 'B':
        back_reference([this] { type(); });
        break;
      default:
        --at_;
        path();
    }
    --depth_;
  }

  void function() {
    if (eat('G')) base62();
    if (eat('U')) print("unsafe ");
    if (eat('K')) {
      print("extern ");
      std::uint64_t number = 0;
      if (!eat('C')) identifier(&number);
    }
    print("fn(");
    list([this] { type(); });
    print(")");
    if (!eat('u')) print(" -> "), type();
  }

  void dynamic() {
    print("dyn ");
    if (eat('G')) base62();
    std::size_t count = 0;
    for (; !failed_ && !eat('E'); ++count) {
      if (count > 0) print(" + ");
      path();
      std::uint64_t number = 0;
      while (eat('p')) {
        print("<"), print(identifier(&number)), print(" = ");
        type();
        print(">");
      }
    }
    if (eat('L')) base62();
  }

  void constant() {
    if (eat('B')) return back_reference([this] { constant(); });
    if (eat('p')) return print("_");
    const char kind = next();
    if (eat('n')) print("-");
    std::uint64_t value = 0;
    bool small = true;
    std::size_t digits = 0;
    for (; hex(peek()) && !failed_; ++digits) {
      const char c = next();
      small = small && digits < 16;
      value = value * 16 + static_cast<std::uint64_t>(digit(c) ? c - '0' : c - 'a' + 10);
    }
    if (!eat('_')) failed_ = true;
    if (kind == 'b') return print(value != 0 ? "true" : "false");
    print(small ? std::to_string(value) : "_");
  }

  // Nested paths and types; rustc's own symbols stay far below.
  static constexpr int kDepthMax = 128;

  std::string_view text_;
  std::string out_;
  std::size_t at_ = 0;
  int depth_ = 0;
  int steps_ = 0;
  bool failed_ = false;
  bool silent_ = false;
};

}  // namespace

std::optional<std::string> demangle_rust(std::string_view symbol) {
  if (symbol.size() > kNameBytesMax) return std::nullopt;
  if (symbol.starts_with("_ZN")) return demangle_legacy(symbol);
  if (symbol.starts_with("_R") && symbol.size() > 2) return V0(symbol.substr(2)).run();
  return std::nullopt;
}

}  // namespace ullage::trace
