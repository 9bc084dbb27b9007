// SPDX-License-Identifier: Apache-2.0
#include "trace/go_binary/go_binary.h"

#include <charconv>

namespace ullage::trace {
namespace {

constexpr std::uint32_t kNoteGoBuildId = 4, kNoteGnuBuildId = 3;
constexpr std::size_t kBuildIdMax = 256;
// Levels of inlining that are followed at one address: the compiler stops far below.
constexpr unsigned kInlineDepthMax = 64;
// Words that look like a relocated moduledata and are looked at closely.
constexpr unsigned kModuleCandidatesMax = 64;
// Words of the runtime's moduledata (runtime/symtab.go): the table first, then the start of text,
// and where go:func.* begins, which is followed by the end of the table since Go 1.27.
constexpr unsigned kModuleText = 22;
constexpr unsigned kModuleGoFunc118 = 38, kModuleGoFunc120 = 40, kModuleGoFunc127 = 43;
constexpr std::uint64_t kLengthsBelow = 4096;
constexpr unsigned kModuleWords = kModuleGoFunc127 + 2;

std::string hex(std::span<const std::uint8_t> bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const std::uint8_t b : bytes.first(std::min(bytes.size(), kBuildIdMax))) {
    text += kDigits[b >> 4];
    text += kDigits[b & 15];
  }
  return text;
}

// Where .gopclntab is: its section, or, without sections, the first bytes that begin like it.
bool find_table(const ElfImage& image, std::uint64_t& address,
                std::span<const std::uint8_t>& bytes) {
  if (const auto* section = image.section(".gopclntab")) {
    address = section->address;
    bytes = section->bytes;
    return PcLineTable::begins(bytes);
  }
  for (const auto& segment : image.segments()) {
    const View view{segment.bytes};
    for (std::uint64_t at = 0; view.has(at, 8); at += 8) {
      if ((view.u32(at) | 0x1f) != 0xffffffff) continue;
      bytes = view.part(at, UINT64_MAX);
      if (PcLineTable::begins(bytes) && PcLineTable::parse(bytes).ok()) {
        address = segment.address + at;
        return true;
      }
    }
  }
  return false;
}

}  // namespace

Result<std::shared_ptr<const GoBinary>> GoBinary::open(const Input& input) {
  const auto refused = [&input](Code code, const std::string& why) {
    return Error{code,
                 input.name() + ": " + why +
                     ".\n  Expected a program built by Go for 64-bit Linux, stripped or not."};
  };
  auto image = ElfImage::parse(input.bytes());
  if (!image.ok()) return refused(image.error().code, image.error().message);
  auto binary = std::make_shared<GoBinary>();
  binary->name_ = input.name();
  binary->input_ = input;
  binary->image_ = std::move(image.value());
  const ElfImage& elf = binary->image_;
  std::span<const std::uint8_t> bytes;
  if (!find_table(elf, binary->table_address_, bytes)) {
    return refused(Code::kUnsupported, "an ELF file without Go's table of functions (.gopclntab)");
  }
  auto table = PcLineTable::parse(bytes);
  if (!table.ok()) return refused(table.error().code, table.error().message);
  binary->table_ = table.value();
  binary->build_info_ = read_build_info(elf);
  const auto go_id = elf.note("Go", kNoteGoBuildId);
  binary->go_build_id_.assign(reinterpret_cast<const char*>(go_id.data()),
                              std::min(go_id.size(), kBuildIdMax));
  binary->gnu_build_id_ = hex(elf.note("GNU", kNoteGnuBuildId));
  binary->find_text_start();
  binary->find_module_data();
  return std::shared_ptr<const GoBinary>(std::move(binary));
}

bool GoBinary::since(int minor) const {
  const std::string_view version = build_info_.version;
  if (!version.starts_with("go1.")) return table_.layout() >= PcLineTable::Layout::kGo120;
  int found = 0;
  std::from_chars(version.data() + 4, version.data() + version.size(), found);
  return found >= minor;
}

// The tables of 1.18 to 1.25 hold the start of text (relocated in a position-independent binary),
// later ones do not: there the entry of the process is a function of the table, at a known offset
// from it; linked by a C linker, it is not, and moduledata tells (find_module_data).
void GoBinary::find_text_start() {
  if (table_.layout() < PcLineTable::Layout::kGo118) return;
  std::uint64_t start = table_.text_start() != 0
                            ? table_.text_start()
                            : image_.pointer(table_address_ + 8 + 2 * table_.pointer_bytes());
  const auto* text = image_.section(".text");
  if (start == 0 && text != nullptr) {
    start = text->address;
    PcLineTable trial = table_;
    trial.set_text_start(start);
    PcLineTable::Function f;
    if (!trial.find(image_.entry(), f) || !trial.name(f).starts_with("_rt0_")) start = 0;
  }
  for (std::uint64_t i = 0; start == 0 && i < table_.functions(); ++i) {
    PcLineTable trial = table_;
    trial.set_text_start(image_.entry() - table_.entry_offset(i));
    PcLineTable::Function f;
    if (trial.find(image_.entry(), f) && trial.name(f).starts_with("_rt0_")) {
      start = trial.text_start();
    }
  }
  table_.set_text_start(start);
}

// moduledata begins with the address of the table: looked for in data that is loaded.
void GoBinary::find_module_data() {
  if (table_.layout() < PcLineTable::Layout::kGo118 || table_.pointer_bytes() != 8) return;
  unsigned candidates = 0;
  for (const auto& section : image_.sections()) {
    if (section.name != ".go.module" && section.name != ".noptrdata" && section.name != ".data" &&
        section.name != ".data.rel.ro") {
      continue;
    }
    const View view{section.bytes};
    for (std::uint64_t at = 0; view.has(at, std::uint64_t{8} * kModuleWords); at += 8) {
      // Relocated words may be zero in the file: these are told by the lengths behind them.
      const std::uint64_t first = view.u64(at);
      if (first != table_address_) {
        const bool lengths = first == 0 && view.u64(at + 16) != 0 &&
                             view.u64(at + 16) == view.u64(at + 24) &&
                             view.u64(at + 40) == view.u64(at + 48);
        if (!lengths || !position_independent() || ++candidates > kModuleCandidatesMax) continue;
        if (image_.pointer(section.address + at) != table_address_) continue;
      }
      const auto word = [&](unsigned i) { return image_.pointer(section.address + at + 8 * i); };
      const std::uint64_t text = word(kModuleText);
      if (!image_.executable(text)) continue;
      if (table_.text_start() == 0) table_.set_text_start(text);
      if (table_.text_start() != text) continue;
      // Before 1.27 the first of these is a length, of a table of a few places.
      const bool since_127 =
          word(kModuleGoFunc127) >= kLengthsBelow && word(kModuleGoFunc127 + 1) > table_address_;
      const unsigned go_func = table_.layout() == PcLineTable::Layout::kGo118 ? kModuleGoFunc118
                               : since_127                                    ? kModuleGoFunc127
                                                                              : kModuleGoFunc120;
      inline_tables_ = image_.at(word(go_func), UINT64_MAX);
      return;
    }
  }
}

bool GoBinary::is_build(std::string_view build_id) const {
  return !build_id.empty() && (build_id == gnu_build_id_ || build_id == go_build_id_);
}

std::uint64_t GoBinary::entry_of(std::string_view function) const {
  for (std::uint64_t i = 0; i < table_.functions(); ++i) {
    const PcLineTable::Function f = table_.function(i);
    if (table_.name(f) == function) return f.entry;
  }
  return 0;
}

std::string_view GoBinary::function_at(std::uint64_t address) const {
  PcLineTable::Function function;
  return table_.find(address, function) ? table_.name(function) : std::string_view{};
}

evidence::Stack GoBinary::frames_at(std::uint64_t address) const {
  evidence::Stack stack;
  PcLineTable::Function function;
  if (!table_.find(address, function)) return stack;
  std::uint64_t pc = address;
  const auto add = [&](std::string_view name, bool inlined) {
    const PcLineTable::Place place = table_.place(function, pc);
    evidence::Frame& frame = stack.emplace_back();
    frame.function = name;
    frame.file = place.file;
    frame.line = place.line;
    frame.offset = address;
    frame.inlined = inlined;
  };
  PcLineTable::Inlined inner;
  while (stack.size() < kInlineDepthMax && table_.inlined(function, pc, inline_tables_, inner)) {
    add(inner.function, true);
    if (inner.parent_pc == pc) break;
    pc = inner.parent_pc;
  }
  add(table_.name(function), false);
  return stack;
}

}  // namespace ullage::trace
