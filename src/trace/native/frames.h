// SPDX-License-Identifier: Apache-2.0
#pragma once

// Frames: contexts as people read them: inlined calls unfolded, recursion folded.
//
//   Frames frames{stacks, modules, symbolizer_or_null};
//   for (const Unfolded& u : frames.unfold(node)) u.frame->label();
//
// Without a symbolizer every frame is module+offset. Threads: one at a time.

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "evidence/evidence.h"
#include "trace/native/stacks.h"
#include "trace/native/symbols.h"

namespace ullage::trace {

// Levels of a context that are unfolded, from the inside. The agent keeps a quarter of it; a table
// that was made to be read for ever may be a chain of millions, and each place would copy it.
inline constexpr std::uint32_t kUnfoldLevelsMax = 4096;

struct Unfolded {
  const evidence::Frame* frame = nullptr;
  std::uint32_t node = 0;   // the context that ends in the function it is inlined into
  std::uint32_t level = 0;  // functions that lie between it and where unfolding began
};

class Frames {
 public:
  Frames(const StackTable& stacks, const std::vector<SymbolModule>& modules,
         const Symbolizer* symbols);

  // The frames of one address, innermost inlined one first; never empty. Valid as long as this.
  const std::vector<evidence::Frame>& at(std::uint64_t pc);
  // From the context's innermost frame to its root, or to where the recording cut it, or at
  // kUnfoldLevelsMax. A cycle of recursion is shown once.
  std::vector<Unfolded> unfold(std::uint32_t node);
  // What names the function of a frame in this recording: its name, or where it starts.
  std::string identity(const Unfolded& frame);

 private:
  const SymbolModule* module_of(std::uint64_t pc) const;

  const StackTable& stacks_;
  std::vector<SymbolModule> modules_;  // by occupant and address
  const Symbolizer* symbols_;
  std::unordered_map<std::uint64_t, std::vector<evidence::Frame>> cache_;
};

// Folds cycles of up to kRecursionCycle frames that follow one another immediately. `same(a, b)`.
template <class T, class Same>
void fold_recursion(std::vector<T>& frames, Same&& same) {
  std::vector<T> out;
  for (std::size_t i = 0; i < frames.size(); ++i) {
    out.push_back(frames[i]);
    for (std::size_t period = 1; period <= kRecursionCycle && 2 * period <= out.size(); ++period) {
      bool equal = true;
      for (std::size_t k = 0; k < period && equal; ++k) {
        equal = same(out[out.size() - 1 - k], out[out.size() - 1 - k - period]);
      }
      if (equal) {
        out.resize(out.size() - period);
        break;
      }
    }
  }
  frames = std::move(out);
}

}  // namespace ullage::trace
