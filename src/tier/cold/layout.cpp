// SPDX-License-Identifier: Apache-2.0
#include "tier/cold/layout.h"

#include "tier/key.h"

namespace ullage::tier::cold {
namespace {

static_assert(kDatabases == 16, "a database takes the lower half of a key's first byte");

std::size_t write_varint(std::uint64_t number, char* out) noexcept {
  std::size_t n = 0;
  for (; number >= 0x80; number >>= 7) out[n++] = static_cast<char>(number | 0x80);
  out[n++] = static_cast<char>(number);
  return n;
}

// Takes it off the front. Refuses what is cut short, or longer than 64 bits.
bool read_varint(std::string_view& bytes, std::uint64_t& number) noexcept {
  number = 0;
  for (unsigned shift = 0; shift < 64 && !bytes.empty(); shift += 7) {
    const auto byte = static_cast<std::uint8_t>(bytes.front());
    bytes.remove_prefix(1);
    if (shift == 63 && byte > 1) return false;
    number |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

}  // namespace

void encode_key(unsigned db, std::uint64_t hash, std::string_view text, std::string& out) {
  out.clear();
  out.reserve(kKeyPrefixBytes + text.size());
  // 16 is the end of the last database: the next format's first key.
  out.push_back(static_cast<char>((kKeyFormat << 4) + db));
  for (unsigned shift = 64; shift > 0; shift -= 8) {
    out.push_back(static_cast<char>(hash >> (shift - 8)));
  }
  out.append(text);
}

bool decode_key(std::string_view bytes, StoredKey& key) noexcept {
  if (bytes.size() < kKeyPrefixBytes) return false;
  const auto first = static_cast<std::uint8_t>(bytes.front());
  if (first >> 4 != kKeyFormat) return false;
  key.db = first & 15u;
  key.hash = 0;
  for (std::size_t i = 1; i < kKeyPrefixBytes; ++i) {
    key.hash = key.hash << 8 | static_cast<std::uint8_t>(bytes[i]);
  }
  key.text = bytes.substr(kKeyPrefixBytes);
  return true;
}

std::string first_key(unsigned db, std::uint64_t hash) {
  std::string key;
  encode_key(db, hash, {}, key);
  return key;
}

void encode_note(std::string_view name, std::string& out) {
  out.assign(1, '\0');
  out.append(name);
}

std::size_t encode_header(const ColdEntry& entry, char (&out)[kValueHeaderBytesMax]) noexcept {
  out[0] = static_cast<char>(kValueFormat);
  out[1] = static_cast<char>(entry.kind);
  std::size_t n = 2;
  n += write_varint(entry.written_ms, out + n);
  n += write_varint(entry.expires_ms, out + n);
  return n;
}

bool decode_value(std::string_view bytes, StoredValue& value) noexcept {
  if (bytes.size() < 2 || static_cast<std::uint8_t>(bytes.front()) != kValueFormat) return false;
  value.kind = static_cast<std::uint8_t>(bytes[1]);
  bytes.remove_prefix(2);
  if (!read_varint(bytes, value.written_ms) || !read_varint(bytes, value.expires_ms)) return false;
  value.value = bytes;
  return true;
}

}  // namespace ullage::tier::cold
