// SPDX-License-Identifier: Apache-2.0
#pragma once

// parse_reply: what a server answers, RESP2 and RESP3, as a tree.
//
//   Reply reply;
//   const ReplyParse got = parse_reply(bytes, limits, reply);
//   if (got.status == Parsed::kCommand) bytes.remove_prefix(got.consumed);   // a whole reply
//
// For clients: tests, and peers. Each call reads from the reply's start. Attributes are read and
// dropped. An aggregate that promises more elements than its bytes can hold allocates for those
// that arrived. Threads: any.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "wire/request_parser.h"

namespace ullage::wire {

struct Reply {
  enum class Type {
    kNull,
    kSimple,
    kError,
    kInteger,
    kBulk,
    kArray,
    kMap,
    kSet,
    kPush,
    kReal,
    kBoolean,
    kBigNumber,
    kVerbatim,
  };
  Type type = Type::kNull;
  std::string text;          // simple, error, bulk, verbatim (without its format), numbers as sent
  std::int64_t integer = 0;  // integer, boolean
  std::string_view kept;     // instead of text: a part of the bytes that were parsed
  double real = 0;
  std::vector<Reply> elements;  // of a map: key, value, key, value

  std::string_view bytes() const { return kept.empty() ? std::string_view(text) : kept; }
  bool is_error() const { return type == Type::kError; }
};

struct ReplyLimits {
  std::size_t depth_max = 16;
  std::size_t elements_max = 1u << 20;  // of one aggregate
  std::size_t bulk_bytes_max = 512u << 20;
  std::size_t copied_bytes_max = SIZE_MAX;  // a longer bulk is `kept`
};

struct ReplyParse {
  Parsed status = Parsed::kNeedMore;
  std::size_t consumed = 0;
  std::string error;
};

ReplyParse parse_reply(std::string_view bytes, const ReplyLimits& limits, Reply& reply);

}  // namespace ullage::wire
