// SPDX-License-Identifier: Apache-2.0
//
// Any bytes are commands, a wait for more, or an error; and the same ones whether they arrive at
// once or in pieces. The first byte says how large the pieces are.
#include <cstdlib>
#include <string>
#include <vector>

#include "wire/request_parser.h"

namespace {

using ullage::wire::Parsed;

struct Outcome {
  std::vector<std::vector<std::string>> commands;
  std::string error;
  bool operator==(const Outcome&) const = default;
};

Outcome all_of(std::string_view bytes, std::size_t piece) {
  ullage::wire::RequestParser parser(
      {.words_max = 1000, .word_bytes_max = 4096, .inline_bytes_max = 512});
  Outcome outcome;
  std::string held;
  for (std::size_t at = 0; at < bytes.size(); at += piece) {
    std::string moved = held;  // another address: views of before must not be used
    moved += bytes.substr(at, piece);
    held.swap(moved);
    for (Parsed got; !held.empty() && (got = parser.parse(held)) != Parsed::kNeedMore;) {
      if (got == Parsed::kError) {
        outcome.error = parser.error();
        return outcome;
      }
      if (parser.consumed() == 0 || parser.consumed() > held.size()) std::abort();
      outcome.commands.emplace_back(parser.words().begin(), parser.words().end());
      held.erase(0, parser.consumed());
    }
  }
  return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::size_t piece = data[0] % 64 + 1;
  Outcome pieces = all_of(bytes, piece);
  Outcome whole = all_of(bytes, bytes.size() + 1);
  // A line that is too long is noticed as soon as it is, or never when its end arrives with it.
  if (pieces.error.find("too big") != std::string::npos) return 0;
  if (pieces != whole) std::abort();
  return 0;
}
