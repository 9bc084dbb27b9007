// SPDX-License-Identifier: Apache-2.0
#include "agent/config.h"

#include <stdlib.h>
#include <string.h>

namespace ullage::agent {

Config g_config;

namespace {

uint64_t number(const char* name, uint64_t otherwise, int base = 10) {
  const char* text = getenv(name);
  return text == nullptr || *text == 0 ? otherwise : strtoull(text, nullptr, base);
}

// Our own entry in LD_PRELOAD; null: it is not there.
char* own_entry(size_t* bytes) {
  char* value = getenv("LD_PRELOAD");
  char* ours = value == nullptr ? nullptr : strstr(value, "libullage_agent.so");
  if (ours == nullptr) return nullptr;
  char* start = ours;
  while (start > value && start[-1] != ':' && start[-1] != ' ') --start;
  char* end = ours;
  while (*end != 0 && *end != ':' && *end != ' ') ++end;
  *bytes = static_cast<size_t>(end - start);
  return start;
}

// Edits the value in place: setenv would allocate and move it.
void leave_ld_preload() {
  size_t bytes = 0;
  char* start = own_entry(&bytes);
  if (start == nullptr) return;
  char* end = start + bytes;
  if (*end != 0) ++end;
  memmove(start, end, strlen(end) + 1);
}

}  // namespace

void read_config() {
  const char* prefix = getenv("ULLAGE_PREFIX");
  if (prefix == nullptr || *prefix == 0 || strlen(prefix) >= sizeof g_config.prefix) return;
  memcpy(g_config.prefix, prefix, strlen(prefix) + 1);
  g_config.present = true;
  size_t bytes = 0;
  const char* own = own_entry(&bytes);
  if (own != nullptr && bytes < sizeof g_config.agent) memcpy(g_config.agent, own, bytes);
  const char* mode = getenv("ULLAGE_AGENT");
  g_config.standby = mode != nullptr && strcmp(mode, "standby") == 0;
  g_config.follow = number("ULLAGE_FOLLOW", 1) != 0;
  g_config.slack = number("ULLAGE_SLACK", 0) != 0;
  g_config.max_depth = static_cast<int>(number("ULLAGE_DEPTH", 512));
  if (g_config.max_depth < 2) g_config.max_depth = 2;
  g_config.run_id = number("ULLAGE_RUN_ID", 0, 16);
  g_config.sample_bytes = number("ULLAGE_SAMPLE", 0);
  g_config.memory_limit_bytes = number("ULLAGE_MEMORY_LIMIT", 0);
  g_config.verify_every = number("ULLAGE_VERIFY_UNWIND", 0);
  g_config.verify_print = number("ULLAGE_VERIFY_PRINT", 0) != 0;
  if (!g_config.follow) leave_ld_preload();
}

}  // namespace ullage::agent
