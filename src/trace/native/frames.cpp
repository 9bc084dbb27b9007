// SPDX-License-Identifier: Apache-2.0
#include "trace/native/frames.h"

#include <algorithm>

#include "trace/native/names.h"

namespace ullage::trace {
namespace {

std::string base_name(const std::string& path) {
  const std::size_t slash = path.find_last_of('/');
  return slash == std::string::npos ? path : path.substr(slash + 1);
}

std::uint64_t address_of(const SymbolModule& m, std::uint64_t address) {
  return (std::uint64_t{m.occupant} << 48) | address;
}

}  // namespace

Frames::Frames(const StackTable& stacks, const std::vector<SymbolModule>& modules,
               const Symbolizer* symbols)
    : stacks_(stacks), modules_(modules), symbols_(symbols) {
  std::sort(modules_.begin(), modules_.end(), [](const SymbolModule& a, const SymbolModule& b) {
    return address_of(a, a.low) < address_of(b, b.low);
  });
}

const SymbolModule* Frames::module_of(std::uint64_t pc) const {
  const auto at = std::upper_bound(
      modules_.begin(), modules_.end(), pc,
      [](std::uint64_t a, const SymbolModule& m) { return a < address_of(m, m.low); });
  if (at == modules_.begin()) return nullptr;
  const SymbolModule& m = *(at - 1);
  return pc < address_of(m, m.high) ? &m : nullptr;
}

const std::vector<evidence::Frame>& Frames::at(std::uint64_t pc) {
  const auto [it, fresh] = cache_.try_emplace(pc);
  if (!fresh) return it->second;
  std::vector<evidence::Frame>& frames = it->second;
  if (symbols_ != nullptr) frames = symbols_->frames(pc);
  if (frames.empty()) frames.emplace_back();
  if (frames.back().module.empty() && frames.back().function.empty()) {
    if (const SymbolModule* m = module_of(pc - 1)) {
      frames.back().module = base_name(m->path);
      frames.back().offset = (pc & record::kPcMask) - 1 - m->bias;
    } else {
      frames.back().offset = pc & record::kPcMask;
    }
  }
  for (evidence::Frame& f : frames) f.library = f.library || library_frame(f);
  return frames;
}

std::vector<Unfolded> Frames::unfold(std::uint32_t node) {
  std::vector<Unfolded> out;
  std::uint32_t level = 0;
  for (; node != 0 && level < kUnfoldLevelsMax; node = stacks_.parent(node), ++level) {
    const std::uint64_t pc = stacks_.pc(node);
    if (pc == record::kPcTruncated) break;
    if (pc == 0) continue;
    for (const evidence::Frame& f : at(pc)) out.push_back({&f, node, level});
  }
  fold_recursion(out, [](const Unfolded& a, const Unfolded& b) {
    if (a.frame == b.frame) return true;
    const evidence::Frame &x = *a.frame, &y = *b.frame;
    return !x.function.empty() && x.exact && y.exact && x.function == y.function &&
           x.module == y.module && x.line == y.line && x.file == y.file;
  });
  return out;
}

std::string Frames::identity(const Unfolded& u) {
  const evidence::Frame& f = *u.frame;
  if (!f.function.empty() && f.exact) return f.function;
  return f.module + "@" + std::to_string(stacks_.function(u.node));
}

}  // namespace ullage::trace
