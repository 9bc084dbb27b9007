// SPDX-License-Identifier: Apache-2.0
#pragma once

// A Go binary of two pages, made by hand: what the tests look at, and what the fuzzer begins with.
//
//   text   main.f      0x1000   lines 10 and, from 0x1020, 12, where main.g (line 12) is inlined
//          runtime.growslice  0x1040    runtime.makeslice 0x1060
//   main.f calls growslice at 0x1030 with a type of 24 bytes, and makeslice at 0x1010
//
// Addresses are those plus `base`.

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "trace/go_binary/pclntab.h"

namespace ullage::trace {

class GoElf {
 public:
  using Bytes = std::vector<std::uint8_t>;
  PcLineTable::Layout layout = PcLineTable::Layout::kGo120;
  bool arm64 = false;
  bool independent = false;       // position-independent
  bool sections = true;           // false: as sstrip leaves it
  bool header_text_start = true;  // false: as Go 1.26 writes it
  std::uint64_t base = 0x400000;
  bool module_of_127 = false;  // three words more before go:func.*
  std::uint64_t type_bytes = 24;
  std::string version = "go1.22.1";

  static constexpr std::uint64_t kText = 0x1000, kTextBytes = 0x80, kCallAppend = 0x1030,
                                 kCallMake = 0x1010;
  std::uint64_t return_address(std::uint64_t call) const { return base + call + (arm64 ? 4 : 5); }

  Bytes build() const {
    Bytes file(0x2000, 0);
    const Bytes table = pclntab(), info = build_info(), notes = note_bytes();
    put(file, kTable, table);
    put(file, kInfo, info);
    put(file, kNotes, notes);
    put_type(file);
    put_code(file);
    put_module(file);
    put_headers(file, table.size(), info.size(), notes.size());
    return file;
  }

  Bytes pclntab() const {
    using L = PcLineTable::Layout;
    const bool old = layout == L::kGo12;
    const bool relative = layout == L::kGo118 || layout == L::kGo120;
    Bytes names;
    for (const char* name : {"main.f", "runtime.growslice", "runtime.makeslice", "main.g"}) {
      names.insert(names.end(), name, name + std::strlen(name) + 1);
    }
    const std::uint32_t name_at[] = {0, 7, 25, 43};
    const std::string file_name = "app/main.go";
    // Values: lines and files by address, and where something is inlined. Offset 0 means none.
    const Bytes values = {0, 22,   0x20, 4,    0x20, 0,  // 1: line 10, then 12
                          2, 0x40, 0,                    // 6: file 0
                          0, 0x20, 2,    0x20, 0,        // 9: nothing, then index 0
                          4, 0x40, 0};                   // 14: file 1 (Go 1.2 counts so)
    const std::size_t head = old ? 16 : relative ? 72 : 64;
    const std::size_t entry = relative ? 8 : 16, functions = 3;
    const std::size_t names_at = head, units_at = names_at + 64, files_at = units_at + 8,
                      values_at = files_at + 16, table_at = old ? 16 : values_at + 32;
    const std::size_t record_bytes = 96;
    const std::size_t list = functions * entry + (relative ? 4 : 8) + 8;
    Bytes t(values_at + 32 + list + functions * record_bytes + 64, 0);
    const std::uint32_t magics[] = {0xfffffffb, 0xfffffffa, 0xfffffff0, 0xfffffff1};
    put32(t, 0, magics[static_cast<int>(layout)]);
    t[6] = arm64 ? 4 : 1;
    t[7] = 8;
    put64(t, 8, functions);
    std::size_t records = table_at + list;
    std::size_t names_base = 0, values_base = 0;
    if (old) {  // everything counts from the table's first byte; parts lie behind the records
      names_base = records + functions * record_bytes - 160;
      t.resize(names_base + 512);
      values_base = names_base + 128;
      const std::size_t files = values_base + 64;
      put32(t, table_at + functions * entry + 8, static_cast<std::uint32_t>(files));
      put32(t, files, 2);
      put32(t, files + 4, static_cast<std::uint32_t>(files + 16));
      put(t, files + 16, {file_name.begin(), file_name.end()});
      put(t, names_base, names);
      put(t, values_base, values);
    } else {
      std::size_t at = 16;
      put64(t, at, 1), at += 8;
      if (relative) put64(t, at, header_text_start ? base + kText : 0), at += 8;
      for (const std::size_t part : {names_at, units_at, files_at, values_at, table_at}) {
        put64(t, at, part), at += 8;
      }
      put(t, names_at, names);
      put(t, files_at, {file_name.begin(), file_name.end()});
      put(t, values_at, values);
    }
    const std::uint64_t entries[] = {0, 0x40, 0x60, 0x80};
    const auto counted = [&](std::size_t offset) {
      return static_cast<std::uint32_t>(old ? values_base + offset : offset);
    };
    for (std::size_t i = 0; i <= functions; ++i) {
      const std::size_t record = records + (old ? i * 48 : i * record_bytes);
      const std::size_t where = old ? record : record - table_at;
      if (relative) {
        put32(t, table_at + i * 8, static_cast<std::uint32_t>(entries[i]));
        if (i < functions) put32(t, table_at + i * 8 + 4, static_cast<std::uint32_t>(where));
      } else {
        put64(t, table_at + i * 16, base + kText + entries[i]);
        if (i < functions) put64(t, table_at + i * 16 + 8, where);
      }
      if (i == functions) break;
      const std::size_t fields = record + (relative ? 4 : 8);
      if (relative) put32(t, record, static_cast<std::uint32_t>(entries[i]));
      if (!relative) put64(t, record, base + kText + entries[i]);
      put32(t, fields, static_cast<std::uint32_t>(old ? names_base + name_at[i] : name_at[i]));
      if (i != 0) continue;
      put32(t, fields + 16, counted(old ? 14 : 6));  // file
      put32(t, fields + 20, counted(1));             // line
      if (!relative) continue;
      put32(t, fields + 24, 3);  // tables of values
      const std::size_t tail = fields + (layout == L::kGo118 ? 32 : 36);
      t[tail + 3] = 4;            // tables of data
      put32(t, tail + 4 + 8, 9);  // where something is inlined
      for (int k = 0; k < 3; ++k) put32(t, tail + 16 + std::size_t{4} * k, UINT32_MAX);
      put32(t, tail + 16 + 12, 0);  // its tree, from go:func.*
    }
    return t;
  }

 private:
  static constexpr std::uint64_t kNotes = 0x200, kInfo = 0x280, kType = 0x380, kTable = 0x400,
                                 kModule = 0xc00, kInlined = 0xe00, kSections = 0x1200,
                                 kNames = 0x1100;
  static void put(Bytes& to, std::size_t at, const Bytes& what) {
    if (to.size() < at + what.size()) to.resize(at + what.size());
    std::copy(what.begin(), what.end(), to.begin() + static_cast<std::ptrdiff_t>(at));
  }
  template <class T>
  static void put_number(Bytes& to, std::size_t at, T value) {
    std::memcpy(to.data() + at, &value, sizeof value);
  }
  static void put16(Bytes& to, std::size_t at, std::uint16_t v) { put_number(to, at, v); }
  static void put32(Bytes& to, std::size_t at, std::uint32_t v) { put_number(to, at, v); }
  static void put64(Bytes& to, std::size_t at, std::uint64_t v) { put_number(to, at, v); }

  Bytes build_info() const {
    const std::string modules =
        std::string(16, '<') +
        "path\tapp\nmod\tapp\t(devel)\t\nbuild\tGOARCH=" + (arm64 ? "arm64" : "amd64") +
        "\nbuild\t-trimpath=true\n" + std::string(16, '>');
    std::string text = "\xff Go buildinf:";
    text += '\x08';
    text += '\x02';
    text.resize(32, '\0');
    text += static_cast<char>(version.size());
    text += version;
    text += static_cast<char>((modules.size() & 0x7f) | 0x80);
    text += static_cast<char>(modules.size() >> 7);
    text += modules;
    return {text.begin(), text.end()};
  }
  static Bytes note_bytes() {
    Bytes n(64, 0);
    put32(n, 0, 4), put32(n, 4, 7), put32(n, 8, 4);
    std::memcpy(n.data() + 12,
                "Go\0\0"
                "a/b/c/d",
                11);
    put32(n, 24, 4), put32(n, 28, 3), put32(n, 32, 3);
    std::memcpy(n.data() + 36,
                "GNU\0"
                "\xab\xcd\xef",
                7);
    n.resize(44);
    return n;
  }
  void put_type(Bytes& f) const {
    put64(f, kType, type_bytes);
    put64(f, kType + 8, 8);
    f[kType + 21] = f[kType + 22] = 8;
    f[kType + 23] = 25;  // a struct
  }
  void put_code(Bytes& f) const {
    if (arm64) {
      put32(f, kCallMake, 0x94000000 | (0x1060 - kCallMake) / 4);
      put32(f, kCallAppend, 0x94000000 | (0x1040 - kCallAppend) / 4);
      put32(f, kCallAppend - 8, 0xf0000004 | 0xffffe0);     // adrp x4, the page before
      put32(f, kCallAppend - 4, 0x91000084 | kType << 10);  // add x4, x4, the type
      return;
    }
    f[kCallMake] = f[kCallAppend] = 0xe8;
    put32(f, kCallMake + 1, 0x1060 - kCallMake - 5);
    put32(f, kCallAppend + 1, 0x1040 - kCallAppend - 5);
    f[kCallAppend - 7] = 0x48, f[kCallAppend - 6] = 0x8d, f[kCallAppend - 5] = 0x35;
    put32(f, kCallAppend - 4, static_cast<std::uint32_t>(kType - kCallAppend));
  }
  void put_module(Bytes& f) const {
    put64(f, kModule, base + kTable);
    put64(f, kModule + 8 * 22, base + kText);
    const int word = layout == PcLineTable::Layout::kGo118 ? 38 : module_of_127 ? 43 : 40;
    put64(f, kModule + std::size_t{8} * word, base + kInlined);
    if (module_of_127) {
      put64(f, kModule + 8 * 40, 0x2000);  // where its tables of interfaces are, a length, and
      put64(f, kModule + 8 * 41, 0x40);
      put64(f, kModule + 8 * 44, base + kInlined);  // the end of the table of functions
    } else {
      put64(f, kModule + 8 * 43, 1);  // a length and what it is reserved for
      put64(f, kModule + 8 * 44, 1);
    }
    const bool old = layout == PcLineTable::Layout::kGo118;
    put32(f, kInlined + (old ? 12 : 4), 43);   // main.g
    put32(f, kInlined + (old ? 16 : 8), 0x8);  // called at line 10
  }
  void put_headers(Bytes& f, std::size_t table, std::size_t info, std::size_t notes) const {
    std::memcpy(f.data(),
                "\x7f"
                "ELF\x02\x01\x01",
                7);
    put16(f, 16, independent ? 3 : 2);
    put16(f, 18, arm64 ? 183 : 62);
    put64(f, 24, base + kText);
    put64(f, 32, 64);
    put16(f, 54, 56), put16(f, 56, 3);
    const auto segment = [&](std::size_t i, std::uint32_t kind, std::uint32_t flags,
                             std::uint64_t at, std::uint64_t size) {
      const std::size_t p = 64 + i * 56;
      put32(f, p, kind), put32(f, p + 4, flags);
      put64(f, p + 8, at), put64(f, p + 16, base + at), put64(f, p + 32, size);
    };
    segment(0, 1, 4, 0, 0x1000);
    segment(1, 1, 5, kText, kTextBytes);
    segment(2, 4, 4, kNotes, notes);
    if (!sections) return;
    struct Named {
      const char* name;
      std::uint64_t at, size;
    };
    const Named all[] = {{".text", kText, kTextBytes},
                         {".gopclntab", kTable, table},
                         {".go.buildinfo", kInfo, info},
                         {".go.module", kModule, 8 * 50},
                         {".shstrtab", kNames, 0x80}};
    put64(f, 40, kSections);
    put16(f, 58, 64), put16(f, 60, 5), put16(f, 62, 4);
    std::size_t name = kNames + 1, i = 0;
    for (const Named& s : all) {
      const std::size_t p = kSections + 64 * i++;
      put32(f, p, static_cast<std::uint32_t>(name - kNames));
      put32(f, p + 4, 1);
      put64(f, p + 16, base + s.at), put64(f, p + 24, s.at), put64(f, p + 32, s.size);
      std::memcpy(f.data() + name, s.name, std::strlen(s.name));
      name += std::strlen(s.name) + 1;
    }
  }
};

}  // namespace ullage::trace
