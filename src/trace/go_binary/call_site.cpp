// SPDX-License-Identifier: Apache-2.0
//
// The call before a return address, and the type it was given. Go's compilers pass the address of a
// type descriptor in a register, loaded by one (amd64) or two (arm64) instructions shortly before
// the call. The bytes before the call are searched for such a load; what it yields counts
// only when it points at something that has the shape of a type descriptor.
#include "evidence/incident.h"
#include "trace/go_binary/go_binary.h"

namespace ullage::trace {
namespace {

using evidence::CallKind;

// How far before the call the type may have been loaded.
constexpr std::uint64_t kLookBackBytes = 96;
constexpr std::uint64_t kCallBytesAmd64 = 5, kCallBytesArm64 = 4;
constexpr std::uint8_t kCallAmd64 = 0xe8;
// Larger elements than this are not believed.
constexpr std::uint64_t kElementMax = std::uint64_t{1} << 30;
constexpr std::uint64_t kNoRegister = UINT64_MAX;

// Number of the argument that holds the type, as the runtime's routines take it.
unsigned type_argument_of(CallKind kind, bool growslice_type_last) {
  return kind == CallKind::kAppend && growslice_type_last ? 4 : 0;
}

// rax, rbx, rcx, rdi, rsi: Go's order of integer arguments, as a lea encodes them.
constexpr std::uint8_t kRegistersAmd64[] = {0x05, 0x1d, 0x0d, 0x3d, 0x35};

std::int64_t sign_extended(std::uint64_t value, unsigned bits) {
  const std::uint64_t sign = std::uint64_t{1} << (bits - 1);
  return static_cast<std::int64_t>((value ^ sign) - sign);
}

}  // namespace

GoBinary::Call GoBinary::call_before(std::uint64_t return_address) const {
  Call call;
  if (machine() == ElfImage::Machine::kAmd64) {
    const View view{image_.at(return_address - kCallBytesAmd64, kCallBytesAmd64)};
    if (!view.has(0, kCallBytesAmd64) || view.u8(0) != kCallAmd64) return call;
    call.target = return_address + static_cast<std::uint64_t>(std::int64_t{view.i32(1)});
  } else if (machine() == ElfImage::Machine::kArm64) {
    const View view{image_.at(return_address - kCallBytesArm64, kCallBytesArm64)};
    const std::uint32_t word = view.u32(0);
    if ((word >> 26) != 0x25 || return_address % 4 != 0) return call;
    call.target = return_address - kCallBytesArm64 +
                  static_cast<std::uint64_t>(sign_extended(word & 0x3ffffff, 26) * 4);
  } else {
    return call;
  }
  PcLineTable::Function function;
  // A jump into the middle of a function is not what a compiler calls: then the bytes before the
  // address only look like a call.
  if (!image_.executable(return_address - 1) || !table_.find(call.target, function) ||
      function.entry != call.target) {
    return {};
  }
  call.function = table_.name(function);
  call.element_bytes = element_bytes(return_address, call);
  return call;
}

std::uint64_t GoBinary::element_bytes(std::uint64_t return_address, const Call& call) const {
  const CallKind kind = evidence::call_kind_of(std::string(call.function));
  if (kind != CallKind::kAppend && kind != CallKind::kMake && kind != CallKind::kNew) return 0;
  // Since Go 1.20 growslice takes the type last; register arguments are 1.17 (amd64), 1.18 (arm64).
  if (!since(18)) return 0;
  const std::uint64_t type = type_argument(return_address, type_argument_of(kind, since(20)));
  return type == kNoRegister ? 0 : type_size(type);
}

std::uint64_t GoBinary::type_argument(std::uint64_t return_address, unsigned argument) const {
  PcLineTable::Function caller;
  if (!table_.find(return_address - 1, caller)) return kNoRegister;
  const std::uint64_t begin =
      std::max(caller.entry, return_address - std::min(return_address, kLookBackBytes));
  const View view{image_.at(begin, return_address - begin)};
  std::uint64_t found = kNoRegister;
  if (machine() == ElfImage::Machine::kAmd64) {
    for (std::uint64_t at = 0; view.has(at, 7 + kCallBytesAmd64); ++at) {  // lea reg, [rip + disp]
      if (view.u8(at) != 0x48 || view.u8(at + 1) != 0x8d) continue;
      if (view.u8(at + 2) != kRegistersAmd64[argument]) continue;
      const std::uint64_t target =
          begin + at + 7 + static_cast<std::uint64_t>(std::int64_t{view.i32(at + 3)});
      if (type_size(target) != 0) found = target;
    }
    return found;
  }
  for (std::uint64_t at = 0; view.has(at, 8 + kCallBytesArm64); at += 4) {  // adrp reg; add reg
    const std::uint32_t page = view.u32(at), add = view.u32(at + 4);
    if ((page & 0x9f000000) != 0x90000000 || (add & 0xffc00000) != 0x91000000) continue;
    const std::uint32_t reg = page & 31;
    if ((add & 31) != argument || ((add >> 5) & 31) != reg) continue;
    const std::uint64_t pages = ((page >> 5) & 0x7ffff) << 2 | ((page >> 29) & 3);
    const std::uint64_t target = ((begin + at) & ~std::uint64_t{0xfff}) +
                                 (static_cast<std::uint64_t>(sign_extended(pages, 21)) << 12) +
                                 ((add >> 10) & 0xfff);
    if (type_size(target) != 0) found = target;
  }
  return found;
}

// abi.Type: size, bytes with pointers, hash, flags, alignment, alignment as a field, kind.
std::uint64_t GoBinary::type_size(std::uint64_t type) const {
  if (type % 8 != 0 || image_.executable(type)) return 0;
  const View view{image_.at(type, 48)};
  if (!view.has(0, 48)) return 0;
  const std::uint64_t size = view.u64(0), pointers = view.u64(8);
  const std::uint8_t align = view.u8(21), field_align = view.u8(22), kind = view.u8(23) & 31;
  const bool aligned = align == 1 || align == 2 || align == 4 || align == 8;
  if (size == 0 || size > kElementMax || pointers > size || !aligned || field_align != align ||
      kind == 0 || kind > 26 || size % align != 0) {
    return 0;
  }
  return size;
}

}  // namespace ullage::trace
