// SPDX-License-Identifier: Apache-2.0
//
// Any path leads somewhere in any document or nowhere, in bounded time; what it leads to can be
// replaced, taken out and added to, and the document stays one.
//
//   | path | line end | document, as JSON |
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "document/edits.h"
#include "document/parse.h"
#include "document/print.h"

namespace {

using namespace ullage::document;

void check(bool holds) {
  if (!holds) std::abort();
}

// What `edits` make of the document: the same in place and as a copy, whole, and in the one form.
void check_edits(std::string_view before, Edits& edits) {
  edits.finish();
  const std::string after = edits.applied_to(before);
  check(after.size() == edits.bytes_after());
  std::string in_place(before);
  in_place.resize(std::max(before.size(), after.size()));
  edits.apply(in_place.data());
  in_place.resize(after.size());
  check(in_place == after);
  check(well_formed(after));
  std::string text, again;
  print(text, Value(after.data()));
  check(parse(text, again).ok() && again == after);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t end = input.find('\n');
  const auto path = Path::compile(input.substr(0, end));
  if (!path.ok() || end == std::string_view::npos) return 0;
  std::string document;
  // Edits add one level.
  const auto parsed = parse(input.substr(end + 1), document);
  if (!parsed.ok() || parsed->depth >= kDepthMax - 1) return 0;
  Selection found = select(*path, Value(document.data()));
  if (path->definite()) check(found.matches.size() <= 1);
  std::string text;
  for (const std::uint32_t match : found.matches) {
    text.clear();
    print(text, found.value(match));
  }
  if (found.exhausted || found.matches.size() > 1000) return 0;
  found.unify();
  Edits additions(found);
  for (const std::uint32_t match : found.matches) {
    if (!found.value(match).is_array()) continue;
    const std::size_t offset = found.nodes[match].offset + found.value(match).bytes();
    additions.insert(match, offset, std::string("\x81\x82", 2), 2);
  }
  check_edits(document, additions);
  found.keep_topmost();
  check(!found.nested());
  Edits replacements(found), removals(found);
  for (const std::uint32_t match : found.matches) {
    const bool longer = found.value(match).bytes() % 2 == 0;
    replacements.replace(match, longer ? std::string("\x43new", 4) : std::string("\x81", 1));
    if (found.nodes[match].parent != Node::kNone) removals.remove(match);
  }
  check_edits(document, replacements);
  check_edits(document, removals);
  return 0;
}
