// SPDX-License-Identifier: Apache-2.0
#include "wire/request_parser.h"

#include <cstring>
#include <limits>

namespace ullage::wire {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\v' || c == '\f';
}

char unescaped(char c) {
  switch (c) {
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    case 'b':
      return '\b';
    case 'a':
      return '\a';
    default:
      return c;
  }
}

// One word, whose first byte is at `at`; quotes may begin inside it. False: unbalanced.
bool take_word(std::string_view line, std::size_t& at, std::string& word) {
  char quote = 0;
  while (at < line.size()) {
    const char c = line[at];
    if (quote == 0) {
      if (is_space(c) || c == 0) return true;
      ++at;
      if (c == '"' || c == '\'') {
        quote = c;
      } else {
        word += c;
      }
    } else if (quote == '"' && c == '\\' && at + 3 < line.size() && line[at + 1] == 'x' &&
               hex_digit(line[at + 2]) >= 0 && hex_digit(line[at + 3]) >= 0) {
      word += static_cast<char>(hex_digit(line[at + 2]) * 16 + hex_digit(line[at + 3]));
      at += 4;
    } else if (quote == '"' && c == '\\' && at + 1 < line.size()) {
      word += unescaped(line[at + 1]);
      at += 2;
    } else if (quote == '\'' && c == '\\' && at + 1 < line.size() && line[at + 1] == '\'') {
      word += '\'';
      at += 2;
    } else if (c == quote) {
      // A closing quote must be followed by a space, or by nothing.
      ++at;
      return at >= line.size() || is_space(line[at]);
    } else {
      word += c;
      ++at;
    }
  }
  return quote == 0;
}

// The number of a line like "3\r\n", up to 99999, if all of it is here: what is behind it. Else
// null.
inline const char* short_number(const char* at, const char* end, std::size_t& number) {
  constexpr std::ptrdiff_t kDigitsMax = 5;
  const char* const begin = at;
  std::size_t value = 0;
  for (; at < end; ++at) {
    const std::size_t digit = static_cast<unsigned char>(*at) - '0';
    if (digit > 9) break;
    value = value * 10 + digit;
    if (at - begin >= kDigitsMax) return nullptr;
  }
  if (end - at < 2 || *at != '\r' || at == begin) return nullptr;
  if (*begin == '0' && at - begin > 1) return nullptr;
  number = value;
  return at + 2;
}

}  // namespace

bool parse_integer(std::string_view text, std::int64_t& value) {
  if (text.empty() || text.size() > 20) return false;
  std::size_t at = 0;
  const bool negative = text[0] == '-';
  if (negative && text.size() == 1) return false;
  if (negative) at = 1;
  if (text[at] == '0') {
    value = 0;
    return text.size() == 1;
  }
  std::uint64_t number = 0;
  for (; at < text.size(); ++at) {
    const unsigned digit = static_cast<unsigned char>(text[at]) - '0';
    if (digit > 9) return false;
    if (number > (std::numeric_limits<std::uint64_t>::max() - digit) / 10) return false;
    number = number * 10 + digit;
  }
  constexpr auto kMost = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (number > kMost + (negative ? 1 : 0)) return false;
  value = negative ? static_cast<std::int64_t>(0 - number) : static_cast<std::int64_t>(number);
  return true;
}

bool split_words(std::string_view line, std::vector<std::string>& words) {
  words.clear();
  std::size_t at = 0;
  for (;;) {
    while (at < line.size() && is_space(line[at])) ++at;
    if (at >= line.size() || line[at] == 0) return true;
    std::string word;
    if (!take_word(line, at, word)) return false;
    words.push_back(std::move(word));
  }
}

void RequestParser::start() {
  words_.clear();
  unquoted_.clear();
  position_ = searched_ = needed_ = words_left_ = 0;
  word_bytes_ = -1;
  done_ = inline_ = false;
}

void RequestParser::trim() {
  if (!done_) return;
  // Assigned an empty list, a vector keeps what it holds.
  if (words_.capacity() > kWordsKept) std::vector<std::string_view>().swap(words_);
  if (unquoted_.capacity() > kWordsKept) std::vector<std::string>().swap(unquoted_);
}

Parsed RequestParser::fail(std::string text) {
  error_ = "Protocol error: " + std::move(text);
  done_ = true;
  return Parsed::kError;
}

RequestParser::Line RequestParser::take_line(std::string_view bytes, std::string_view& line) {
  const std::size_t from = searched_ > position_ ? searched_ : position_;
  const void* end =
      from < bytes.size() ? std::memchr(bytes.data() + from, '\r', bytes.size() - from) : nullptr;
  if (end == nullptr) {
    searched_ = bytes.size();
    return bytes.size() - position_ > limits_.inline_bytes_max ? Line::kTooLong : Line::kPartial;
  }
  const auto at = static_cast<std::size_t>(static_cast<const char*>(end) - bytes.data());
  searched_ = at;
  if (at + 1 >= bytes.size()) return Line::kPartial;  // its "\n" is still to come
  line = bytes.substr(position_, at - position_);
  position_ = at + 2;
  searched_ = position_;
  return Line::kWhole;
}

// The usual case: a short multibulk that is here in whole. False: it is read step by step.
bool RequestParser::take_whole(std::string_view bytes) {
  const char* at = bytes.data();
  const char* const end = at + bytes.size();
  std::size_t count = 0;
  if (at == end || *at != '*') return false;
  at = short_number(at + 1, end, count);
  if (at == nullptr || count == 0 || count > kWholeWordsMax || count > limits_.words_max) {
    return false;
  }
  words_.resize(count);
  for (std::string_view& word : words_) {
    std::size_t size = 0;
    if (at == end || *at != '$') return false;
    at = short_number(at + 1, end, size);
    if (at == nullptr || size > limits_.word_bytes_max) return false;
    if (static_cast<std::size_t>(end - at) < size + 2) return false;
    word = {at, size};
    at += size + 2;
  }
  position_ = static_cast<std::size_t>(at - bytes.data());
  needed_ = 0;  // perhaps of a command that was given up
  inline_ = false;
  return true;
}

Parsed RequestParser::parse(std::string_view bytes) {
  if (done_) {
    if (take_whole(bytes)) return Parsed::kCommand;
    start();
  } else if (base_ != bytes.data()) {  // the bytes moved while more of them came
    for (std::string_view& word : words_) {
      word = {bytes.data() + (word.data() - base_), word.size()};
    }
  }
  base_ = bytes.data();
  if (bytes.empty()) return Parsed::kNeedMore;
  if (words_left_ > 0) return parse_multibulk(bytes);
  return bytes[0] == '*' ? parse_header(bytes) : parse_inline(bytes);
}

Parsed RequestParser::parse_header(std::string_view bytes) {
  std::string_view line;
  const Line found = take_line(bytes, line);
  if (found == Line::kTooLong) return fail("too big mbulk count string");
  if (found == Line::kPartial) return Parsed::kNeedMore;
  std::int64_t count = 0;
  if (!parse_integer(line.substr(1), count) ||
      count > static_cast<std::int64_t>(limits_.words_max)) {
    return fail("invalid multibulk length");
  }
  if (count <= 0) {
    done_ = true;
    return Parsed::kCommand;
  }
  words_left_ = static_cast<std::size_t>(count);
  return parse_multibulk(bytes);
}

Parsed RequestParser::parse_multibulk(std::string_view bytes) {
  while (words_left_ > 0) {
    if (word_bytes_ < 0) {
      std::string_view line;
      const Line found = take_line(bytes, line);
      if (found == Line::kTooLong) return fail("too big bulk count string");
      if (found == Line::kPartial) return Parsed::kNeedMore;
      if (line.empty() || line[0] != '$') {
        const char got = line.empty() ? '\r' : line[0];
        return fail(std::string("expected '$', got '") + got + "'");
      }
      std::int64_t size = 0;
      if (!parse_integer(line.substr(1), size) || size < 0 ||
          size > static_cast<std::int64_t>(limits_.word_bytes_max)) {
        return fail("invalid bulk length");
      }
      word_bytes_ = size;
    }
    const auto size = static_cast<std::size_t>(word_bytes_);
    if (bytes.size() - position_ < size + 2) {
      needed_ = position_ + size + 2;
      return Parsed::kNeedMore;
    }
    words_.emplace_back(bytes.data() + position_, size);
    position_ += size + 2;
    word_bytes_ = -1;
    --words_left_;
  }
  needed_ = 0;
  done_ = true;
  return Parsed::kCommand;
}

Parsed RequestParser::parse_inline(std::string_view bytes) {
  inline_ = true;
  const void* end = searched_ < bytes.size()
                        ? std::memchr(bytes.data() + searched_, '\n', bytes.size() - searched_)
                        : nullptr;
  if (end == nullptr) {
    searched_ = bytes.size();
    if (bytes.size() > limits_.inline_bytes_max) return fail("too big inline request");
    return Parsed::kNeedMore;
  }
  const auto at = static_cast<std::size_t>(static_cast<const char*>(end) - bytes.data());
  std::string_view line = bytes.substr(0, at);
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (!split_words(line, unquoted_)) return fail("unbalanced quotes in request");
  for (const std::string& word : unquoted_) words_.emplace_back(word);
  position_ = at + 1;
  done_ = true;
  return Parsed::kCommand;
}

}  // namespace ullage::wire
