// SPDX-License-Identifier: Apache-2.0
#include "agent/preload.h"

#include <string.h>

#include "agent/config.h"
#include "agent/output.h"

namespace ullage::agent {
namespace {

constexpr char kPreload[] = "LD_PRELOAD=";
constexpr char kPrefix[] = "ULLAGE_PREFIX=";

// Variables, and bytes of LD_PRELOAD, beyond which an environment is left as it is: the caller's
// stack may be a small one.
constexpr size_t kVariablesMax = 2048;
constexpr size_t kPreloadBytesMax = 4096;
// Programs that a process has executed, beyond which LD_PRELOAD is left as it is.
constexpr uint32_t kCorrectedImagesMax = 8;

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
  size_t at = 0;                  // its place
  size_t count = 0;               // of variables
  bool ours = false;              // this recording is named
};

// False: there is nothing to correct.
bool look(char* const* environment, Found* found) {
  if (environment == nullptr || !g_config.present || !g_config.follow || g_config.agent[0] == 0) {
    return false;
  }
  // A wrapper that executes itself until LD_PRELOAD is what it wants would never end: it gets its
  // way after a few times.
  const record::FileHeader* header = g_output.file.header();
  if (header != nullptr && header->image >= kCorrectedImagesMax) return false;
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
  }
  if (!found->ours || found->preload == nullptr || strlen(found->preload) > kPreloadBytesMax) {
    return false;
  }
  size_t bytes = 0;
  const char* first = next_word(found->preload, &bytes);
  return first != nullptr && !is_agent(first, bytes);
}

}  // namespace

size_t preload_room(char* const* environment) {
  Found found;
  if (!look(environment, &found)) return 0;
  const size_t text =
      sizeof kPreload + strlen(g_config.agent) + 1 + strlen(found.preload) + sizeof(char*);
  return (found.count + 1) * sizeof(char*) + text / sizeof(char*) * sizeof(char*);
}

char* const* preload_first(char* const* environment, void* room) {
  Found found;
  if (!look(environment, &found)) return environment;
  auto** words = static_cast<char**>(room);
  memcpy(words, environment, (found.count + 1) * sizeof(char*));
  char* text = reinterpret_cast<char*>(words + found.count + 1);
  words[found.at] = text;
  text = stpcpy(stpcpy(text, kPreload), g_config.agent);
  size_t bytes = 0;
  for (const char* at = found.preload; (at = next_word(at, &bytes)) != nullptr; at += bytes) {
    if (is_agent(at, bytes)) continue;
    *text++ = ':';
    memcpy(text, at, bytes);
    text += bytes;
  }
  *text = 0;
  return words;
}

}  // namespace ullage::agent
