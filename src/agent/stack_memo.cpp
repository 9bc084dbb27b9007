// SPDX-License-Identifier: Apache-2.0
#include "agent/stack_memo.h"

namespace ullage::agent {

void StackMemo::store(const Registers& at, uintptr_t high, uint32_t generation, uint32_t id,
                      const StackWord* words, uint32_t count, bool uses_bp) {
  Entry* pair = pair_of(at);
  const uint16_t index = pair[1].room;
  pair[1].pc = 0;  // nobody's, while its words change
  Room& room = rooms_[index];
  for (uint32_t i = 0; i < count; ++i) {
    const uintptr_t distance = (words[i].address - at.sp) / 8;
    if (ULLAGE_UNLIKELY(distance > UINT16_MAX)) return;
    room.value[i] = words[i].value;
    room.offset[i] = static_cast<uint16_t>(distance);
  }
  pair[1] = pair[0];
  pair[0] = Entry{
      at.pc, at.bp, static_cast<uint32_t>(high - at.sp), generation,
      id,    index, static_cast<uint8_t>(count),         static_cast<uint8_t>(uses_bp ? 1 : 0)};
}

}  // namespace ullage::agent
