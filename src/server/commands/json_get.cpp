// SPDX-License-Identifier: Apache-2.0
//
// Documents read: JSON.GET and what shows values or their kinds.
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "server/commands/handlers.h"
#include "server/commands/json_support.h"

namespace ullage::server {
namespace {

using document::Format;
using document::Items;
using document::Path;
using document::Selection;
using document::Type;
using document::Value;

struct GetWords {
  Format format;
  JsonShape shape = JsonShape::kText;
  std::vector<Path> paths;
};

bool parse_get_words(Context& c, GetWords& words) {
  for (std::size_t i = 2; i < c.words.size(); ++i) {
    std::string_view* const part = c.is(i, "INDENT")    ? &words.format.indent
                                   : c.is(i, "NEWLINE") ? &words.format.newline
                                   : c.is(i, "SPACE")   ? &words.format.space
                                                        : nullptr;
    const bool shape = c.is(i, "FORMAT");
    if (shape && c.out.resp() < 3 && words.paths.empty()) {
      c.error("ERR FORMAT argument is not supported on RESP2");
      return false;
    }
    if (part != nullptr || shape) {
      if (++i == c.words.size()) {
        c.wrong_arity();
        return false;
      }
      if (part != nullptr) *part = c.word(i);
      if (shape && !json_shape(c, i, "STRING", words.shape)) return false;
    } else if (!c.is(i, "NOESCAPE")) {  // of an older version, and without effect
      auto path = path_word(c, i);
      if (!path) return false;
      words.paths.push_back(std::move(*path));
    }
  }
  if (words.paths.empty()) words.paths.push_back(*path_word(c, c.words.size()));
  return true;
}

// The matches as a JSON array.
void print_matches(std::string& out, const Selection& found, const Format& format,
                   unsigned level = 0) {
  out += '[';
  bool first = true;
  for (const std::uint32_t match : found.matches) {
    document::print_before_item(out, first, format, level + 1);
    document::print(out, found.value(match), format, level + 1);
    first = false;
  }
  document::print_before_end(out, first, format, level);
  out += ']';
}

// Several paths: an object with a member for each.
bool print_members(Context& c, const JsonEntry& entry, const GetWords& words, std::string& out) {
  const bool legacy = std::all_of(words.paths.begin(), words.paths.end(),
                                  [](const Path& path) { return path.legacy(); });
  out += '{';
  for (std::size_t i = 0; i < words.paths.size(); ++i) {
    const Path& path = words.paths[i];
    const auto named = [&path](const Path& other) { return other.text() == path.text(); };
    const auto here = words.paths.begin() + static_cast<std::ptrdiff_t>(i);
    if (std::any_of(words.paths.begin(), here, named)) continue;
    Selection found;
    if (!select_from(c, path, entry, found)) return false;
    if (legacy && found.matches.empty()) {
      path_does_not_exist(c, path);
      return false;
    }
    document::print_before_item(out, i == 0, words.format, 1);
    document::print_string(out, path.text());
    out += ':';
    out += words.format.space;
    if (legacy) {
      document::print(out, found.value(found.matches[0]), words.format, 1);
    } else {
      print_matches(out, found, words.format, 1);
    }
  }
  document::print_before_end(out, false, words.format, 0);
  out += '}';
  return true;
}

// What JSON.GET replies for one path; false: there is none, or the error is replied.
bool print_one(const Path& path, const Selection& found, const Format& format, std::string& out) {
  if (!path.legacy()) {
    print_matches(out, found, format);
    return true;
  }
  if (found.matches.empty()) return false;
  document::print(out, found.value(found.matches[0]), format);
  return true;
}

// A value in the words of JSON.RESP: containers are arrays that begin with "[" or "{".
// At most kDepthMax deep.
void reply_resp(Context& c, Value value) {
  switch (value.type()) {
    case Type::kNull:
      return c.out.null();
    case Type::kBoolean:
      return c.out.simple(value.boolean() ? "true" : "false");
    case Type::kInteger:
      if (!value.is_beyond()) return c.out.integer(value.integer());
      [[fallthrough]];
    case Type::kNumber:
      return c.out.real(value.real());
    case Type::kString:
      return c.out.bulk(value.string());
    case Type::kArray:
    case Type::kObject:
      break;
  }
  const bool object = value.is_object();
  c.out.array(1 + value.count() * (object ? 2 : 1));
  c.out.simple(object ? "{" : "[");
  for (Items item(value); item.next();) {
    if (object) c.out.bulk(item.key());
    reply_resp(c, item.value());
  }
}

}  // namespace

void json_get_command(Context& c) {
  GetWords words;
  if (!parse_get_words(c, words)) return;
  const auto entry = open_to_read(c, 1);
  if (!entry) return;
  if (!entry->there()) return c.out.null();
  if (words.shape != JsonShape::kText && c.out.resp() > 2) {
    const std::size_t begun = c.out.buffer().size();
    c.out.array(words.paths.size());
    for (const Path& path : words.paths) {
      Selection found;
      found = document::select(path, entry->root());
      if (found.exhausted) {
        c.out.buffer().truncate(begun);
        return path_asks_too_much(c, path);
      }
      c.out.array(found.matches.size());
      for (const std::uint32_t match : found.matches) {
        reply_shaped(c, found.value(match), words.shape, words.format);
      }
    }
    return;
  }
  std::string& text = json_scratch();
  if (words.paths.size() > 1) {
    if (print_members(c, *entry, words, text)) c.out.bulk(text);
    return;
  }
  const Path& path = words.paths[0];
  Selection found;
  if (!select_from(c, path, *entry, found)) return;
  if (!print_one(path, found, words.format, text)) return path_does_not_exist(c, path);
  c.out.bulk(text);
}

void json_mget_command(Context& c) {
  const Result<Path> path = Path::compile(c.word(c.words.size() - 1));
  c.out.array(c.words.size() - 2);
  for (std::size_t i = 1; i + 1 < c.words.size(); ++i) {
    const tier::Key key = c.key(i);
    tier::Shard& shard = c.shard(key);
    const auto found = c.caller.no_touch ? shard.peek(key) : shard.get(key);
    if (!found) c.notify(kNotifyKeyMiss, "keymiss", key);
    std::string& text = json_scratch();
    bool ok = found && found->kind == kJson && path.ok();
    if (ok) {
      const Selection selection = document::select(*path, Value(found->value.data()));
      ok = !selection.exhausted && print_one(*path, selection, {}, text);
    }
    if (ok) {
      c.out.bulk(text);
    } else {
      c.out.null();
    }
  }
}

void json_type_command(Context& c) {
  const auto path = path_word(c, 2);
  if (!path) return;
  const auto entry = open_to_read(c, 1);
  if (!entry) return;
  Selection found;
  if (entry->there() && !select_from(c, *path, *entry, found)) return;
  if (c.out.resp() > 2) c.out.array(1);
  const auto reply = [&](std::uint32_t match) { c.out.bulk(name_of(found.value(match).type())); };
  if (!entry->there() || (path->legacy() && found.matches.empty())) return c.out.null();
  if (path->legacy()) return reply(found.matches[0]);
  c.out.array(found.matches.size());
  for (const std::uint32_t match : found.matches) reply(match);
}

void json_resp_command(Context& c) {
  const auto path = path_word(c, 2);
  if (!path) return;
  const auto entry = open_to_read(c, 1);
  if (!entry) return;
  if (!entry->there()) return c.out.null();
  Selection found;
  if (!select_from(c, *path, *entry, found)) return;
  if (path->legacy()) {
    if (found.matches.empty()) return path_does_not_exist(c, *path);
    return reply_resp(c, found.value(found.matches[0]));
  }
  c.out.array(found.matches.size());
  for (const std::uint32_t match : found.matches) reply_resp(c, found.value(match));
}

// The bytes that a value takes in the store.
void json_debug_memory_command(Context& c) {
  const auto path = path_word(c, 3);
  if (!path) return;
  const auto entry = open_to_read(c, 2);
  if (!entry) return;
  if (!entry->there()) {
    if (path->legacy()) return c.out.integer(0);
    return c.out.array(0);
  }
  Selection found;
  if (!select_from(c, *path, *entry, found)) return;
  const auto reply = [&](std::uint32_t match) {
    c.out.integer(static_cast<std::int64_t>(found.value(match).bytes()));
  };
  if (path->legacy()) {
    if (found.matches.empty()) return path_does_not_exist(c, *path);
    return reply(found.matches[0]);
  }
  c.out.array(found.matches.size());
  for (const std::uint32_t match : found.matches) reply(match);
}

void json_debug_help_command(Context& c) {
  c.out.array(2);
  c.out.bulk("MEMORY <key> [path] - bytes that values take in the store");
  c.out.bulk("HELP                - this message");
}

}  // namespace ullage::server
