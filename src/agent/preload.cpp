// SPDX-License-Identifier: Apache-2.0
#include "agent/preload.h"

#include <string.h>

#include "agent/config.h"

namespace ullage::agent {
namespace {

constexpr char kPreload[] = "LD_PRELOAD=";
constexpr char kPrefix[] = "ULLAGE_PREFIX=";
constexpr char kCorrected[] = "ULLAGE_CORRECTED=";  // and one digit

// Variables, and bytes of LD_PRELOAD, beyond which an environment is left as it is. What the
// caller's stack has room for may be less.
constexpr size_t kVariablesMax = 2048;
constexpr size_t kPreloadBytesMax = 4096;
static_assert(kCorrectionsMax <= 9, "one digit");

bool separates(char c) { return c == ':' || c == ' '; }

const char* value_of(const char* entry, const char* name) {
  const size_t bytes = strlen(name);
  return strncmp(entry, name, bytes) == 0 ? entry + bytes : nullptr;
}

// The next library in a list; null at its end.
const char* next_word(const char* at, size_t* bytes) {
  while (separates(*at)) ++at;
  size_t n = 0;
  while (at[n] != 0 && !separates(at[n])) ++n;
  *bytes = n;
  return n == 0 ? nullptr : at;
}

bool is_agent(const char* word, size_t bytes) {
  return bytes == strlen(g_config.agent) && memcmp(word, g_config.agent, bytes) == 0;
}

struct Found {
  const char* preload = nullptr;  // value of LD_PRELOAD
  size_t preload_bytes = 0;       // of it
  size_t at = 0;                  // its place
  size_t count = 0;               // of variables
  size_t corrected_at = 0;        // place of our count; `count`: it is new
  int corrected = 0;              // times
  bool ours = false;              // this recording is named

  // The variables, our count if it is new, and the null that ends them; then the two strings.
  size_t words() const { return count + 2; }
  size_t text_bytes() const {
    return sizeof kPreload + strlen(g_config.agent) + 1 + preload_bytes + sizeof kCorrected + 1;
  }
  size_t bytes() const {
    return (words() + (text_bytes() + sizeof(char*) - 1) / sizeof(char*)) * sizeof(char*);
  }
};

// False: there is nothing to correct.
bool look(char* const* environment, Found* found) {
  if (environment == nullptr || !g_config.present || !g_config.follow || g_config.agent[0] == 0) {
    return false;
  }
  bool counted = false;
  for (size_t i = 0; environment[i] != nullptr; ++i) {
    if (i == kVariablesMax) return false;
    found->count = i + 1;
    const char* preload = value_of(environment[i], kPreload);
    if (preload != nullptr) {  // the loader takes the last
      found->preload = preload;
      found->at = i;
    }
    const char* prefix = value_of(environment[i], kPrefix);
    found->ours = found->ours || (prefix != nullptr && strcmp(prefix, g_config.prefix) == 0);
    const char* corrected = value_of(environment[i], kCorrected);
    if (corrected != nullptr) {
      counted = true;
      found->corrected_at = i;
      found->corrected = *corrected >= '0' && *corrected <= '9' ? *corrected - '0' : 0;
    }
  }
  if (!counted) found->corrected_at = found->count;
  if (!found->ours || found->preload == nullptr || found->corrected >= kCorrectionsMax) {
    return false;
  }
  found->preload_bytes = strnlen(found->preload, kPreloadBytesMax + 1);
  if (found->preload_bytes > kPreloadBytesMax) return false;
  size_t bytes = 0;
  const char* first = next_word(found->preload, &bytes);
  return first != nullptr && !is_agent(first, bytes);
}

}  // namespace

size_t preload_room(char* const* environment, size_t most) {
  Found found;
  return look(environment, &found) && found.bytes() <= most ? found.bytes() : 0;
}

char* const* preload_first(char* const* environment, void* room, size_t bytes) {
  Found found;
  if (!look(environment, &found) || found.bytes() > bytes) return environment;
  auto** words = static_cast<char**>(room);
  memcpy(words, environment, found.count * sizeof(char*));
  words[found.count] = words[found.count + 1] = nullptr;
  char* text = reinterpret_cast<char*>(words + found.words());
  words[found.corrected_at] = text;
  text = stpcpy(text, kCorrected);
  *text++ = static_cast<char>('0' + found.corrected + 1);
  *text++ = 0;
  words[found.at] = text;
  text = stpcpy(stpcpy(text, kPreload), g_config.agent);
  // The list may have become longer since it was looked at: not beyond the room.
  const char* const end = static_cast<char*>(room) + bytes;
  size_t word = 0;
  for (const char* at = found.preload; (at = next_word(at, &word)) != nullptr; at += word) {
    if (is_agent(at, word)) continue;
    if (static_cast<size_t>(end - text) < word + 2) return environment;
    *text++ = ':';
    memcpy(text, at, word);
    text += word;
  }
  *text = 0;
  return words;
}

}  // namespace ullage::agent
