// SPDX-License-Identifier: Apache-2.0
//
// Bytes from a disk: a directory's record, a stored key, a stored value. Whatever is understood is
// written again as it was.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "tier/cold/layout.h"
#include "tier/cold/meta.h"

namespace {

using namespace ullage::tier;
using namespace ullage::tier::cold;

void must(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "cold_format_fuzz: %s\n", what);
  std::abort();
}

void check_key(std::string_view bytes) {
  StoredKey key;
  if (!decode_key(bytes, key)) return;
  must(key.db < kDatabases, "a key is of one of the databases");
  std::string again;
  encode_key(key.db, key.hash, key.text, again);
  must(again == bytes, "a key is written as it was read");
  must(first_key(key.db) <= bytes && bytes < first_key(key.db + 1), "a key lies in its database");
}

void check_value(std::string_view bytes) {
  StoredValue value;
  if (!decode_value(bytes, value)) return;
  ColdEntry entry;
  entry.written_ms = value.written_ms;
  entry.expires_ms = value.expires_ms;
  entry.kind = value.kind;
  char header[kValueHeaderBytesMax];
  const std::size_t length = encode_header(entry, header);
  must(length <= kValueHeaderBytesMax, "a header has room");
  const std::string again = std::string(header, length) + std::string(value.value);
  // Other writers may use more bytes for a number than it needs; what it says is the same.
  StoredValue second;
  must(decode_value(again, second), "a value that was written is understood");
  must(second.written_ms == value.written_ms && second.expires_ms == value.expires_ms &&
           second.kind == value.kind && second.value == value.value,
       "and says the same");
}

void check_record(std::string_view text) {
  const ullage::Result<Meta> meta = parse_meta(text, "input");
  if (meta.ok()) {
    must(meta.value().format <= kDirectoryFormat, "a newer format is refused");
    must(parse_meta(to_text(meta.value()), "again").ok(), "a record is written as it is read");
  } else {
    must(!meta.error().message.empty(), "an error says what it is");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  check_key(bytes);
  check_value(bytes);
  check_record(bytes);
  return 0;
}
