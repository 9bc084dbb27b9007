// SPDX-License-Identifier: Apache-2.0
#pragma once

// The entity tag of a value: BLAKE2b (RFC 7693) of its bytes, 128 bits, as 32 hexadecimal digits in
// quotes. The same value has the same tag whichever server, whenever: a client can make it by
// itself (python: hashlib.blake2b(value, digest_size=16).hexdigest()). Nobody finds two values of
// one tag.
//
// Cost: about 1 ns a byte; a value that is written or erased under a condition pays it on the
// thread that owns it, others on the thread of HTTP. Threads: any.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ullage::server {

std::string etag_of(std::string_view value);  // "\"6f...\""

// What If-Match and If-None-Match say. A tag with W/ never matches strongly.
struct TagList {
  bool any = false;               // "*"
  std::vector<std::string> tags;  // with their quotes, and W/ before them
};
// False: it is no such list.
bool parse_tags(std::string_view text, TagList& list);
// `weak`: W/"a" matches "a" as well, as If-None-Match has it.
bool matches(const TagList& list, std::string_view etag, bool weak);

}  // namespace ullage::server
