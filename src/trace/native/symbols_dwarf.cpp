// SPDX-License-Identifier: Apache-2.0
#include "trace/native/symbols_dwarf.h"

#include <dwarf.h>
#include <elfutils/libdw.h>

#include <algorithm>
#include <unordered_map>

#include "trace/native/names.h"
#include "trace/native/names_tidy.h"
#include "trace/native/symbols_element.h"

namespace ullage::trace {
namespace {

// Scopes nested deeper than this are not entered; real code stays below 100.
constexpr int kScopeDepthMax = 400;
// Overlapping units looked at for one that covers an address.
constexpr int kOverlapStepsMax = 16;
// Rows walked back from a line-0 row (merged code) to one that names a line.
constexpr std::size_t kLineZeroStepsMax = 16;

// Steps from an inlined copy to where its function is declared; damaged DWARF may go in circles.
constexpr int kOriginStepsMax = 8;

using Indices = std::vector<std::uint32_t>;  // into the wanted addresses, ascending

struct Extent {
  std::uint64_t low, high;
  Dwarf_Off unit;
};

std::vector<Extent> unit_extents(Dwarf* dwarf) {
  std::vector<Extent> extents;
  Dwarf_CU* unit = nullptr;
  Dwarf_Half version = 0;
  std::uint8_t type = 0;
  Dwarf_Die die;
  while (dwarf_get_units(dwarf, unit, &unit, &version, &type, &die, nullptr) == 0) {
    if (type != DW_UT_compile && type != DW_UT_skeleton && type != DW_UT_partial) continue;
    Dwarf_Addr base = 0, low = 0, high = 0;
    for (ptrdiff_t at = 0; (at = dwarf_ranges(&die, at, &base, &low, &high)) > 0;)
      if (low != 0 && low < high) extents.push_back({low, high, dwarf_dieoffset(&die)});
  }
  std::sort(extents.begin(), extents.end(),
            [](const Extent& a, const Extent& b) { return a.low < b.low; });
  return extents;
}

class UnitPass {
 public:
  UnitPass(std::span<const std::uint64_t> addresses,
           const std::function<void(std::size_t, DwarfPlace)>& found)
      : addresses_(addresses), found_(found) {}

  void run(Dwarf* dwarf, Dwarf_Off offset, const Indices& wanted) {
    Dwarf_Die unit;
    if (dwarf_offdie(dwarf, offset, &unit) == nullptr) return;
    Dwarf_Die split{};
    std::uint8_t type = 0;
    dwarf_cu_info(unit.cu, nullptr, &type, nullptr, &split, nullptr, nullptr, nullptr);
    split_missing_ += type == DW_UT_skeleton && split.addr == nullptr;
    Dwarf_Die root = split.addr != nullptr ? split : unit;

    chains_.clear();
    scopes_.clear();
    functions(&root, wanted, false, 0);
    Indices left;
    for (std::uint32_t i : wanted)
      if (!chains_.contains(i)) left.push_back(i);
    if (!left.empty()) functions(&root, left, true, 0);
    for (std::uint32_t i : wanted) emit(&unit, i);
  }

  std::size_t split_missing() const { return split_missing_; }

 private:
  Indices covered(Dwarf_Die* die, const Indices& wanted) const {
    Indices inside;
    Dwarf_Addr base = 0, low = 0, high = 0;
    for (ptrdiff_t at = 0; (at = dwarf_ranges(die, at, &base, &low, &high)) > 0;) {
      auto it =
          std::lower_bound(wanted.begin(), wanted.end(), low,
                           [&](std::uint32_t i, Dwarf_Addr to) { return addresses_[i] < to; });
      for (; it != wanted.end() && addresses_[*it] < high; ++it) inside.push_back(*it);
    }
    if (!std::is_sorted(inside.begin(), inside.end())) std::sort(inside.begin(), inside.end());
    return inside;
  }

  // Looks for functions below `parent`. The quick way looks into namespaces only, as compilers put
  // bodies there; `thorough` also into classes and other functions.
  void functions(Dwarf_Die* parent, const Indices& wanted, bool thorough, int depth) {
    if (depth > kScopeDepthMax) return;
    Dwarf_Die child;
    if (dwarf_child(parent, &child) != 0) return;
    do {
      switch (dwarf_tag(&child)) {
        case DW_TAG_subprogram: {
          const Indices inside = covered(&child, wanted);
          if (!inside.empty())
            enter(&child, inside, depth + 1);
          else if (thorough)
            functions(&child, wanted, thorough, depth + 1);
          break;
        }
        case DW_TAG_namespace:
          if (!thorough) note_scope(&child);
          functions(&child, wanted, thorough, depth + 1);
          break;
        case DW_TAG_module:
          functions(&child, wanted, thorough, depth + 1);
          break;
        case DW_TAG_class_type:
        case DW_TAG_structure_type:
        case DW_TAG_union_type:
          if (!thorough) note_scope(&child);
          [[fallthrough]];
        case DW_TAG_lexical_block:
          if (thorough) functions(&child, wanted, thorough, depth + 1);
          break;
        default:
          break;
      }
    } while (dwarf_siblingof(&child, &child) == 0);
  }

  void enter(Dwarf_Die* function, const Indices& inside, int depth) {
    for (std::uint32_t i : inside) chains_[i].assign(1, *function);
    scopes(function, inside, depth);
  }

  void scopes(Dwarf_Die* parent, const Indices& wanted, int depth) {
    if (depth > kScopeDepthMax) return;
    Dwarf_Die child;
    if (dwarf_child(parent, &child) != 0) return;
    do {
      const int tag = dwarf_tag(&child);
      if (tag == DW_TAG_subprogram) {
        const Indices inside = covered(&child, wanted);
        if (!inside.empty()) enter(&child, inside, depth + 1);
        continue;
      }
      if (tag != DW_TAG_inlined_subroutine && tag != DW_TAG_lexical_block &&
          tag != DW_TAG_try_block && tag != DW_TAG_catch_block)
        continue;
      Indices inside = covered(&child, wanted);
      if (tag == DW_TAG_inlined_subroutine) {
        for (std::uint32_t i : inside) chains_[i].push_back(child);
      } else if (inside.empty() && !dwarf_hasattr(&child, DW_AT_low_pc) &&
                 !dwarf_hasattr(&child, DW_AT_ranges)) {
        inside = wanted;  // a block without addresses: its scopes have their own
      }
      if (!inside.empty()) scopes(&child, inside, depth + 1);
    } while (dwarf_siblingof(&child, &child) == 0);
  }

  void note_scope(Dwarf_Die* die) {
    Dwarf_Die next;
    // The last one of its parent ends where that ends: nothing else follows that could be asked
    // for.
    const Dwarf_Off end = dwarf_siblingof(die, &next) == 0 ? dwarf_dieoffset(&next) : ~Dwarf_Off{0};
    scopes_.push_back({dwarf_dieoffset(die), end, *die});
  }

  // As the entry has it: only the whole name shows which arguments are defaulted.
  static std::string scope_name(Dwarf_Die* die) {
    const char* name = dwarf_diename(die);
    if (dwarf_tag(die) == DW_TAG_namespace) {
      return (name != nullptr ? std::string(name) : "(anonymous namespace)") + "::";
    }
    return name != nullptr ? std::string(name) + "::" : std::string();
  }

  // The namespaces and classes around an entry of this unit: those whose entries enclose it. They
  // were noted in order, outer ones first; one that was last within its parent is cut off by the
  // parent's end. Of classes only the outermost were noted: what they hold is looked through here.
  std::string scope_of(Dwarf_Off entry) {
    std::string text;
    Scope* inner = nullptr;
    for (std::size_t i = 0, end = scopes_.size(); i < end; ++i) {
      Scope& one = scopes_[i];
      if (entry > one.begin && entry < one.end) {
        text += scope_name(&one.die);
        inner = &one;
        continue;
      }
      // Not within this one, so not within those it encloses either.
      while (i + 1 < end && scopes_[i + 1].begin < one.end) ++i;
    }
    if (inner == nullptr || dwarf_tag(&inner->die) == DW_TAG_namespace) return text;
    Dwarf_Die at = inner->die;
    for (int depth = 0; depth < kScopeDepthMax; ++depth) {
      Dwarf_Die child, around{};
      if (dwarf_child(&at, &child) != 0) break;
      do {
        if (dwarf_dieoffset(&child) > entry) break;
        around = child;
      } while (dwarf_siblingof(&child, &child) == 0);
      if (around.addr == nullptr || dwarf_dieoffset(&around) == entry) break;
      const int tag = dwarf_tag(&around);
      if (tag != DW_TAG_subprogram && tag != DW_TAG_lexical_block) text += scope_name(&around);
      at = around;
    }
    return text;
  }

  struct Scope {
    Dwarf_Off begin, end;
    Dwarf_Die die;
  };

  struct Location {
    std::string file;
    int line = 0;
  };

  Location line_at(Dwarf_Die* unit, std::uint64_t address) {
    Location at;
    Dwarf_Line* row = dwarf_getsrc_die(unit, address);
    if (row == nullptr) return at;
    dwarf_lineno(row, &at.line);
    if (at.line == 0) row = step_back(unit, address, &at.line);
    if (const char* file = row != nullptr ? dwarf_linesrc(row, nullptr, nullptr) : nullptr)
      at.file = file;
    return at;
  }

  // The last row before `address` that names a line, in the same sequence.
  static Dwarf_Line* step_back(Dwarf_Die* unit, std::uint64_t address, int* line) {
    Dwarf_Lines* rows = nullptr;
    std::size_t count = 0;
    if (dwarf_getsrclines(unit, &rows, &count) != 0) return nullptr;
    std::size_t low = 0, high = count;
    while (low < high) {
      const std::size_t middle = low + (high - low) / 2;
      Dwarf_Addr at = 0;
      dwarf_lineaddr(dwarf_onesrcline(rows, middle), &at);
      if (at <= address)
        low = middle + 1;
      else
        high = middle;
    }
    for (std::size_t step = 0; step < kLineZeroStepsMax && low > 0; ++step) {
      Dwarf_Line* row = dwarf_onesrcline(rows, --low);
      bool end = false;
      dwarf_lineendsequence(row, &end);
      if (end) return nullptr;
      dwarf_lineno(row, line);
      if (*line != 0) return row;
    }
    return nullptr;
  }

  static Location call_site(Dwarf_Die* inlined) {
    Location at;
    Dwarf_Attribute attribute;
    Dwarf_Word value = 0;
    if (dwarf_formudata(dwarf_attr(inlined, DW_AT_call_line, &attribute), &value) == 0)
      at.line = static_cast<int>(value);
    if (dwarf_formudata(dwarf_attr(inlined, DW_AT_call_file, &attribute), &value) != 0) return at;
    Dwarf_Die unit;
    Dwarf_Files* files = nullptr;
    std::size_t count = 0;
    if (dwarf_diecu(inlined, &unit, nullptr, nullptr) == nullptr ||
        dwarf_getsrcfiles(&unit, &files, &count) != 0 || value >= count)
      return at;
    if (const char* file = dwarf_filesrc(files, value, nullptr, nullptr)) at.file = file;
    return at;
  }

  const std::string& tidy(const char* linkage_name) {
    const auto [it, fresh] = tidy_names_.try_emplace(linkage_name);
    if (fresh) it->second = demangle(linkage_name);
    return it->second;
  }

  void name(Dwarf_Die* die, DwarfFrame* frame) {
    Dwarf_Attribute attribute;
    for (unsigned kind : {DW_AT_linkage_name, DW_AT_MIPS_linkage_name}) {
      const char* text = dwarf_formstring(dwarf_attr_integrate(die, kind, &attribute));
      if (text == nullptr) continue;
      frame->function = tidy(text);
      return;
    }
    // Internal functions that were inlined everywhere have no linker symbol: their namespace and
    // class are where their entry stands.
    frame->qualified = false;
    const char* text = dwarf_formstring(dwarf_attr_integrate(die, DW_AT_name, &attribute));
    if (text == nullptr) return;
    Dwarf_Die origin = *die;
    for (int step = 0; step < kOriginStepsMax; ++step) {
      Dwarf_Attribute* next = dwarf_attr(&origin, DW_AT_abstract_origin, &attribute);
      if (next == nullptr) next = dwarf_attr(&origin, DW_AT_specification, &attribute);
      if (next == nullptr || dwarf_formref_die(next, &origin) == nullptr) break;
    }
    std::string scope;
    if (origin.cu == die->cu) scope = scope_of(dwarf_dieoffset(&origin));
    frame->function = tidy_type(scope + text);
  }

  void emit(Dwarf_Die* unit, std::uint32_t index) {
    DwarfPlace place;
    Location at = line_at(unit, addresses_[index]);
    const auto chain = chains_.find(index);
    if (chain == chains_.end()) {
      if (at.file.empty()) return;
      DwarfFrame& frame = place.frames.emplace_back();
      frame.file = std::move(at.file);
      frame.line = at.line;
      found_(index, std::move(place));
      return;
    }
    for (std::size_t i = chain->second.size(); i-- > 0;) {
      Dwarf_Die* die = &chain->second[i];
      DwarfFrame& frame = place.frames.emplace_back();
      name(die, &frame);
      frame.file = std::move(at.file);
      frame.line = at.line;
      frame.inlined = i > 0;
      if (i > 0) at = call_site(die);
    }
    place.element = grown_element(place.frames, chain->second);
    found_(index, std::move(place));
  }

  // Asks the growth functions among the frames: known ones before those with a word in their name.
  static Symbolizer::Element grown_element(const std::vector<DwarfFrame>& frames,
                                           std::vector<Dwarf_Die>& chain) {
    Symbolizer::Element best;
    for (const bool generic : {false, true}) {
      for (std::size_t i = 0; i < frames.size(); ++i) {
        const GrowthName* growth = growth_name(frames[i].function);
        if (growth == nullptr || growth->generic != generic) continue;
        Symbolizer::Element element = element_of(&chain[frames.size() - 1 - i], frames[i].function);
        if (element.bytes != 0) return element;
        if (best.container.empty()) best = std::move(element);
      }
    }
    return best;
  }

  std::span<const std::uint64_t> addresses_;
  const std::function<void(std::size_t, DwarfPlace)>& found_;
  std::unordered_map<std::uint32_t, std::vector<Dwarf_Die>> chains_;  // outermost first
  std::unordered_map<const char*, std::string> tidy_names_;
  std::size_t split_missing_ = 0;
  std::vector<Scope> scopes_;  // of the unit, in the order of their entries
};

}  // namespace

std::size_t resolve_dwarf(Dwarf* dwarf, std::span<const std::uint64_t> addresses,
                          const std::function<void(std::size_t, DwarfPlace)>& found) {
  const std::vector<Extent> extents = unit_extents(dwarf);
  std::unordered_map<Dwarf_Off, Indices> by_unit;
  std::vector<Dwarf_Off> order;
  for (std::uint32_t i = 0; i < addresses.size(); ++i) {
    auto it = std::upper_bound(
        extents.begin(), extents.end(), addresses[i],
        [](std::uint64_t address, const Extent& extent) { return address < extent.low; });
    for (int step = 0; step < kOverlapStepsMax && it != extents.begin(); ++step) {
      --it;
      if (addresses[i] >= it->high) continue;
      Indices& wanted = by_unit[it->unit];
      if (wanted.empty()) order.push_back(it->unit);
      wanted.push_back(i);
      break;
    }
  }
  UnitPass pass(addresses, found);
  for (Dwarf_Off unit : order) pass.run(dwarf, unit, by_unit[unit]);
  return pass.split_missing();
}

}  // namespace ullage::trace
