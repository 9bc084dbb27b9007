// SPDX-License-Identifier: Apache-2.0
#pragma once

// RequestParser: what a RESP client sends (multibulk and inline commands), piece by piece.
//
//   RequestParser parser;
//   switch (parser.parse(bytes)) {           // bytes: all that is not yet consumed
//     case kCommand:  run(parser.words()); bytes.remove_prefix(parser.consumed()); break;
//     case kNeedMore: keep `bytes`, read more behind them, call again with the longer view; break;
//     case kError:    reply("-ERR " + parser.error()); close();
//   }
//
// Cost         one pass; a command that arrives in pieces is not read again from its start. Words
//              are views into the bytes: nothing is copied, except inline words in quotes.
// Memory       a vector of views that is kept between commands. A header that promises a million
//              words allocates nothing until they arrive. needed_bytes() says how much a large word
//              will take, so that its buffer can be asked for once, from a budget.
// Stability    words() are valid until the next parse() or until the bytes move.
// Errors       Redis 7's own texts. The stream can't be read further after one.
// Threads      one at a time.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ullage::wire {

struct RequestLimits {
  std::size_t words_max = 1u << 20;          // of one command
  std::size_t word_bytes_max = 512u << 20;   // of one word
  std::size_t inline_bytes_max = 64u << 10;  // of an inline command, or of a header's line
};

enum class Parsed { kNeedMore, kCommand, kError };

class RequestParser {
 public:
  explicit RequestParser(RequestLimits limits = {}) : limits_(limits) {}

  // kCommand with no words: an empty line or "*0", to be skipped without a reply.
  Parsed parse(std::string_view bytes);

  const std::vector<std::string_view>& words() const { return words_; }
  std::size_t consumed() const { return position_; }
  const std::string& error() const { return error_; }
  // After kNeedMore: bytes that the word under way needs in all, counted from the command's start;
  // 0 when no word has announced its size.
  std::size_t needed_bytes() const { return needed_; }
  // Takes the words, so that the next command can be read before this one runs. Not of an inline
  // command, whose words the parser may hold itself: is_inline().
  void swap_words(std::vector<std::string_view>& other) { words_.swap(other); }
  // What it holds of its own: views of words, and inline words in whole.
  std::size_t memory_bytes() const {
    return words_.capacity() * sizeof(std::string_view) +
           unquoted_.capacity() * sizeof(std::string);
  }
  // Between two commands: gives back what a command of many words made it hold.
  void trim();
  bool is_inline() const { return inline_; }
  // Forgets what it has of a command: its bytes will be given again.
  void reset() { done_ = true; }
  void set_limits(const RequestLimits& limits) { limits_ = limits; }
  const RequestLimits& limits() const { return limits_; }

 private:
  enum class Line { kWhole, kPartial, kTooLong };
  // Words of a command that are read in one go.
  static constexpr std::size_t kWholeWordsMax = 64;
  // Words that room is kept for between commands.
  static constexpr std::size_t kWordsKept = 256;
  bool take_whole(std::string_view bytes);
  Line take_line(std::string_view bytes, std::string_view& line);
  Parsed parse_multibulk(std::string_view bytes);
  Parsed parse_header(std::string_view bytes);
  Parsed parse_inline(std::string_view bytes);
  Parsed fail(std::string text);
  void start();

  RequestLimits limits_;
  std::vector<std::string_view> words_;
  std::vector<std::string> unquoted_;  // inline words whose quotes had to go
  std::string error_;
  const char* base_ = nullptr;  // where the bytes were at the last call
  std::size_t position_ = 0;    // what of them is understood
  std::size_t searched_ = 0;    // no line end before this
  std::size_t needed_ = 0;
  std::size_t words_left_ = 0;
  std::int64_t word_bytes_ = -1;  // of the word under way; -1: its header is next
  bool done_ = true, inline_ = false;
};

// Redis's rules for inline words: "a b" and 'a b', \n \r \t \b \a \" \\ \xHH inside double quotes.
// False: unbalanced quotes.
bool split_words(std::string_view line, std::vector<std::string>& words);

// A whole number as Redis reads one: no spaces, no plus sign, no leading zeros.
bool parse_integer(std::string_view text, std::int64_t& value);

}  // namespace ullage::wire
