// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the commands on documents share: the words of a command as paths and values, the document
// under a key, and the way back into the store. A function that returns false has replied the
// error.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "document/edits.h"
#include "document/path.h"
#include "document/print.h"
#include "document/select.h"
#include "server/context.h"
#include "server/kinds.h"

namespace ullage::server {

// Memory that a command needs while it runs, beyond what is free: from the budget, given back at
// the end. With kMakeRoom entries may go for it: views of the store are no longer good then.
class Loan {
 public:
  enum class How : std::uint8_t { kMakeRoom, kIfFree };
  Loan(Context& c, std::size_t bytes, How how);
  ~Loan();
  Loan(const Loan&) = delete;
  Loan& operator=(const Loan&) = delete;
  bool granted() const { return granted_; }

 private:
  Context& c_;
  std::size_t bytes_;
  bool granted_ = true;
};

// A value among the words, encoded. Takes a loan for a large one.
struct JsonWord {
  std::string bytes;
  unsigned depth = 0;
  std::optional<Loan> loan;

  document::Value value() const { return document::Value(bytes.data()); }
};
bool parse_word(Context& c, std::size_t i, JsonWord& word);
// Words i.. to the last, one behind the other.
bool parse_words(Context& c, std::size_t i, JsonWord& words);

// The path in word i; "." when there is no such word. Nothing: the error is replied.
std::optional<document::Path> path_word(Context& c, std::size_t i);

// What lies under a key. Views are good until the shard is called again.
struct JsonEntry {
  tier::Key key;
  std::optional<tier::Found> found;

  bool there() const { return found.has_value(); }
  document::Value root() const { return document::Value(found->value.data()); }
};
// The key in word i, which is not there or is a document; else nothing, and the error is replied.
// Reading counts as a use, and a miss is told.
std::optional<JsonEntry> open_to_read(Context& c, std::size_t i);
std::optional<JsonEntry> open_to_write(Context& c, std::size_t i);
// ... which must be there.
std::optional<JsonEntry> open_existing(Context& c, std::size_t i);
void no_such_document(Context& c);

bool select_from(Context& c, const document::Path& path, const JsonEntry& entry,
                 document::Selection& found);
// The same, unified for edits.
bool select_to_edit(Context& c, const document::Path& path, const JsonEntry& entry,
                    document::Selection& found);

// "ERR Path '.a' does not exist", "... or not an array".
void path_does_not_exist(Context& c, const document::Path& path, const char* or_what = nullptr);
void path_asks_too_much(Context& c, const document::Path& path);
void unexpected_type(Context& c, std::string_view expected, std::string_view found);

// The whole document under a key, new or not; a new one has no expiry, an old one keeps its own.
bool store_root(Context& c, const tier::Key& key, std::string_view bytes, const char* event);
// The document as the edits make it. Denied: it is as it was.
bool store_edits(Context& c, const JsonEntry& entry, document::Edits& edits, const char* event);
// Whether a value of `depth` fits below one that stands at `level`.
bool depth_allowed(Context& c, unsigned level, unsigned depth);

// A value as JSON in a bulk string.
void reply_json(Context& c, document::Value value, const document::Format& format = {});
// How a value is replied where the words ask for it (RESP3 alone): as JSON text, or as what the
// protocol has for it; containers too (EXPAND), or only what has no members (EXPAND1).
enum class JsonShape : std::uint8_t { kText, kExpandOnce, kExpand };
// In word i; `text_name` is what this command calls kText.
bool json_shape(Context& c, std::size_t i, std::string_view text_name, JsonShape& shape);
void reply_shaped(Context& c, document::Value value, JsonShape shape,
                  const document::Format& format = {});
// A number for each match, null for -1; of a legacy path the last number alone.
void reply_numbers(Context& c, const document::Path& path,
                   const std::vector<std::int64_t>& numbers);
// Printed text, which may be reused by the next command.
std::string& json_scratch();

}  // namespace ullage::server
