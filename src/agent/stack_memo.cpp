// SPDX-License-Identifier: Apache-2.0
#include "agent/stack_memo.h"

namespace ullage::agent {

void StackMemo::store(const Registers& at, uintptr_t high, uint32_t generation, uint32_t id,
                      const StackWord* words, uint32_t count, uint8_t flags, const Anchor& anchor) {
  const Place p = place_of(at, high);
  uint32_t* tags = tags_ + p.pair;
  const uint32_t first = tags[0];
  Entry& e = *entry_of(p, ~first);
  e.pc = 0;  // nobody's, while it changes
  for (uint32_t i = 0; i < count; ++i) {
    const uintptr_t distance = (words[i].address - at.sp) / 8;
    if (ULLAGE_UNLIKELY(distance > UINT16_MAX)) return;
    e.value[i] = words[i].value;
    e.offset[i] = static_cast<uint16_t>(distance);
  }
  e.bp = at.bp;
  e.anchor_bp = anchor.bp;
  e.height = static_cast<uint32_t>(high - at.sp);
  e.generation = generation;
  e.id = id;
  e.anchor_name = anchor.name;
  e.anchor_height = anchor.height;
  e.anchor_depth = anchor.depth;
  e.count = static_cast<uint8_t>(count);
  e.flags = static_cast<uint8_t>(flags | (anchor.needs_bp ? kAnchorBp : 0));
  e.pc = at.pc;
  tags[0] = p.tag | (~first & 1u);
  tags[1] = first;
}

}  // namespace ullage::agent
