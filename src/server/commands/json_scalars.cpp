// SPDX-License-Identifier: Apache-2.0
//
// Numbers, texts and truth values in documents changed; parts of documents taken away.
#include <cmath>
#include <string>

#include "document/encode.h"
#include "document/parse.h"
#include "server/commands/handlers.h"
#include "server/commands/json_support.h"

namespace ullage::server {
namespace {

using document::Edits;
using document::Path;
using document::Selection;
using document::Type;
using document::Value;

enum class NumberOp : std::uint8_t { kAdd, kMultiply };

bool is_small(Value value) { return value.type() == Type::kInteger && !value.is_beyond(); }

// `value` op `by`, encoded. Integers wrap around, as RedisJSON's do; false: no double holds it.
bool calculate(NumberOp op, Value value, Value by, std::string& result) {
  if (is_small(value) && is_small(by)) {
    std::int64_t whole = 0;
    if (op == NumberOp::kAdd) {
      (void)__builtin_add_overflow(value.integer(), by.integer(), &whole);
    } else {
      (void)__builtin_mul_overflow(value.integer(), by.integer(), &whole);
    }
    document::put_integer(result, whole);
    return true;
  }
  const double one = value.real(), other = by.real();
  const double real = op == NumberOp::kAdd ? one + other : one * other;
  if (!std::isfinite(real)) return false;
  document::put_real(result, real);
  return true;
}

// Results, or null for a match that is no number, in the form that the protocol and the path ask.
void reply_results(Context& c, const Path& path, const std::vector<std::string>& results) {
  if (c.out.resp() > 2) {
    c.out.array(results.size());
    for (const std::string& result : results) {
      if (result.empty()) {
        c.out.null();
      } else if (is_small(Value(result.data()))) {
        c.out.integer(Value(result.data()).integer());
      } else {
        c.out.real(Value(result.data()).real());
      }
    }
    return;
  }
  std::string text = path.legacy() ? "" : "[";
  for (const std::string& result : results) {
    if (path.legacy()) {
      if (result.empty()) continue;
      text.clear();  // the last one is replied
    } else if (text.size() > 1) {
      text += ',';
    }
    if (result.empty()) {
      text += "null";
    } else {
      document::print(text, Value(result.data()));
    }
  }
  if (!path.legacy()) text += ']';
  c.out.bulk(text);
}

void change_numbers(Context& c, NumberOp op, const char* event) {
  const auto path = path_word(c, 2);
  if (!path) return;
  JsonWord word;
  if (!parse_word(c, 3, word)) return;
  if (!word.value().is_numeric()) return c.error("ERR bad input number");
  const auto entry = open_existing(c, 1);
  if (!entry) return;
  Selection found;
  if (!select_to_edit(c, *path, *entry, found)) return;
  Edits edits(found);
  std::vector<std::string> results(found.matches.size());
  for (std::size_t i = 0; i < results.size(); ++i) {
    const Value value = found.value(found.matches[i]);
    if (!value.is_numeric()) continue;
    if (!calculate(op, value, word.value(), results[i])) {
      return c.error("ERR result is not a number");
    }
    edits.replace(found.matches[i], results[i]);
  }
  if (edits.empty()) {
    if (path->legacy() && c.out.resp() < 3) {
      return path_does_not_exist(c, *path, "does not contains a number");
    }
  } else if (!store_edits(c, *entry, edits, event)) {
    return;
  }
  reply_results(c, *path, results);
}

}  // namespace

void json_numincrby_command(Context& c) { change_numbers(c, NumberOp::kAdd, "json.numincrby"); }
void json_nummultby_command(Context& c) {
  change_numbers(c, NumberOp::kMultiply, "json.nummultby");
}

void json_strappend_command(Context& c) {
  if (c.words.size() > 4) return c.wrong_arity();
  const bool path_given = c.words.size() == 4;
  const auto path = path_word(c, path_given ? 2 : c.words.size());
  if (!path) return;
  JsonWord word;
  if (!parse_word(c, path_given ? 3 : 2, word)) return;
  if (!word.value().is_string()) {
    return unexpected_type(c, "string", c.word(path_given ? 3 : 2));
  }
  const std::string_view tail = word.value().string();
  const auto entry = open_existing(c, 1);
  if (!entry) return;
  Selection found;
  if (!select_to_edit(c, *path, *entry, found)) return;
  Edits edits(found);
  std::vector<std::int64_t> lengths;
  for (const std::uint32_t match : found.matches) {
    const Value value = found.value(match);
    if (!value.is_string()) {
      lengths.push_back(-1);
      continue;
    }
    // The text stays where it is: its header changes, and its end grows.
    const std::size_t offset = found.nodes[match].offset, length = value.string().size();
    std::string header;
    document::put_string_header(header, length + tail.size());
    edits.splice(match, offset, value.header_bytes(), std::move(header));
    edits.splice(match, offset + value.bytes(), 0, std::string(tail));
    lengths.push_back(static_cast<std::int64_t>(length + tail.size()));
  }
  if (edits.empty()) {
    if (path->legacy()) return path_does_not_exist(c, *path, "not a string");
  } else if (!store_edits(c, *entry, edits, "json.strappend")) {
    return;
  }
  reply_numbers(c, *path, lengths);
}

void json_toggle_command(Context& c) {
  const auto path = path_word(c, 2);
  if (!path) return;
  const auto entry = open_existing(c, 1);
  if (!entry) return;
  Selection found;
  if (!select_to_edit(c, *path, *entry, found)) return;
  Edits edits(found);
  std::vector<std::int64_t> results;
  for (const std::uint32_t match : found.matches) {
    const Value value = found.value(match);
    if (value.type() != Type::kBoolean) {
      results.push_back(-1);
      continue;
    }
    std::string toggled;
    document::put_boolean(toggled, !value.boolean());
    edits.replace(match, std::move(toggled));
    results.push_back(value.boolean() ? 0 : 1);
  }
  if (edits.empty()) {
    if (path->legacy()) return path_does_not_exist(c, *path, "not a bool");
  } else if (!store_edits(c, *entry, edits, "json.toggle")) {
    return;
  }
  if (!path->legacy()) return reply_numbers(c, *path, results);
  std::erase(results, -1);
  c.out.bulk(results.back() != 0 ? "true" : "false");
}

void json_del_command(Context& c) {
  if (c.words.size() > 3) return c.wrong_arity();
  const auto path = path_word(c, 2);
  if (!path) return;
  const auto entry = open_to_write(c, 1);
  if (!entry) return;
  if (!entry->there()) return c.out.integer(0);
  if (path->root()) {
    c.shard(entry->key).erase(entry->key);
    c.changed(entry->key, kNotifyModule, "json.del");
    return c.out.integer(1);
  }
  Selection found;
  if (!select_to_edit(c, *path, *entry, found)) return;
  found.keep_topmost();
  Edits edits(found);
  for (const std::uint32_t match : found.matches) edits.remove(match);
  if (!edits.empty() && !store_edits(c, *entry, edits, "json.del")) return;
  c.out.integer(static_cast<std::int64_t>(found.matches.size()));
}

void json_forget_command(Context& c) { json_del_command(c); }

void json_clear_command(Context& c) {
  const auto path = path_word(c, 2);
  if (!path) return;
  const auto entry = open_existing(c, 1);
  if (!entry) return;
  Selection found;
  if (!select_to_edit(c, *path, *entry, found)) return;
  std::erase_if(found.matches, [&found](std::uint32_t match) {
    const Value value = found.value(match);
    if (value.is_container()) return value.count() == 0;
    return !value.is_numeric() || value.real() == 0.0;
  });
  found.keep_topmost();
  Edits edits(found);
  for (const std::uint32_t match : found.matches) {
    const Value value = found.value(match);
    std::string cleared;
    if (value.is_array()) {
      document::put_header(cleared, document::tag::kArray, 0, 0);
    } else if (value.is_object()) {
      document::put_header(cleared, document::tag::kObject, 0, 0);
    } else {
      document::put_integer(cleared, 0);
    }
    edits.replace(match, std::move(cleared));
  }
  if (!edits.empty() && !store_edits(c, *entry, edits, "json.clear")) return;
  c.out.integer(static_cast<std::int64_t>(found.matches.size()));
}

}  // namespace ullage::server
