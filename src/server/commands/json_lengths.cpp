// SPDX-License-Identifier: Apache-2.0
//
// Documents measured: lengths, names, places.
#include <algorithm>

#include "server/commands/handlers.h"
#include "server/commands/json_support.h"
#include "wire/request_parser.h"

namespace ullage::server {
namespace {

using document::Items;
using document::Path;
using document::Selection;
using document::Type;
using document::Value;

void reply_count(Context& c, Value value) {
  c.out.integer(static_cast<std::int64_t>(value.count()));
}

// A reply for every match: null for those of another type.
template <class Reply>
void reply_each(Context& c, const Selection& found, Type type, const Reply& reply) {
  c.out.array(found.matches.size());
  for (const std::uint32_t match : found.matches) {
    if (found.value(match).type() == type) {
      reply(found.value(match));
    } else {
      c.out.null();
    }
  }
}

void reply_names(Context& c, Value object) {
  c.out.array(object.count());
  for (Items item(object); item.next();) c.out.bulk(item.key());
}

// The words of a command with a key and perhaps a path; the document, and what the path leads to.
struct Asked {
  std::optional<Path> path;
  std::optional<JsonEntry> entry;
  Selection found;

  bool legacy() const { return path->legacy(); }
  bool there() const { return entry->there(); }
  Value first() const { return found.value(found.matches[0]); }
};
bool ask(Context& c, Asked& asked) {
  asked.path = path_word(c, 2);
  if (!asked.path) return false;
  asked.entry = open_to_read(c, 1);
  if (!asked.entry) return false;
  return !asked.there() || select_from(c, *asked.path, *asked.entry, asked.found);
}

// A place in an array of `size`; from the end when negative.
std::int64_t start_of(std::int64_t start, std::int64_t size) {
  return start < 0 ? std::max<std::int64_t>(0, size + start) : std::min(start, size - 1);
}
std::int64_t end_of(std::int64_t end, std::int64_t size) {
  if (end == 0) return size;
  return end < 0 ? std::max<std::int64_t>(0, size + end) : std::min(end, size);
}

struct Sought {
  Value value;
  std::int64_t start, end;
};

// Where it is first; -1: nowhere.
std::int64_t index_of(Value array, const Sought& sought, std::uint64_t& work) {
  const auto size = static_cast<std::int64_t>(array.count());
  if (size == 0) return -1;
  const std::int64_t start = start_of(sought.start, size), end = end_of(sought.end, size);
  for (Items item(array); item.next();) {
    const auto index = static_cast<std::int64_t>(item.index());
    if (index >= end) break;
    if (index >= start && equal(item.value(), sought.value, work)) return index;
  }
  return -1;
}

}  // namespace

void json_strlen_command(Context& c) {
  Asked asked;
  if (!ask(c, asked)) return;
  const auto reply = [&c](Value value) {
    c.out.integer(static_cast<std::int64_t>(value.string().size()));
  };
  if (!asked.legacy()) {
    if (!asked.there()) return no_such_document(c);
    return reply_each(c, asked.found, Type::kString, reply);
  }
  if (!asked.there()) return c.out.null();
  if (asked.found.matches.empty()) return path_does_not_exist(c, *asked.path);
  const Type type = asked.first().type();
  if (type != Type::kString) return unexpected_type(c, "string", name_of(type));
  reply(asked.first());
}

void json_arrlen_command(Context& c) {
  Asked asked;
  if (!ask(c, asked)) return;
  const auto reply = [&c](Value value) { reply_count(c, value); };
  if (!asked.legacy()) {
    if (!asked.there()) return no_such_document(c);
    return reply_each(c, asked.found, Type::kArray, reply);
  }
  if (!asked.there()) return c.out.null();
  if (asked.found.matches.empty()) return path_does_not_exist(c, *asked.path);
  if (!asked.first().is_array()) return path_does_not_exist(c, *asked.path, "not an array");
  reply(asked.first());
}

void json_objlen_command(Context& c) {
  Asked asked;
  if (!ask(c, asked)) return;
  const auto reply = [&c](Value value) { reply_count(c, value); };
  if (!asked.legacy()) {
    if (!asked.there()) return path_does_not_exist(c, *asked.path, "not an object");
    return reply_each(c, asked.found, Type::kObject, reply);
  }
  if (!asked.there() || asked.found.matches.empty()) return c.out.null();
  const Type type = asked.first().type();
  if (type != Type::kObject) return unexpected_type(c, "object", name_of(type));
  reply(asked.first());
}

void json_objkeys_command(Context& c) {
  Asked asked;
  if (!ask(c, asked)) return;
  const auto reply = [&c](Value value) { reply_names(c, value); };
  if (!asked.legacy()) {
    if (!asked.there()) return no_such_document(c);
    return reply_each(c, asked.found, Type::kObject, reply);
  }
  if (!asked.there() || asked.found.matches.empty()) return c.out.null();
  if (!asked.first().is_object()) return path_does_not_exist(c, *asked.path, "not an object");
  reply(asked.first());
}

void json_arrindex_command(Context& c) {
  JsonWord word;
  if (!parse_word(c, 3, word)) return;
  Sought sought{word.value(), 0, 0};
  if (c.words.size() > 6) return c.wrong_arity();
  if (c.words.size() > 4 && !c.integer(4, sought.start)) return;
  if (c.words.size() > 5 && !c.integer(5, sought.end)) return;
  Asked asked;
  if (!ask(c, asked)) return;
  if (!asked.there()) return path_does_not_exist(c, *asked.path);
  std::uint64_t work = document::kLooksMin + document::kLooksPerByte * asked.entry->root().bytes();
  const std::size_t begun = c.out.buffer().size();
  const auto reply = [&](Value array) { c.out.integer(index_of(array, sought, work)); };
  if (!asked.legacy()) {
    reply_each(c, asked.found, Type::kArray, reply);
  } else {
    if (asked.found.matches.empty()) return path_does_not_exist(c, *asked.path);
    const Type type = asked.first().type();
    if (type != Type::kArray) return unexpected_type(c, "array", name_of(type));
    reply(asked.first());
  }
  if (work != 0) return;
  c.out.buffer().truncate(begun);
  path_asks_too_much(c, *asked.path);
}

}  // namespace ullage::server
