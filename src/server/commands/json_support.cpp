// SPDX-License-Identifier: Apache-2.0
#include "server/commands/json_support.h"

#include <algorithm>

#include "document/parse.h"
#include "server/server.h"
#include "server/worker.h"

namespace ullage::server {

using document::Edits;
using document::Path;
using document::Selection;
using document::Type;
using document::Value;

Loan::Loan(Context& c, std::size_t bytes, How how)
    : c_(c), bytes_(bytes > kFreeBufferBytes ? bytes : 0) {
  if (bytes_ == 0) return;
  const int shard = static_cast<int>(c.worker.index());
  granted_ = how == How::kMakeRoom
                 ? c.worker.borrow(bytes_, bytes_ / 2)
                 : c.server.budget().take(tier::Component::kClients, bytes_, shard);
}

Loan::~Loan() {
  if (bytes_ == 0 || !granted_) return;
  c_.server.budget().give_back(tier::Component::kClients, bytes_,
                               static_cast<int>(c_.worker.index()));
}

namespace {

bool borrow(Context& c, std::optional<Loan>& loan, std::size_t text_bytes) {
  const auto bytes = static_cast<double>(text_bytes) * document::kParsedBytesPerTextByte;
  loan.emplace(c, static_cast<std::size_t>(bytes), Loan::How::kMakeRoom);
  if (loan->granted()) return true;
  c.out_of_memory();
  return false;
}

bool parse_into(Context& c, std::string_view text, JsonWord& word) {
  const Result<document::Parsed> parsed = document::parse(text, word.bytes);
  if (!parsed.ok()) {
    c.error("ERR " + parsed.error().message);
    return false;
  }
  word.depth = std::max(word.depth, parsed->depth);
  return true;
}

std::optional<JsonEntry> checked(Context& c, const JsonEntry& entry) {
  if (!entry.found || entry.found->kind == kJson) return entry;
  c.wrong_type();
  return std::nullopt;
}

}  // namespace

bool parse_word(Context& c, std::size_t i, JsonWord& word) {
  return borrow(c, word.loan, c.word(i).size()) && parse_into(c, c.word(i), word);
}

bool parse_words(Context& c, std::size_t i, JsonWord& words) {
  std::size_t bytes = 0;
  for (std::size_t w = i; w < c.words.size(); ++w) bytes += c.word(w).size();
  if (!borrow(c, words.loan, bytes)) return false;
  for (std::size_t w = i; w < c.words.size(); ++w) {
    if (!parse_into(c, c.word(w), words)) return false;
  }
  return true;
}

std::optional<Path> path_word(Context& c, std::size_t i) {
  Result<Path> compiled = Path::compile(i < c.words.size() ? c.word(i) : ".");
  if (compiled.ok()) return std::move(compiled).value();
  c.error("ERR " + compiled.error().message);
  return std::nullopt;
}

std::optional<JsonEntry> open_to_read(Context& c, std::size_t i) {
  const tier::Key key = c.key(i);
  tier::Shard& shard = c.shard(key);
  JsonEntry entry{key, c.caller.no_touch ? shard.peek(key) : shard.get(key)};
  if (!entry.found) c.notify(kNotifyKeyMiss, "keymiss", key);
  return checked(c, entry);
}

std::optional<JsonEntry> open_to_write(Context& c, std::size_t i) {
  const tier::Key key = c.key(i);
  return checked(c, {key, c.shard(key).peek(key)});
}

std::optional<JsonEntry> open_existing(Context& c, std::size_t i) {
  auto entry = open_to_write(c, i);
  if (!entry || entry->there()) return entry;
  no_such_document(c);
  return std::nullopt;
}

void no_such_document(Context& c) {
  c.error("ERR could not perform this operation on a key that doesn't exist");
}

bool select_from(Context& c, const Path& path, const JsonEntry& entry, Selection& found) {
  found = document::select(path, entry.root());
  if (found.exhausted) path_asks_too_much(c, path);
  return !found.exhausted;
}

bool select_to_edit(Context& c, const Path& path, const JsonEntry& entry, Selection& found) {
  if (!select_from(c, path, entry, found)) return false;
  found.unify();
  return true;
}

void path_does_not_exist(Context& c, const Path& path, const char* or_what) {
  std::string text = "ERR Path '" + path.text() + "' does not exist";
  if (or_what != nullptr) text += std::string(" or ") + or_what;
  c.error(text);
}

void path_asks_too_much(Context& c, const Path& path) {
  c.error("ERR Path '" + path.text() +
          "' asks for more of the document than one command may look at");
}

void unexpected_type(Context& c, std::string_view expected, std::string_view found) {
  c.error("WRONGTYPE wrong type of path value - expected " + std::string(expected) + " but found " +
          std::string(found));
}

bool depth_allowed(Context& c, unsigned level, unsigned depth) {
  if (level + depth <= document::kDepthMax) return true;
  c.error("ERR the document would nest deeper than " + std::to_string(document::kDepthMax) +
          " levels");
  return false;
}

namespace {

bool size_allowed(Context& c, std::size_t bytes) {
  if (bytes <= c.config().max_value_bytes) return true;
  c.error("ERR the document would be larger than server.max_value allows");
  return false;
}

}  // namespace

bool store_root(Context& c, const tier::Key& key, std::string_view bytes, const char* event) {
  if (!size_allowed(c, bytes.size())) return false;
  const tier::SetOptions how{.keep_expiry = true, .kind = kJson};
  if (!c.wrote(c.shard(key).set(key, bytes, how))) return false;
  c.changed(key, kNotifyModule, event);
  return true;
}

bool store_edits(Context& c, const JsonEntry& entry, Edits& edits, const char* event) {
  edits.finish();
  const std::size_t before = entry.found->value.size(), after = edits.bytes_after();
  if (!size_allowed(c, after)) return false;
  tier::Shard& shard = c.shard(entry.key);
  if (after > before && !c.wrote(shard.resize(entry.key, after))) return false;
  std::size_t size = 0;
  char* const bytes = shard.modify(entry.key, &size);
  if (bytes == nullptr) {
    c.out_of_memory();
    return false;
  }
  edits.apply(bytes);
  // Should the smaller room be denied, what is behind the document stays there, and is not read.
  if (after < size) (void)shard.resize(entry.key, after);
  c.changed(entry.key, kNotifyModule, event);
  return true;
}

std::string& json_scratch() {
  static thread_local std::string text;
  if (text.capacity() > kFreeBufferBytes) text = std::string();
  text.clear();
  return text;
}

bool json_shape(Context& c, std::size_t i, std::string_view text_name, JsonShape& shape) {
  const std::string_view word = c.word(i);
  if (word == text_name) {
    shape = JsonShape::kText;
  } else if (word == "EXPAND1") {
    shape = JsonShape::kExpandOnce;
  } else if (word == "EXPAND") {
    shape = JsonShape::kExpand;
  } else {
    c.error("ERR wrong reply format");
    return false;
  }
  return true;
}

// At most kDepthMax deep.
void reply_shaped(Context& c, Value value, JsonShape shape, const document::Format& format) {
  const bool expand = shape == JsonShape::kExpand;
  const bool scalar = !value.is_container() && !value.is_string();
  if (shape == JsonShape::kText || (!expand && !scalar)) return reply_json(c, value, format);
  switch (value.type()) {
    case Type::kNull:
      return c.out.null();
    case Type::kBoolean:
      return c.out.boolean(value.boolean());
    case Type::kInteger:
      if (!value.is_beyond()) return c.out.integer(value.integer());
      [[fallthrough]];
    case Type::kNumber:
      return c.out.real(value.real());
    case Type::kString:
      return c.out.bulk(value.string());
    case Type::kArray:
      c.out.array(value.count());
      break;
    case Type::kObject:
      c.out.map(value.count());
      break;
  }
  for (document::Items item(value); item.next();) {
    if (value.is_object()) c.out.bulk(item.key());
    reply_shaped(c, item.value(), shape, format);
  }
}

void reply_numbers(Context& c, const Path& path, const std::vector<std::int64_t>& numbers) {
  if (path.legacy()) {
    const auto last = std::find_if(numbers.rbegin(), numbers.rend(),
                                   [](std::int64_t number) { return number >= 0; });
    return last == numbers.rend() ? c.out.null() : c.out.integer(*last);
  }
  c.out.array(numbers.size());
  for (const std::int64_t number : numbers) number < 0 ? c.out.null() : c.out.integer(number);
}

void reply_json(Context& c, Value value, const document::Format& format) {
  std::string& text = json_scratch();
  document::print(text, value, format);
  c.out.bulk(text);
}

}  // namespace ullage::server
