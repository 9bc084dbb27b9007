// SPDX-License-Identifier: Apache-2.0
#include "trace/native/symbols.h"

#include <elfutils/libdwfl.h>

#include <algorithm>
#include <deque>
#include <filesystem>
#include <map>
#include <unordered_map>
#include <utility>

#include "trace/native/names.h"
#include "trace/native/names_tidy.h"
#include "trace/native/symbols_code.h"
#include "trace/native/symbols_debian.h"
#include "trace/native/symbols_dwarf.h"
#include "trace/native/symbols_element.h"
#include "trace/native/symbols_elf.h"

namespace ullage::trace {
namespace {

// The high 16 bits of an address say which of several modules that shared addresses it means.
constexpr int kOccupantShift = 48;
constexpr std::uint64_t kAddressMask = (std::uint64_t{1} << kOccupantShift) - 1;

// Modules named in missing_debug(); the rest would be noise.
constexpr std::size_t kMissingDebugMax = 10;

std::string file_name(const std::string& path) {
  return std::filesystem::path(path).filename().string();
}

}  // namespace

struct Symbolizer::State {
  // What is known about one address of one file. Equal addresses of a file mapped twice share it.
  struct Answer {
    std::vector<evidence::Frame> frames;
    Element element;
    CodeGrowth code;
  };
  // Addresses wanted of one file: where in the file, and which pcs that answers.
  struct Wanted {
    std::uint64_t address;  // as the ELF file numbers it, of the return
    std::uint64_t pc;
  };
  using FileKey = std::pair<std::string, std::string>;  // path, build-id

  std::vector<SymbolModule> modules;  // by (occupant, low)
  SymbolOptions options;
  std::unordered_map<std::uint64_t, const Answer*> by_pc;
  std::deque<Answer> answers;
  std::vector<evidence::Frame> unresolved{1};
  std::map<std::string, std::size_t> without_lines;  // path -> addresses
  std::vector<std::string> notes;

  const SymbolModule* module_at(std::uint64_t pc) const;
  void resolve_file(const FileKey& file, std::vector<Wanted>& wanted);
  void note_split(const std::string& path);
  void note_status(const std::string& path, ElfModule::Status status);
};

Symbolizer::Symbolizer(std::vector<SymbolModule> modules, SymbolOptions options)
    : state_(std::make_unique<State>()) {
  std::sort(modules.begin(), modules.end(), [](const SymbolModule& a, const SymbolModule& b) {
    return std::pair(a.occupant, a.low) < std::pair(b.occupant, b.low);
  });
  state_->modules = std::move(modules);
  state_->options = std::move(options);
}

Symbolizer::~Symbolizer() = default;
Symbolizer::Symbolizer(Symbolizer&&) noexcept = default;
Symbolizer& Symbolizer::operator=(Symbolizer&&) noexcept = default;

const SymbolModule* Symbolizer::State::module_at(std::uint64_t pc) const {
  const auto occupant = static_cast<std::uint16_t>(pc >> kOccupantShift);
  // The call lies before the return: a call that never returns may be a module's last instruction.
  const std::uint64_t address = (pc & kAddressMask) - 1;
  auto it = std::upper_bound(modules.begin(), modules.end(), std::pair(occupant, address),
                             [](const auto& wanted, const SymbolModule& module) {
                               return wanted < std::pair(module.occupant, module.low);
                             });
  if (it == modules.begin()) return nullptr;
  --it;
  return it->occupant == occupant && address >= it->low && address < it->high ? &*it : nullptr;
}

void Symbolizer::State::note_status(const std::string& path, ElfModule::Status status) {
  switch (status) {
    case ElfModule::Status::kChanged:
      notes.push_back(path +
                      ": changed since the recording (its build-id differs), so its functions are "
                      "shown as addresses. Record again, or point --debug-dir at the debug files "
                      "of the recorded build.");
      break;
    case ElfModule::Status::kDamaged:
      notes.push_back(path +
                      ": is no ELF file that can be read, so its functions are shown as "
                      "addresses.");
      break;
    case ElfModule::Status::kMissing:
      if (path.starts_with('/'))  // [vdso] and the like never were files
        notes.push_back(path +
                        ": is gone, so its functions are shown as addresses. Put it back, or "
                        "point --debug-dir at its debug file.");
      break;
    case ElfModule::Status::kOpen:
      break;
  }
}

// Built with -gsplit-dwarf: lines are in the file itself, the rest is not.
void Symbolizer::State::note_split(const std::string& path) {
  std::error_code error;
  const bool packaged = std::filesystem::exists(path + ".dwp", error);
  notes.push_back(path + ": its split debug information (.dwo files) was not found, so " +
                  "inlined functions and element types are missing there. " +
                  (packaged ? "The package " + file_name(path) +
                                  ".dwp is there, but libdw reads those from version 0.191 on, and "
                                  "this one is " +
                                  dwfl_version(nullptr) + ". Keep the .dwo files, too."
                            : "Put them back where they were built."));
}

void Symbolizer::State::resolve_file(const FileKey& file, std::vector<Wanted>& wanted) {
  std::sort(wanted.begin(), wanted.end(),
            [](const Wanted& a, const Wanted& b) { return a.address < b.address; });
  const std::string module_name = file_name(file.first);

  std::vector<std::uint64_t> returns;  // unique, sorted
  std::vector<Answer*> slots;          // one per return
  for (const Wanted& one : wanted) {
    if (returns.empty() || returns.back() != one.address) {
      returns.push_back(one.address);
      slots.push_back(&answers.emplace_back());
    }
    by_pc.emplace(one.pc, slots.back());
  }

  ElfModule elf(file.first, file.second, options);
  note_status(file.first, elf.status());

  std::vector<DwarfPlace> places(returns.size());
  std::uint64_t bias = 0;
  if (Dwarf* dwarf = elf.dwarf(&bias)) {
    std::vector<std::uint64_t> calls;
    calls.reserve(returns.size());
    for (std::uint64_t address : returns) calls.push_back(address - 1 - bias);
    const std::size_t split_missing =
        resolve_dwarf(dwarf, calls, [&](std::size_t i, DwarfPlace p) { places[i] = std::move(p); });
    if (split_missing != 0) note_split(file.first);
  }

  CodeReader code(elf.file(), [&](std::uint64_t address) { return elf.symbol(address); });
  std::size_t lineless = 0;
  for (std::size_t i = 0; i < returns.size(); ++i) {
    Answer& answer = *slots[i];
    DwarfPlace& place = places[i];
    const bool explained = !place.frames.empty();
    if (!explained) place.frames.emplace_back();
    for (DwarfFrame& from : place.frames) {
      evidence::Frame& frame = answer.frames.emplace_back();
      frame.function = std::move(from.function);
      frame.file = std::move(from.file);
      frame.line = from.line;
      frame.inlined = from.inlined;
      frame.module = module_name;
      frame.offset = returns[i];
    }
    // The function itself: the symbol table may know it when DWARF does not, or know its namespace.
    evidence::Frame& outer = answer.frames.back();
    if (outer.function.empty() || !place.frames.back().qualified) {
      const ElfModule::Symbol symbol = elf.symbol(returns[i] - 1);
      if (outer.function.empty() && !symbol.name.empty()) {
        outer.function = demangle(symbol.name);
        outer.exact = symbol.exact;
        if (!symbol.exact) outer.symbol_offset = symbol.offset + 1;
      } else if (symbol.exact && symbol.name.starts_with("_")) {
        std::string longer = demangle(symbol.name);
        if (longer.ends_with("::" + outer.function)) outer.function = std::move(longer);
      }
    }
    if (answer.frames.front().file.empty()) ++lineless;
    for (evidence::Frame& frame : answer.frames) frame.library = library_frame(frame);

    const bool grows = outer.exact && growth_name(outer.function) != nullptr;
    if (!explained && !grows) answer.code = code.growth_at(returns[i]);
    answer.element = std::move(place.element);
    if (answer.element.bytes == 0 && answer.element.container.empty() && grows)
      answer.element = element_of_name(outer.function);
  }
  if (lineless > 0) {
    evidence::Frame probe;
    probe.module = module_name;
    const bool runtime = library_frame(probe);
    if (!runtime && lineless * 2 > returns.size()) without_lines[file.first] += lineless;
  }
}

void Symbolizer::resolve(std::span<const std::uint64_t> pcs) {
  std::map<State::FileKey, std::vector<State::Wanted>> by_file;
  State::Answer* nowhere = nullptr;
  for (std::uint64_t pc : pcs) {
    if (state_->by_pc.contains(pc)) continue;
    const SymbolModule* module = state_->module_at(pc);
    if (module == nullptr) {
      // Generated code, or a mapping that was never seen: its address is all there is to say.
      nowhere = &state_->answers.emplace_back();
      nowhere->frames.emplace_back().offset = pc & kAddressMask;
      state_->by_pc.emplace(pc, nowhere);
      continue;
    }
    by_file[{module->path, module->build_id_hex}].push_back(
        {(pc & kAddressMask) - module->bias, pc});
  }
  for (auto& [file, wanted] : by_file) state_->resolve_file(file, wanted);
}

const std::vector<evidence::Frame>& Symbolizer::frames(std::uint64_t pc) const {
  const auto it = state_->by_pc.find(pc);
  return it == state_->by_pc.end() ? state_->unresolved : it->second->frames;
}

Symbolizer::Element Symbolizer::element(std::uint64_t pc) const {
  const auto it = state_->by_pc.find(pc);
  return it == state_->by_pc.end() ? Element{} : it->second->element;
}

CodeGrowth Symbolizer::code_growth(std::uint64_t pc) const {
  const auto it = state_->by_pc.find(pc);
  return it == state_->by_pc.end() ? CodeGrowth{} : it->second->code;
}

std::vector<std::string> Symbolizer::missing_debug() const {
  std::vector<std::pair<std::size_t, std::string>> ranked;
  for (const auto& [path, addresses] : state_->without_lines) ranked.emplace_back(addresses, path);
  std::sort(ranked.begin(), ranked.end(), [](const auto& a, const auto& b) {
    return a.first != b.first ? a.first > b.first : a.second < b.second;
  });
  if (ranked.size() > kMissingDebugMax) ranked.resize(kMissingDebugMax);
  std::vector<std::string> paths;
  paths.reserve(ranked.size());
  for (const auto& [addresses, path] : ranked) paths.push_back(path);
  const std::vector<std::string> packages = debian_debug_packages(paths);
  std::vector<std::string> modules;
  for (std::size_t i = 0; i < paths.size(); ++i) {
    std::string text = file_name(paths[i]);
    if (!packages[i].empty()) text += " (apt install " + packages[i] + ")";
    modules.push_back(std::move(text));
  }
  return modules;
}

const std::vector<std::string>& Symbolizer::notes() const { return state_->notes; }

}  // namespace ullage::trace
