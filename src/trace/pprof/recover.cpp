// SPDX-License-Identifier: Apache-2.0
#include "trace/pprof/recover.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <unordered_map>

#include "trace/pprof/classify.h"

namespace ullage::trace {
namespace {

using evidence::CallKind;
using evidence::CallProof;
using evidence::Frame;
using evidence::HeapSite;
using evidence::Incident;
using evidence::Stack;
using Stacks = std::vector<const Stack*>;

constexpr std::size_t kLadderRungsMin = 4;
constexpr double kLadderShare = 0.7, kRatioMin = 1.15, kRatioMax = 2.1;
// Below: a step of append for slices beyond 256 elements; above: a doubling.
constexpr double kAppendRatioMax = 1.6;
// Text profiles of position-independent programs have addresses from here on.
constexpr std::uint64_t kPositionIndependentFrom = std::uint64_t{1} << 32;
// Frames that are compared with a binary before it is believed.
constexpr std::size_t kFramesCompared = 256;
// Names that are looked up in a binary to learn where it was loaded: each is a walk over all.
constexpr std::size_t kNamesAsked = 16;

// Profiles write f[...] for what the binary calls f[go.shape.int].
bool same_function(std::string_view a, std::string_view b) {
  return a == b || (a.find('[') != std::string_view::npos &&
                    a.substr(0, a.find('[')) == b.substr(0, b.find('[')));
}

std::uint32_t artefact_of(const Incident& incident, const HeapSite& site) {
  return site.snapshot < incident.snapshots.size() ? incident.snapshots[site.snapshot].artefact : 0;
}

void note(Incident& incident, std::uint32_t artefact, std::string sentence) {
  if (artefact >= incident.artefacts.size()) return;
  auto& notes = incident.artefacts[artefact].notes;
  if (std::find(notes.begin(), notes.end(), sentence) == notes.end()) {
    notes.push_back(std::move(sentence));
  }
}

// A binary and how far the addresses of a profile lie from its own.
struct Match {
  const GoBinary* binary = nullptr;
  std::uint64_t slide = 0;
  bool file_offsets = false;  // the profile counts within the file

  std::uint64_t address(std::uint64_t offset) const {
    return file_offsets ? binary->address_of(offset) : offset - slide;
  }
};

// Of a text profile, which tells "main.f+0x1c" at an address: where f was loaded against where it
// is linked. 0 for programs that are not position-independent.
std::uint64_t slide_of(const Stacks& stacks, const GoBinary& binary) {
  std::size_t asked = 0;
  for (const Stack* stack : stacks) {
    for (const Frame& f : *stack) {
      if (f.offset < kPositionIndependentFrom || f.symbol_offset == 0) continue;
      if (++asked > kNamesAsked) return 0;
      const std::uint64_t entry = binary.entry_of(f.function);
      if (entry != 0) return f.offset - f.symbol_offset - entry;
    }
  }
  return 0;
}

bool names_agree(const Stacks& stacks, const Match& match) {
  std::size_t agree = 0, compared = 0;
  for (const Stack* stack : stacks) {
    for (const Frame& f : *stack) {
      if (f.function.empty() || f.offset == 0 || compared++ > kFramesCompared) continue;
      const Stack there = match.binary->frames_at(match.address(f.offset));
      const bool same = std::any_of(there.begin(), there.end(), [&](const Frame& t) {
        return same_function(f.function, t.function);
      });
      if (!same && (match.binary->tells_inlining() || there.empty())) return false;
      agree += same ? 1 : 0;
    }
  }
  return agree > 0;
}

Match match_of(const Stacks& stacks, const evidence::Artefact& artefact,
               const std::vector<std::shared_ptr<const GoBinary>>& binaries) {
  for (const auto& binary : binaries) {
    Match match;
    match.binary = binary.get();
    const bool same_build = binary->is_build(artefact.build_id);
    if (!artefact.build_id.empty() && !same_build) continue;
    if (binary->position_independent()) {
      match.slide = slide_of(stacks, *binary);
      match.file_offsets = match.slide == 0;
    }
    if (same_build || names_agree(stacks, match)) return match;
  }
  return {};
}

// The outermost of the hidden frames is what the program's line called.
void set_call(HeapSite& site, CallProof proof) {
  const CallKind kind = evidence::call_kind_of(site.hidden.back().function);
  if (kind == CallKind::kUnknown) return;
  site.call = kind;
  site.proof = proof;
}

bool has_nameless_hidden(const HeapSite& site) {
  return !site.hidden.empty() && site.hidden.front().function.empty();
}

// Names what has an address only.
void name_frames(Stack& frames, const Match& match) {
  for (Frame& f : frames) {
    if (!f.function.empty()) continue;
    const Stack there = match.binary->frames_at(match.address(f.offset));
    if (there.empty()) continue;
    f.function = there.back().function;
    f.file = there.back().file;
    f.line = there.back().line;
    f.library = true;
  }
}

void ask_binary(HeapSite& site, const Match& match) {
  if (has_nameless_hidden(site)) {
    name_frames(site.hidden, match);
    set_call(site, CallProof::kProgramCounter);
  }
  const GoBinary::Call call =
      match.binary->call_before(match.address(site.stack.front().offset) + 1);
  const std::string callee(call.function);
  const CallKind kind = evidence::call_kind_of(callee);
  if (kind == CallKind::kUnknown || !evidence::is_go_runtime(callee)) return;
  if (site.element_bytes == 0) site.element_bytes = call.element_bytes;
  if (site.proof == CallProof::kStack || site.proof == CallProof::kProgramCounter) return;
  site.call = kind;
  site.proof = CallProof::kCallSite;
  if (!site.hidden.empty()) return;
  Frame& frame = site.hidden.emplace_back();
  frame.function = callee;
  frame.offset = call.target;
  frame.module = site.stack.front().module;
  frame.library = true;
}

// The functions that CPU profiles of a build name, by address.
struct CpuNames {
  struct Range {
    std::uint64_t last = 0;
    const std::string* function = nullptr;
  };
  std::unordered_map<std::uint64_t, std::vector<const std::string*>> at;
  std::map<std::uint64_t, Range> ranges;  // by first address seen; functions do not overlap

  const std::string* function_at(std::uint64_t address) const {
    auto after = ranges.upper_bound(address);
    if (after == ranges.begin()) return nullptr;
    const Range& range = std::prev(after)->second;
    return address <= range.last ? range.function : nullptr;
  }
};

CpuNames cpu_names(const Incident& incident, const std::string& build_id) {
  CpuNames names;
  std::unordered_map<std::string_view, std::pair<std::uint64_t, CpuNames::Range>> functions;
  for (const evidence::CpuSite& site : incident.cpu_sites) {
    if (site.artefact < incident.artefacts.size() &&
        incident.artefacts[site.artefact].build_id != build_id) {
      continue;
    }
    for (const Frame& f : site.stack) {
      if (f.function.empty() || f.offset == 0) continue;
      auto& at = names.at[f.offset];
      const auto known = [&](const std::string* n) { return *n == f.function; };
      if (std::none_of(at.begin(), at.end(), known)) at.push_back(&f.function);
      if (f.inlined) continue;
      auto [found, fresh] =
          functions.try_emplace(f.function, f.offset, CpuNames::Range{f.offset, &f.function});
      if (fresh) continue;
      found->second.first = std::min(found->second.first, f.offset);
      found->second.second.last = std::max(found->second.second.last, f.offset);
    }
  }
  for (const auto& [name, range] : functions) names.ranges[range.first] = range.second;
  return names;
}

// One place at least that both name alike, and none that they name differently.
bool same_build(const std::vector<HeapSite*>& sites, const CpuNames& names) {
  std::size_t agree = 0;
  for (const HeapSite* site : sites) {
    for (const Frame& f : site->stack) {
      const auto found = names.at.find(f.offset);
      if (found == names.at.end() || f.function.empty()) continue;
      const auto same = [&](const std::string* n) { return same_function(*n, f.function); };
      if (std::none_of(found->second.begin(), found->second.end(), same)) return false;
      ++agree;
    }
  }
  return agree > 0;
}

void ask_cpu_profiles(std::vector<HeapSite*>& sites, const std::string& build_id,
                      const Incident& incident) {
  if (incident.cpu_sites.empty()) return;
  const CpuNames names = cpu_names(incident, build_id);
  if (!same_build(sites, names)) return;
  for (HeapSite* site : sites) {
    for (Frame& f : site->hidden) {
      const std::string* function = names.function_at(f.offset);
      if (function == nullptr) continue;
      f.function = *function;
      f.library = true;
    }
    set_call(*site, CallProof::kProgramCounter);
  }
}

// Text profiles of goroutines hide what these wait in; named, it tells their state.
void name_goroutines(Incident& incident,
                     const std::vector<std::shared_ptr<const GoBinary>>& binaries) {
  std::map<std::uint32_t, std::vector<evidence::GoroutineGroup*>> by_artefact;
  for (evidence::GoroutineGroup& g : incident.goroutines) {
    const bool nameless = !g.stack.empty() && g.stack.front().function.empty();
    if (nameless) by_artefact[g.artefact].push_back(&g);
  }
  for (auto& [index, groups] : by_artefact) {
    if (index >= incident.artefacts.size()) continue;
    Stacks stacks;
    for (const evidence::GoroutineGroup* g : groups) stacks.push_back(&g->stack);
    const Match match = match_of(stacks, incident.artefacts[index], binaries);
    for (evidence::GoroutineGroup* g : groups) {
      if (match.binary == nullptr) continue;
      name_frames(g->stack, match);
      g->state = state_of(g->stack);
    }
  }
}

}  // namespace

bool is_size_ladder(const HeapSite& site) {
  if (site.rungs.size() < kLadderRungsMin) return false;
  std::size_t fitting = 0;
  for (std::size_t i = 1; i < site.rungs.size(); ++i) {
    const double ratio =
        static_cast<double>(site.rungs[i].bytes) / static_cast<double>(site.rungs[i - 1].bytes);
    fitting += ratio >= kRatioMin && ratio <= kRatioMax ? 1 : 0;
  }
  return static_cast<double>(fitting) >= kLadderShare * static_cast<double>(site.rungs.size() - 1);
}

bool grows_like_append(const HeapSite& site) {
  std::size_t small = 0;
  for (std::size_t i = 1; i < site.rungs.size(); ++i) {
    const double ratio =
        static_cast<double>(site.rungs[i].bytes) / static_cast<double>(site.rungs[i - 1].bytes);
    small += ratio < kAppendRatioMax ? 1 : 0;
  }
  return 2 * small >= site.rungs.size() - 1;
}

void recover_calls(Incident& incident,
                   const std::vector<std::shared_ptr<const GoBinary>>& binaries) {
  std::map<std::uint32_t, std::vector<HeapSite*>> by_artefact;
  for (HeapSite& site : incident.heap_sites) {
    if (!site.stack.empty()) by_artefact[artefact_of(incident, site)].push_back(&site);
  }
  for (auto& [index, sites] : by_artefact) {
    if (index >= incident.artefacts.size()) continue;
    const evidence::Artefact& artefact = incident.artefacts[index];
    Stacks stacks;
    for (const HeapSite* site : sites) stacks.push_back(&site->stack);
    const Match match = match_of(stacks, artefact, binaries);
    if (match.binary != nullptr) {
      for (HeapSite* site : sites) ask_binary(*site, match);
    } else {
      if (!binaries.empty()) {
        const std::string why =
            artefact.build_id.empty()
                ? "None of the binaries given names its functions as it does"
                : "None of the binaries given has its build id (" + artefact.build_id + ")";
        note(incident, index, why + ": another build. Calls were not decoded with them.");
      }
      std::vector<HeapSite*> nameless;
      for (HeapSite* site : sites) {
        if (has_nameless_hidden(*site)) nameless.push_back(site);
      }
      if (!nameless.empty()) ask_cpu_profiles(nameless, artefact.build_id, incident);
    }
    for (HeapSite* site : sites) {
      if (site->proof != CallProof::kNone || !is_size_ladder(*site)) continue;
      site->proof = CallProof::kLadder;
      if (grows_like_append(*site)) site->call = CallKind::kAppend;
    }
  }
  name_goroutines(incident, binaries);
}

}  // namespace ullage::trace
