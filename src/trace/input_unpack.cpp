// SPDX-License-Identifier: Apache-2.0
//
// The home of libarchive. It gets the formats that docs/formats/inputs.md names and no others: each
// further one would be a parser that strangers' bytes reach.
#include "trace/input_unpack.h"

#include <archive.h>
#include <archive_entry.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <optional>

#include "base/format.h"
#include "base/text.h"

namespace ullage::trace {
namespace {

using Bytes = std::span<const std::uint8_t>;

struct Free {
  void operator()(archive* a) const { archive_read_free(a); }
};
using Archive = std::unique_ptr<archive, Free>;

// Headers that libarchive asks to read again, in a row, before we give up on the archive.
constexpr int kRetriesMax = 100;
constexpr std::size_t kTarBlock = 512;

bool begins(Bytes bytes, std::string_view magic) {
  return bytes.size() >= magic.size() && std::memcmp(bytes.data(), magic.data(), magic.size()) == 0;
}

// The sum in the header of a tar member: bytes of the block, those of the sum itself as spaces.
bool is_tar(Bytes bytes) {
  constexpr std::size_t kSumAt = 148, kSumBytes = 8;
  if (bytes.size() < kTarBlock || bytes[0] == 0) return false;
  unsigned sum = 0, told = 0;
  for (std::size_t i = 0; i < kTarBlock; ++i) {
    sum += i >= kSumAt && i < kSumAt + kSumBytes ? ' ' : bytes[i];
  }
  std::size_t i = kSumAt;
  while (i < kSumAt + kSumBytes && bytes[i] == ' ') ++i;
  for (; i < kSumAt + kSumBytes && bytes[i] >= '0' && bytes[i] <= '7'; ++i) {
    told = told * 8 + (bytes[i] - '0');
  }
  return told == sum;
}

std::string why(archive* a) {
  const char* text = archive_error_string(a);
  return text != nullptr ? clean_utf8(text) : "damaged";
}

std::string member_name(archive_entry* entry, std::size_t index) {
  const char* name = archive_entry_pathname_utf8(entry);
  if (name == nullptr) name = archive_entry_pathname(entry);
  if (name == nullptr) return "member " + std::to_string(index);
  std::string_view text = name;
  while (text.starts_with("./")) text.remove_prefix(2);
  std::string clean = clean_utf8(text);  // keeps line ends, which have no place in a name
  std::replace_if(
      clean.begin(), clean.end(), [](char c) { return c == '\n' || c == '\t'; }, '?');
  return clean;
}

// One member, or the one file in a stream. Data that stands in the archive as it is becomes a part
// of it; libarchive then hands out pointers into our own bytes.
class Data {
 public:
  Data(const Input& packed, std::string name, InputBudget& budget)
      : packed_(packed), name_(std::move(name)), budget_(budget) {}

  Result<Input> read(archive* a) {
    archive_ = a;
    const la_int64_t begin = archive_filter_bytes(a, -1);
    packed_begin_ = begin > 0 ? static_cast<std::uint64_t>(begin) : 0;
    const void* block = nullptr;
    std::size_t size = 0;
    la_int64_t offset = 0;
    int status = ARCHIVE_OK;
    while ((status = archive_read_data_block(a, &block, &size, &offset)) >= ARCHIVE_WARN) {
      if (status == ARCHIVE_EOF) return finish();
      const Bytes bytes{static_cast<const std::uint8_t*>(block), size};
      if (Result<void> r = add(bytes, static_cast<std::uint64_t>(offset)); !r.ok()) {
        return r.error();
      }
    }
    if (size_ == 0) return Error{Code::kInvalid, name_ + ": can't be unpacked: " + why(a) + "."};
    Result<Input> input = finish();
    if (input.ok()) {
      input->set_loss("cut short: what follows its first " + format_bytes(size_) +
                      " can't be unpacked (" + why(a) + ").");
    }
    return input;
  }

 private:
  bool continues_part(Bytes bytes, std::uint64_t offset) const {
    const auto all = packed_.bytes();
    const auto begin = reinterpret_cast<std::uintptr_t>(all.data());
    const auto at = reinterpret_cast<std::uintptr_t>(bytes.data());
    if (at < begin || at + bytes.size() > begin + all.size() || offset != size_) return false;
    return size_ == 0 || at == begin + part_at_ + size_;
  }

  Result<void> add(Bytes bytes, std::uint64_t offset) {
    if (bytes.empty()) return {};
    if (!spool_ && continues_part(bytes, offset)) {
      if (size_ == 0) part_at_ = static_cast<std::size_t>(bytes.data() - packed_.bytes().data());
      size_ += bytes.size();
      return {};
    }
    if (!spool_) {
      spool_.emplace(name_);
      if (Result<void> r = copy(packed_.bytes().subspan(part_at_, size_), 0); !r.ok()) return r;
    }
    // Sparse files leave their holes out.
    static constexpr std::array<std::uint8_t, 4096> kZeros{};
    while (size_ < offset) {
      const std::size_t hole = std::min<std::uint64_t>(offset - size_, kZeros.size());
      if (Result<void> r = copy(Bytes{kZeros}.first(hole), size_); !r.ok()) return r;
      size_ += hole;
    }
    Result<void> r = copy(bytes, size_);
    size_ += bytes.size();
    return r;
  }

  Result<void> copy(Bytes bytes, std::uint64_t before) {
    // How far the outermost stream was read. (A zip is read from its end: its headers are no part
    // of what was read for this member.)
    const la_int64_t at = archive_filter_bytes(archive_, -1);
    const std::uint64_t read = at > 0 ? static_cast<std::uint64_t>(at) : 0;
    const std::uint64_t consumed = read - std::min(read, packed_begin_);
    Result<void> taken = budget_.take(name_, bytes.size(), consumed, before);
    return taken.ok() ? spool_->append(bytes) : taken;
  }

  Result<Input> finish() {
    return spool_ ? spool_->finish() : packed_.part(name_, part_at_, size_);
  }

  const Input& packed_;
  std::string name_;
  InputBudget& budget_;
  archive* archive_ = nullptr;
  std::uint64_t packed_begin_ = 0;
  std::optional<Spool> spool_;
  std::size_t part_at_ = 0;
  std::uint64_t size_ = 0;
};

bool open_bytes(archive* a, const Input& input) {
  return archive_read_open_memory(a, input.bytes().data(), input.bytes().size()) == ARCHIVE_OK;
}

// Reads one member. False: there is no next one.
bool next_member(archive* a, const Input& packed, std::size_t index, InputBudget& budget,
                 const std::function<bool(const std::string&, Result<Input>)>& member) {
  archive_entry* entry = nullptr;
  int status = ARCHIVE_RETRY;
  for (int i = 0; status == ARCHIVE_RETRY && i < kRetriesMax; ++i) {
    status = archive_read_next_header(a, &entry);
  }
  if (status == ARCHIVE_EOF) return false;
  if (status == ARCHIVE_FATAL || status == ARCHIVE_RETRY) {
    member(packed.name(),
           Error{Code::kInvalid, packed.name() + ": damaged after " + std::to_string(index) +
                                     " members: " + why(a) + ".\n  What came before it was read."});
    return false;
  }
  const std::string name = packed.name() + "!" + member_name(entry, index);
  if (status == ARCHIVE_FAILED) {
    return member(name, Error{Code::kInvalid, name + ": can't be unpacked: " + why(a) + "."});
  }
  // Links have no bytes of their own; what they point to is a member itself.
  if (archive_entry_filetype(entry) != AE_IFREG || archive_entry_hardlink(entry) != nullptr) {
    return true;
  }
  return member(name, Data(packed, name, budget).read(a));
}

}  // namespace

Result<void> InputBudget::take(const std::string& name, std::uint64_t bytes,
                               std::uint64_t packed_bytes, std::uint64_t out_bytes) {
  if (bytes > limits.unpacked_bytes_max - unpacked_bytes) {
    return Error{Code::kExhausted, name + ": left out: more than " +
                                       format_bytes(limits.unpacked_bytes_max) +
                                       " would be unpacked.\n  Give its parts one by one."};
  }
  // Many members, or bombs within bombs, each below the bound: all of them against all that was
  // given.
  const auto too_many = [this](std::uint64_t out, std::uint64_t packed) {
    return out > limits.ratio_free_bytes && out / limits.ratio_max > packed;
  };
  if (too_many(out_bytes + bytes, packed_bytes) || too_many(unpacked_bytes + bytes, given_bytes)) {
    return Error{Code::kExhausted,
                 name + ": left out: unpacks to more than " + std::to_string(limits.ratio_max) +
                     " times its size, as only a file made to fill disks does.\n  If it is none, "
                     "unpack it first."};
  }
  unpacked_bytes += bytes;
  return {};
}

Packaging packaging_of(Bytes bytes) {
  using namespace std::string_view_literals;
  if (begins(bytes, "\x1f\x8b\x08"sv) || begins(bytes, "\x28\xb5\x2f\xfd"sv) ||
      begins(bytes, "\xfd\x37zXZ\0"sv)) {
    return Packaging::kStream;
  }
  if (begins(bytes, "PK\3\4"sv) || begins(bytes, "PK\5\6"sv) || is_tar(bytes)) {
    return Packaging::kArchive;
  }
  return Packaging::kNone;
}

Result<Input> decompress(const Input& input, InputBudget& budget) {
  const Archive a(archive_read_new());
  if (a == nullptr) return Error{Code::kExhausted, input.name() + ": no memory to unpack it."};
  archive_read_support_filter_gzip(a.get());
  archive_read_support_filter_zstd(a.get());
  archive_read_support_filter_xz(a.get());
  archive_read_support_format_raw(a.get());
  archive_entry* entry = nullptr;
  if (!open_bytes(a.get(), input) || archive_read_next_header(a.get(), &entry) != ARCHIVE_OK) {
    return Error{Code::kInvalid, input.name() + ": can't be unpacked: " + why(a.get()) + "."};
  }
  // No filter took it: the header is damaged behind its magic. (Streams within a stream, up to what
  // libarchive allows, are taken off at once.)
  if (archive_filter_count(a.get()) < 2) {
    return Error{Code::kInvalid, input.name() + ": can't be unpacked: its header is damaged."};
  }
  return Data(input, input.name(), budget).read(a.get());
}

void for_each_member(const Input& packed, InputBudget& budget,
                     const std::function<bool(const std::string&, Result<Input>)>& member) {
  const Archive a(archive_read_new());
  if (a != nullptr) {
    archive_read_support_format_tar(a.get());
    archive_read_support_format_zip(a.get());
  }
  if (a == nullptr || !open_bytes(a.get(), packed)) {
    const std::string reason = a == nullptr ? "no memory" : why(a.get());
    member(packed.name(),
           Error{Code::kInvalid, packed.name() + ": can't be unpacked: " + reason + "."});
    return;
  }
  for (std::size_t i = 0; next_member(a.get(), packed, i, budget, member); ++i) {
  }
}

}  // namespace ullage::trace
