// SPDX-License-Identifier: Apache-2.0
//
// Documents written: JSON.SET, JSON.MSET, JSON.MERGE.
#include <deque>
#include <string>
#include <vector>

#include "document/encode.h"
#include "document/merge.h"
#include "server/commands/handlers.h"
#include "server/commands/json_nested.h"
#include "server/commands/json_support.h"

namespace ullage::server {
namespace {

using document::Edits;
using document::Path;
using document::Selection;
using document::Step;
using document::Value;

enum class Only : std::uint8_t { kAny, kNew, kExisting };
// What is to be done: nothing (null is replied), edits; kFailed: the error is replied.
enum class Plan : std::uint8_t { kFailed, kNothing, kReady };

void new_at_the_root(Context& c) { c.error("ERR new objects must be created at the root"); }

// A member that is not there yet, where the path's parent leads to objects.
Plan plan_new_member(Context& c, const JsonEntry& entry, const Path& path, const JsonWord& word,
                     Selection& found, std::optional<Edits>& edits) {
  if (!path.definite()) {
    c.error("ERR wrong static path");
    return Plan::kFailed;
  }
  const Step& last = path.steps().back();
  if (last.kind == Step::Kind::kIndexes) {
    if (!select_from(c, path, entry, found)) return Plan::kFailed;
    if (!found.matches.empty()) return Plan::kNothing;  // NX
    c.error("ERR array index out of range");
    return Plan::kFailed;
  }
  if (!select_to_edit(c, path.parent(), entry, found)) return Plan::kFailed;
  edits.emplace(found);
  for (const std::uint32_t match : found.matches) {
    const Value object = found.value(match);
    if (!object.is_object()) continue;
    bool taken = false;
    for (document::Items item(object); item.next();) taken |= item.key() == last.names[0];
    if (taken) continue;
    if (!depth_allowed(c, found.depth(match) + 1, word.depth)) return Plan::kFailed;
    std::string member;
    document::put_string(member, last.names[0]);
    member += word.bytes;
    edits->insert(match, found.nodes[match].offset + object.bytes(), std::move(member), 1);
  }
  return edits->empty() ? Plan::kNothing : Plan::kReady;
}

// A part of a document becomes the word; a missing member is added.
Plan plan_set(Context& c, const JsonEntry& entry, const Path& path, const JsonWord& word, Only only,
              Selection& found, std::optional<Edits>& edits) {
  if (only != Only::kNew) {
    if (!select_to_edit(c, path, entry, found)) return Plan::kFailed;
    if (!found.matches.empty()) {
      found.keep_topmost();
      edits.emplace(found);
      for (const std::uint32_t match : found.matches) {
        if (!depth_allowed(c, found.depth(match), word.depth)) return Plan::kFailed;
        edits->replace(match, word.bytes);
      }
      return Plan::kReady;
    }
    if (only == Only::kExisting) return Plan::kNothing;
  }
  return plan_new_member(c, entry, path, word, found, edits);
}

// The options behind the value.
bool parse_set_options(Context& c, std::size_t i, Only* only) {
  for (; i < c.words.size(); ++i) {
    if (only != nullptr && *only == Only::kAny && c.is(i, "NX")) {
      *only = Only::kNew;
    } else if (only != nullptr && *only == Only::kAny && c.is(i, "XX")) {
      *only = Only::kExisting;
    } else if (c.is(i, "FORMAT")) {
      if (++i == c.words.size()) {
        c.wrong_arity();
        return false;
      }
      if (c.word(i) != "JSON" && c.word(i) != "STRING") {
        c.error("ERR wrong format");
        return false;
      }
    } else {
      c.syntax_error();
      return false;
    }
  }
  return true;
}

}  // namespace

void json_set_command(Context& c) {
  const auto path = path_word(c, 2);
  Only only = Only::kAny;
  if (!path || !parse_set_options(c, 4, &only)) return;
  JsonWord word;
  if (!parse_word(c, 3, word)) return;
  const auto entry = open_to_write(c, 1);
  if (!entry) return;
  if (only == (entry->there() ? Only::kNew : Only::kExisting) && path->root()) return c.out.null();
  if (path->root()) {
    if (store_root(c, entry->key, word.bytes, "json.set")) c.out.ok();
    return;
  }
  if (!entry->there()) {
    if (only == Only::kExisting) return c.out.null();
    return new_at_the_root(c);
  }
  Selection found;
  std::optional<Edits> edits;
  switch (plan_set(c, *entry, *path, word, only, found, edits)) {
    case Plan::kFailed:
      return;
    case Plan::kNothing:
      return c.out.null();
    case Plan::kReady:
      if (store_edits(c, *entry, *edits, "json.set")) c.out.ok();
  }
}

void json_mset_command(Context& c) {
  if (c.words.size() % 3 != 1) return c.wrong_arity();
  // Nothing is written before everything was understood.
  std::vector<Path> paths;
  std::deque<JsonWord> words;
  for (std::size_t i = 1; i < c.words.size(); i += 3) {
    auto path = path_word(c, i + 1);
    if (!path || !parse_word(c, i + 2, words.emplace_back())) return;
    const auto entry = open_to_write(c, i);
    if (!entry) return;
    if (!path->root()) {
      if (!entry->there()) return new_at_the_root(c);
      Selection found;
      std::optional<Edits> edits;
      const Plan plan = plan_set(c, *entry, *path, words.back(), Only::kAny, found, edits);
      if (plan == Plan::kFailed) return;
    }
    paths.push_back(std::move(*path));
  }
  for (std::size_t n = 0; n < paths.size(); ++n) {
    const auto entry = open_to_write(c, 1 + 3 * n);
    if (!entry) return;
    if (paths[n].root()) {
      if (!store_root(c, entry->key, words[n].bytes, "json.mset")) return;
      continue;
    }
    if (!entry->there()) return c.out_of_memory();  // evicted for one of the others
    Selection found;
    std::optional<Edits> edits;
    switch (plan_set(c, *entry, paths[n], words[n], Only::kAny, found, edits)) {
      case Plan::kFailed:
        return;
      case Plan::kNothing:
        break;
      case Plan::kReady:
        if (!store_edits(c, *entry, *edits, "json.mset")) return;
    }
  }
  c.out.ok();
}

void json_merge_command(Context& c) {
  const auto path = path_word(c, 2);
  if (!path || !parse_set_options(c, 4, nullptr)) return;
  JsonWord word;
  if (!parse_word(c, 3, word)) return;
  // What is merged into is written anew. Asked for before the document is looked at: it may move.
  const tier::Key key = c.key(1);
  const auto old = c.shard(key).peek(key);
  const Loan loan(c, old ? old->value.size() : 0, Loan::How::kMakeRoom);
  if (!loan.granted()) return c.out_of_memory();
  const auto entry = open_to_write(c, 1);
  if (!entry) return;
  if (!entry->there()) {
    if (!path->root()) return new_at_the_root(c);
    if (store_root(c, entry->key, word.bytes, "json.merge")) c.out.ok();
    return;
  }
  Selection found;
  std::optional<Edits> edits;
  if (!select_to_edit(c, *path, *entry, found)) return;
  if (found.matches.empty()) {
    const Plan plan = plan_new_member(c, *entry, *path, word, found, edits);
    if (plan == Plan::kNothing) return c.out.null();
    if (plan == Plan::kReady && store_edits(c, *entry, *edits, "json.merge")) c.out.ok();
    return;
  }
  // One copy of the patch is within what its text was granted.
  const Loan more(c, (found.matches.size() - 1) * word.bytes.size(), Loan::How::kIfFree);
  if (!more.granted()) return c.out_of_memory();
  const auto merge = [&word](const Selection& in, std::uint32_t node, Edits& into) {
    std::string merged;
    document::merge(merged, in.value(node), word.value());
    into.replace(node, std::move(merged));
  };
  for (const std::uint32_t match : found.matches) {
    if (!depth_allowed(c, found.depth(match), word.depth)) return;
  }
  if (found.nested()) {
    if (edit_one_by_one(c, *entry, found, found.matches, "json.merge", merge)) c.out.ok();
    return;
  }
  edits.emplace(found);
  for (const std::uint32_t match : found.matches) merge(found, match, *edits);
  if (store_edits(c, *entry, *edits, "json.merge")) c.out.ok();
}

}  // namespace ullage::server
