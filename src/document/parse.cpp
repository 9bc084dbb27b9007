// SPDX-License-Identifier: Apache-2.0
#include "document/parse.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <vector>

#include "document/encode.h"
#include "document/utf8.h"

namespace ullage::document {
namespace {

// Objects of up to so many members are searched for equal names in pairs.
constexpr std::size_t kPairsMax = 12;

// What ends the fast way through a string: quotes, escapes, control characters, and what is not
// ASCII.
constexpr std::array<bool, 256> kSpecial = [] {
  std::array<bool, 256> special{};
  for (unsigned c = 0; c < 256; ++c) special[c] = c < 0x20 || c == '"' || c == '\\' || c >= 0x80;
  return special;
}();

class Parser {
 public:
  Parser(std::string_view text, std::string& out)
      : begin_(text.data()), at_(begin_), end_(begin_ + text.size()), out_(out) {}

  Result<Parsed> run() {
    skip_space();
    if (!value(0)) return failure();
    skip_space();
    if (at_ != end_) {
      fail("trailing characters");
      return failure();
    }
    return Parsed{deepest_};
  }

 private:
  bool fail(const char* message) {
    if (message_ == nullptr) message_ = message;
    return false;
  }
  bool fail_at_end_or(const char* at_end, const char* otherwise) {
    return fail(at_ == end_ ? at_end : otherwise);
  }
  Error failure() const {
    std::size_t line = 1, column = 0;
    for (const char* p = begin_; p < std::min(at_ + 1, end_); ++p) {
      ++column;
      if (*p == '\n') ++line, column = 0;
    }
    return {Code::kInvalid, std::string(message_) + " at line " + std::to_string(line) +
                                " column " + std::to_string(column)};
  }

  void skip_space() {
    while (at_ != end_ && (*at_ == ' ' || *at_ == '\n' || *at_ == '\t' || *at_ == '\r')) ++at_;
  }

  bool value(unsigned depth) {
    if (at_ == end_) return fail("EOF while parsing a value");
    switch (*at_) {
      case '{':
      case '[':
        if (depth == kDepthMax) return fail("recursion limit exceeded");
        deepest_ = std::max(deepest_, depth + 1);
        return *at_ == '{' ? object(depth) : array(depth);
      case '"':
        return string();
      case 'n':
        return word("null") && (put_null(out_), true);
      case 't':
        return word("true") && (put_boolean(out_, true), true);
      case 'f':
        return word("false") && (put_boolean(out_, false), true);
      default:
        return number();
    }
  }

  bool word(std::string_view expected) {
    for (const char c : expected) {
      if (at_ == end_) return fail("EOF while parsing a value");
      if (*at_ != c) return fail("expected ident");
      ++at_;
    }
    return true;
  }

  bool array(unsigned depth) {
    ++at_;
    const std::size_t begun = begin_container(out_);
    std::size_t count = 0;
    skip_space();
    if (at_ != end_ && *at_ == ']') {
      ++at_;
    } else {
      for (;;) {
        skip_space();
        if (at_ == end_) return fail("EOF while parsing a list");
        if (*at_ == ']') return fail("trailing comma");
        if (!value(depth + 1)) return false;
        ++count;
        skip_space();
        if (at_ == end_) return fail("EOF while parsing a list");
        const char c = *at_;
        if (c != ',' && c != ']') return fail("expected `,` or `]`");
        ++at_;
        if (c == ']') break;
      }
    }
    end_container(out_, begun, tag::kArray, count);
    return true;
  }

  bool object(unsigned depth) {
    ++at_;
    const std::size_t begun = begin_container(out_);
    std::size_t count = 0;
    skip_space();
    if (at_ != end_ && *at_ == '}') {
      ++at_;
    } else {
      for (;;) {
        skip_space();
        if (at_ == end_) return fail("EOF while parsing an object");
        if (*at_ == '}') return fail("trailing comma");
        if (*at_ != '"') return fail("key must be a string");
        if (!string()) return false;
        skip_space();
        if (at_ == end_) return fail("EOF while parsing an object");
        if (*at_ != ':') return fail("expected `:`");
        ++at_;
        skip_space();
        if (!value(depth + 1)) return false;
        ++count;
        skip_space();
        if (at_ == end_) return fail("EOF while parsing an object");
        const char c = *at_;
        if (c != ',' && c != '}') return fail("expected `,` or `}`");
        ++at_;
        if (c == '}') break;
      }
    }
    if (count > 1) count = drop_repeated(begun, count);
    end_container(out_, begun, tag::kObject, count);
    return true;
  }

  // Of members with the same name: the last value, in the place of the first. Their number now.
  std::size_t drop_repeated(std::size_t begun, std::size_t count) {
    const char* const body = out_.data() + begun + kHeaderBytesMax;
    const char* const end = out_.data() + out_.size();
    members_.clear();
    for (const char* p = body; p != end;) {
      const Value key(p);
      const Value value(p + key.bytes());
      members_.push_back({key.string(), static_cast<std::size_t>(p - body), value.encoded()});
      p = value.data() + value.bytes();
    }
    if (!any_repeated(count)) return count;
    std::stable_sort(members_.begin(), members_.end(),
                     [](const Member& a, const Member& b) { return a.key < b.key; });
    std::vector<Member> kept;
    for (const Member& member : members_) {
      if (!kept.empty() && kept.back().key == member.key) {
        kept.back().value = member.value;
      } else {
        kept.push_back(member);
      }
    }
    std::sort(kept.begin(), kept.end(),
              [](const Member& a, const Member& b) { return a.offset < b.offset; });
    std::string again;
    for (const Member& member : kept) {
      put_string(again, member.key);
      again.append(member.value);
    }
    out_.resize(begun + kHeaderBytesMax);
    out_.append(again);
    return kept.size();
  }

  bool any_repeated(std::size_t count) {
    if (count <= kPairsMax) {
      for (std::size_t i = 1; i < count; ++i) {
        for (std::size_t j = 0; j < i; ++j) {
          if (members_[i].key == members_[j].key) return true;
        }
      }
      return false;
    }
    names_.clear();
    for (const Member& member : members_) names_.push_back(member.key);
    std::sort(names_.begin(), names_.end());
    return std::adjacent_find(names_.begin(), names_.end()) != names_.end();
  }

  // --- Strings
  bool string() {
    const char* start = ++at_;
    while (at_ != end_ && !kSpecial[static_cast<unsigned char>(*at_)]) ++at_;
    if (at_ != end_ && *at_ == '"') {
      put_string(out_, {start, static_cast<std::size_t>(at_ - start)});
      ++at_;
      return true;
    }
    text_.assign(start, at_);
    for (;;) {
      if (at_ == end_) return fail("EOF while parsing a string");
      const auto c = static_cast<unsigned char>(*at_);
      if (c == '"') break;
      if (c == '\\') {
        ++at_;
        if (!escape()) return false;
      } else if (c < 0x20) {
        return fail("control character (\\u0000-\\u001F) found while parsing a string");
      } else if (c < 0x80) {
        text_.push_back(*at_++);
      } else {
        const std::size_t length = utf8_length({at_, static_cast<std::size_t>(end_ - at_)});
        if (length == 0) return fail("invalid UTF-8");
        text_.append(at_, length);
        at_ += length;
      }
    }
    ++at_;
    put_string(out_, text_);
    return true;
  }

  bool escape() {
    if (at_ == end_) return fail("EOF while parsing a string");
    constexpr std::string_view kFrom = "\"\\/bfnrt", kTo = "\"\\/\b\f\n\r\t";
    const char c = *at_;
    if (const std::size_t found = kFrom.find(c); found != std::string_view::npos) {
      text_.push_back(kTo[found]);
      ++at_;
      return true;
    }
    if (c != 'u') return fail("invalid escape");
    ++at_;
    std::uint32_t code = 0;
    if (!four_digits(code)) return false;
    if (code >= 0xdc00 && code < 0xe000) return fail("lone leading surrogate in hex escape");
    if (code >= 0xd800 && code < 0xdc00) {
      if (end_ - at_ < 2 || at_[0] != '\\' || at_[1] != 'u') {
        return fail_at_end_or("EOF while parsing a string", "unexpected end of hex escape");
      }
      at_ += 2;
      std::uint32_t low = 0;
      if (!four_digits(low)) return false;
      if (low < 0xdc00 || low >= 0xe000) return fail("lone leading surrogate in hex escape");
      code = 0x10000 + ((code - 0xd800) << 10 | (low - 0xdc00));
    }
    append_utf8(text_, code);
    return true;
  }

  bool four_digits(std::uint32_t& code) {
    if (end_ - at_ < 4) {
      at_ = end_;
      return fail("EOF while parsing a string");
    }
    const auto [last, problem] = std::from_chars(at_, at_ + 4, code, 16);
    if (problem != std::errc{} || last != at_ + 4) return fail("invalid escape");
    at_ += 4;
    return true;
  }

  // --- Numbers
  static bool is_digit(char c) { return c >= '0' && c <= '9'; }
  bool digits() {
    const char* start = at_;
    while (at_ != end_ && is_digit(*at_)) ++at_;
    return at_ != start;
  }

  bool number() {
    const char* start = at_;
    const bool negative = *at_ == '-';
    if (negative) ++at_;
    if (at_ == end_ && negative) return fail("EOF while parsing a value");
    if (at_ == end_ || !is_digit(*at_)) return fail(negative ? "invalid number" : "expected value");
    if (*at_ == '0') {
      ++at_;
      if (at_ != end_ && is_digit(*at_)) return fail("invalid number");
    } else {
      digits();
    }
    bool whole = true;
    if (at_ != end_ && *at_ == '.') {
      ++at_;
      whole = false;
      if (!digits()) return fail_at_end_or("EOF while parsing a value", "invalid number");
    }
    if (at_ != end_ && (*at_ == 'e' || *at_ == 'E')) {
      ++at_;
      whole = false;
      if (at_ != end_ && (*at_ == '+' || *at_ == '-')) ++at_;
      if (!digits()) return fail_at_end_or("EOF while parsing a value", "invalid number");
    }
    if (whole && put_whole(start, negative)) return true;
    double real = 0;
    const auto [last, problem] = std::from_chars(start, at_, real);
    if (problem == std::errc::result_out_of_range) {
      // Too near to zero, or beyond all doubles? Many digits can make up for the exponent.
      real = std::strtod(std::string(start, at_).c_str(), nullptr);
      if (std::isinf(real)) return fail("number out of range");
    }
    (void)last;
    put_real(out_, real);
    return true;
  }

  bool put_whole(const char* start, bool negative) {
    if (negative) {
      std::int64_t value = 0;
      if (std::from_chars(start, at_, value).ec != std::errc{}) return false;
      if (value == 0) return false;  // -0 is a double
      put_integer(out_, value);
      return true;
    }
    std::uint64_t value = 0;
    if (std::from_chars(start, at_, value).ec != std::errc{}) return false;
    put_unsigned(out_, value);
    return true;
  }

  struct Member {
    std::string_view key;
    std::size_t offset;
    std::string_view value;
  };

  const char *begin_, *at_, *end_;
  std::string& out_;
  std::string text_;  // of a string with escapes
  std::vector<Member> members_;
  std::vector<std::string_view> names_;
  unsigned deepest_ = 0;
  const char* message_ = nullptr;
};

}  // namespace

Result<Parsed> parse(std::string_view text, std::string& out) { return Parser(text, out).run(); }

}  // namespace ullage::document
