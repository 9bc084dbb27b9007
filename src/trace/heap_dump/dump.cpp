// SPDX-License-Identifier: Apache-2.0
#include "trace/heap_dump/dump.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace ullage::trace::heap_dump {
namespace {

enum Tag : std::uint64_t {
  kEof = 0,
  kObject = 1,
  kOtherRoot = 2,
  kType = 3,
  kGoroutine = 4,
  kStackFrame = 5,
  kParams = 6,
  kFinalizer = 7,
  kItab = 8,
  kOsThread = 9,
  kMemStats = 10,
  kQueuedFinalizer = 11,
  kData = 12,
  kBss = 13,
  kDefer = 14,
  kPanic = 15,
  kMemProf = 16,
  kAllocSample = 17,
};

// runtime.MemStats, in the order that the dump has them; 256 pauses stand before the last.
constexpr std::array kMemStatsNames = {
    "Alloc",       "TotalAlloc", "Sys",        "Lookups",   "Mallocs",      "Frees",
    "HeapAlloc",   "HeapSys",    "HeapIdle",   "HeapInuse", "HeapReleased", "HeapObjects",
    "StackInuse",  "StackSys",   "MSpanInuse", "MSpanSys",  "MCacheInuse",  "MCacheSys",
    "BuckHashSys", "GCSys",      "OtherSys",   "NextGC",    "LastGC",       "PauseTotalNs"};
constexpr unsigned kMemStatsPauses = 256;

constexpr std::uint64_t kStepRecords = 1 << 16;

class Decoder {
 public:
  explicit Decoder(std::span<const std::uint8_t> file) : c_(file, kMagic.size()) {}

  Dump run(void (*step)(void*, std::uint64_t), void* context) {
    d_.understood = kMagic.size();
    while (next()) {
      d_.understood = c_.at();
      if (++d_.records % kStepRecords == 0 && step != nullptr) step(context, c_.at());
    }
    if (!d_.complete && d_.stopped.empty()) d_.stopped = "it ends within a record";
    const auto before = [](const Object& a, const Object& b) { return a.address < b.address; };
    if (!std::is_sorted(d_.objects.begin(), d_.objects.end(), before)) {
      std::sort(d_.objects.begin(), d_.objects.end(), before);
    }
    // Overlaps are nonsense: the index relies on there being none.
    std::uint64_t end = 0;
    std::erase_if(d_.objects, [&end](const Object& o) {
      if (o.address < end || o.size > UINT64_MAX - o.address) return true;
      end = o.address + o.size;
      return false;
    });
    return std::move(d_);
  }

 private:
  bool next() {
    std::uint64_t tag = 0, a = 0, b = 0;
    std::string_view text;
    if (!c_.number(tag)) return false;
    switch (tag) {
      case kEof:
        d_.complete = true;
        return d_.understood = c_.at(), false;
      case kObject:
        return object();
      case kOtherRoot:
        return c_.text(text) && c_.number(a) && address(Root::Kind::kOther, text, a);
      case kType:
        ++d_.types;
        return c_.numbers(a, b) && c_.text(text) && c_.skip_numbers(1);
      case kGoroutine:
        return goroutine();
      case kStackFrame:
        return frame();
      case kParams:
        return params();
      case kFinalizer:
      case kQueuedFinalizer:
        return c_.numbers(a, b) && c_.skip_numbers(3) &&
               address(Root::Kind::kFinalizer, "finalizer", a) &&
               address(Root::Kind::kFinalizer, "finalizer", b);
      case kItab:
        return c_.skip_numbers(2);
      case kOsThread:
        return c_.skip_numbers(3);
      case kMemStats:
        return memstats();
      case kData:
      case kBss:
        return segment(tag == kData ? Root::Kind::kData : Root::Kind::kBss);
      case kDefer:
        return defer();
      case kPanic:
        return c_.skip_numbers(3) && c_.number(a) && c_.skip_numbers(2) &&
               address(Root::Kind::kOther, "panic", a);
      case kMemProf:
        return bucket();
      case kAllocSample:
        if (!c_.numbers(a, b)) return false;
        if (d_.samples.size() < kBucketsMax) d_.samples.emplace(a, b);
        return true;
      default:
        d_.stopped = "record " + std::to_string(tag) + " is of no kind that is known";
        return false;
    }
  }

  bool full(bool at_limit, const char* what) {
    if (at_limit) d_.stopped = std::string("it holds more ") + what + " than can be read";
    return at_limit;
  }

  bool object() {
    Object o;
    if (!c_.number(o.address) || !c_.range(o.contents, o.size) || !c_.skip_fields()) return false;
    if (full(d_.objects.size() >= kObjectsMax, "objects")) return false;
    d_.objects.push_back(o);
    return true;
  }

  bool root(Root root) {
    if (full(d_.roots.size() >= kFramesMax, "roots")) return false;
    d_.roots.push_back(root);
    return true;
  }
  bool address(Root::Kind kind, std::string_view name, std::uint64_t target) {
    if (target == 0) return true;
    const std::size_t g = d_.goroutines.empty() ? 0 : d_.goroutines.size() - 1;
    return root({kind, static_cast<std::uint32_t>(g), target, 0, 0, 0, name});
  }

  bool segment(Root::Kind kind) {
    Root r{kind, 0, 0, 0, 0, 0, {}};
    if (!c_.number(r.address) || !c_.range(r.contents, r.size)) return false;
    r.fields = c_.at();
    d_.roots_seen |= kind == Root::Kind::kBss;
    return c_.skip_fields() && root(r);
  }

  bool goroutine() {
    Goroutine g;
    std::uint64_t system = 0, unused = 0, context = 0, machine = 0, defers = 0, panics = 0;
    g.where = c_.at();
    if (!c_.numbers(g.address, unused, g.id, unused, g.status, system, unused, unused) ||
        !c_.text(g.wait_reason) || !c_.numbers(context, machine, defers, panics)) {
      return false;
    }
    if (full(d_.goroutines.size() >= kGoroutinesMax, "goroutines")) return false;
    g.system = system != 0;
    g.first_frame = d_.roots.size();
    d_.goroutines.push_back(g);
    return true;
  }

  bool frame() {
    Root r{Root::Kind::kFrame, 0, 0, 0, 0, 0, {}};
    if (!c_.number(r.address) || !c_.skip_numbers(2) || !c_.range(r.contents, r.size) ||
        !c_.skip_numbers(3) || !c_.text(r.name)) {
      return false;
    }
    r.fields = c_.at();
    if (!c_.skip_fields()) return false;
    if (d_.goroutines.empty()) {
      d_.stopped = "a stack frame stands before any goroutine";
      return false;
    }
    Goroutine& g = d_.goroutines.back();
    if (g.frames == 0) g.first_frame = d_.roots.size();
    r.goroutine = static_cast<std::uint32_t>(d_.goroutines.size() - 1);
    ++g.frames;
    return root(r);
  }

  bool defer() {
    std::uint64_t record = 0, fn = 0;
    if (!c_.number(record) || !c_.skip_numbers(3) || !c_.number(fn) || !c_.skip_numbers(2)) {
      return false;
    }
    if (!d_.goroutines.empty()) ++d_.goroutines.back().defers;
    return address(Root::Kind::kDefer, "defer", record) && address(Root::Kind::kDefer, "defer", fn);
  }

  bool params() {
    std::uint64_t big = 0, bytes = 0, start = 0, end = 0;
    if (!c_.numbers(big, bytes, start, end) || !c_.text(d_.architecture) || !c_.text(d_.version) ||
        !c_.number(d_.processors)) {
      return false;
    }
    d_.big_endian = big != 0;
    d_.pointer_bytes = static_cast<unsigned>(bytes);
    if (bytes == 4 || bytes == 8) return true;
    d_.pointer_bytes = 8;
    d_.stopped = "pointers of " + std::to_string(bytes) + " bytes";
    return false;
  }

  bool memstats() {
    std::uint64_t value = 0;
    d_.memstats.clear();
    for (const char* name : kMemStatsNames) {
      if (!c_.number(value)) return false;
      d_.memstats.emplace_back(name, value);
    }
    if (!c_.skip_numbers(kMemStatsPauses) || !c_.number(value)) return false;
    d_.memstats.emplace_back("NumGC", value);
    return true;
  }

  bool bucket() {
    Bucket b;
    std::uint64_t address = 0, frames = 0;
    b.where = c_.at();
    if (!c_.numbers(address, b.size, frames)) return false;
    if (full(frames > kBucketFramesMax || d_.buckets.size() >= kBucketsMax, "profiled stacks")) {
      return false;
    }
    for (std::uint64_t i = 0; i < frames; ++i) {
      BucketFrame f;
      if (!c_.text(f.function) || !c_.text(f.file) || !c_.number(f.line)) return false;
      b.stack.push_back(f);
    }
    if (!c_.numbers(b.allocs, b.frees)) return false;
    d_.buckets.emplace(address, std::move(b));
    return true;
  }

  Cursor c_;
  Dump d_;
};

}  // namespace

std::uint64_t Dump::word(std::span<const std::uint8_t> file, std::uint64_t at) const {
  std::uint64_t value = 0;
  for (unsigned i = 0; i < pointer_bytes; ++i) {
    const unsigned shift = 8 * (big_endian ? pointer_bytes - 1 - i : i);
    value |= static_cast<std::uint64_t>(file[at + i]) << shift;
  }
  return value;
}

Dump decode(std::span<const std::uint8_t> file, void (*step)(void*, std::uint64_t), void* context) {
  return Decoder(file).run(step, context);
}

}  // namespace ullage::trace::heap_dump
