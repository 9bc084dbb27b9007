// SPDX-License-Identifier: Apache-2.0
#include "agent/verify.h"

#include <dlfcn.h>
#include <stdio.h>

#include "agent/config.h"
#include "agent/session.h"

namespace ullage::agent {
namespace {

using Trace = int (*)(void* context, void* data);
int (*g_backtrace)(Trace, void*) = nullptr;
uintptr_t (*g_ip)(void* context, int* before) = nullptr;

constexpr int kFrames = Unwinder::kFramesMax + 16;
constexpr int kNoReason = 0, kEndOfStack = 5;

struct Walk {
  uintptr_t from;  // our caller's pc: frames before it are the agent's
  bool begun;
  int count;
  uint64_t pcs[kFrames];
};

int on_frame(void* context, void* data) {
  auto* walk = static_cast<Walk*>(data);
  int before = 0;
  uintptr_t pc = g_ip(context, &before);
  if (pc == 0) return kEndOfStack;
  if (pc == walk->from) walk->begun = true;
  if (!walk->begun) return kNoReason;
  if (walk->count == kFrames) return kEndOfStack;
  walk->pcs[walk->count++] = pc + (before != 0 ? 1 : 0);
  return kNoReason;
}

}  // namespace

void prepare_verify() {
  void* library = dlopen("libgcc_s.so.1", RTLD_NOW);
  if (library == nullptr) return;
  g_ip = reinterpret_cast<decltype(g_ip)>(dlsym(library, "_Unwind_GetIPInfo"));
  g_backtrace = reinterpret_cast<decltype(g_backtrace)>(dlsym(library, "_Unwind_Backtrace"));
  if (g_ip == nullptr || g_backtrace == nullptr) {
    g_backtrace = nullptr;
    return;
  }
  Walk walk{};
  g_backtrace(&on_frame, &walk);
}

ULLAGE_COLD void verify_stack(Writer* writer, const Registers& at, uint32_t id) {
  if (g_backtrace == nullptr) return;
  KeepErrno keep;
  static thread_local Walk* scratch __attribute__((tls_model("initial-exec"))) = nullptr;
  if (scratch == nullptr) scratch = static_cast<Walk*>(map_private(sizeof(Walk)));
  if (scratch == nullptr) return;
  Walk& walk = *scratch;
  walk.from = at.pc;
  walk.begun = false;
  walk.count = 0;
  g_backtrace(&on_frame, &walk);
  ++writer->verify_checked;
  bool same = walk.count > 0;
  int i = 0;
  for (uint32_t n = id; same && n != 0; ++i) {
    const record::StackNode* node = g_stacks.node(n);
    if (node == nullptr) {
      same = false;
    } else if (node->pc == record::kPcTruncated) {
      i = walk.count;  // cut by max_depth: what we have must agree, the rest is not ours to say
      break;
    } else {
      same = i < walk.count && (node->pc & record::kPcMask) == walk.pcs[i];
      n = node->parent;
    }
  }
  if (!same || i < walk.count) {
    ++writer->verify_differences;
    if (g_config.verify_print) {
      fprintf(stderr, "ullage: verify: stack %u differs at frame %d of %d\n", id, i, walk.count);
      int k = 0;
      for (uint32_t n = id; n != 0 || k < walk.count; ++k) {
        const record::StackNode* node = n != 0 ? g_stacks.node(n) : nullptr;
        fprintf(stderr, "  %2d ours %llx libgcc %llx\n", k,
                node != nullptr ? static_cast<unsigned long long>(node->pc) : 0ull,
                k < walk.count ? static_cast<unsigned long long>(walk.pcs[k]) : 0ull);
        n = node != nullptr ? node->parent : 0;
      }
    }
  }
}

}  // namespace ullage::agent
