// SPDX-License-Identifier: Apache-2.0
#pragma once

// The events of a program, as its hooks report them. Each is called between enter() and leave() by
// the thread that owns the writer. None allocates, none locks (new frames, modules and segments
// aside).

#include "agent/session.h"

namespace ullage::agent {

// After the allocator gave `block`.
void on_alloc(Writer* w, record::Tag tag, void* block, size_t bytes, const Registers& at);
// Before the allocator takes `block` back.
void on_free(Writer* w, void* block, const Registers& at);
// Before realloc: the block may be gone afterwards.
struct ReallocStart {
  uint64_t ticks;
  size_t old_usable;
};
ReallocStart before_realloc(Writer* w, void* old_block);
void on_realloc(Writer* w, const ReallocStart& start, void* old_block, void* block, size_t bytes,
                const Registers& at);
// realloc(p, 0) gave nothing back: the block is gone.
void on_realloc_to_nothing(Writer* w, const ReallocStart& start, void* old_block);
void on_map(Writer* w, void* address, size_t bytes, const Registers& at);
void on_unmap(Writer* w, void* address, size_t bytes);
void on_remap(Writer* w, uint64_t start, void* old_address, size_t old_bytes, void* address,
              size_t bytes, const Registers& at);

// A container of <ullage/...> has grown, or ended.
void on_container_growth(Writer* w, const char* site, const char* type, const void* container,
                         const record::ContainerGrowth& growth, const Registers& at);
void on_container_end(Writer* w, const char* site, uint64_t elements);

// Tables of slack and sampling, made when the session starts. False: no memory.
bool prepare_events();

}  // namespace ullage::agent
