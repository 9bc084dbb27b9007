// SPDX-License-Identifier: Apache-2.0
//
// Events per second from archived bytes to linked chains, symbols excluded: the promise of
// native.h.
//   trace_bench --benchmark_filter=Link
//   ULLAGE_BENCH_RECORDING=app.ulg trace_bench --benchmark_filter=File
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "record/archive.h"
#include "record/reader.h"
#include "record/recording_builder.h"
#include "trace/native/native.h"
#include "trace/native/stream.h"

namespace {

using namespace ullage;
using record::RecordingBuilder;
using record::Tag;

// Threads that push to vectors and keep `live` small blocks alive, in the proportions that sqlite3
// and redis show: half of the events are frees, a fifth of those candidates.
std::vector<std::uint8_t> program(std::uint32_t threads, std::size_t live, std::size_t events) {
  RecordingBuilder b;
  b.set_segment_bytes(1u << 20);
  b.set_step(200);
  const auto push = b.frames({{0x401001, 0x401000}, {0x402001, 0x402000}});
  const auto drop = b.frames({{0x401001, 0x401000}, {0x402011, 0x402000}});
  std::vector<std::uint32_t> make;
  for (std::uint64_t i = 0; i < 300; ++i) {
    make.push_back(b.frames({{0x401001, 0x401000}, {0x410001 + i * 0x100, 0x410000 + i * 0x100}}));
  }
  std::mt19937_64 random(1);
  std::vector<std::uint64_t> blocks;
  std::uint64_t next = 0x100000000;
  std::uint32_t tid = 1;
  for (std::size_t i = 0; i < events; i += 2) {
    if (i % 64 == 0) tid = 1 + static_cast<std::uint32_t>(random() % threads);
    auto& s = b.stream(tid);
    s.alloc(next += 64, 16 + random() % 200, make[random() % make.size()]);
    if (blocks.size() < live) {
      blocks.push_back(next);
      s.alloc(next += 64, 64, push);
      s.alloc(next += 128, 128, push);
      s.free(Tag::kFreeContent, next - 128, drop);
      s.free(next);
      continue;
    }
    std::swap(blocks[random() % blocks.size()], blocks.back());
    if (i % 10 == 0) {
      s.free(Tag::kFreeSize, blocks.back(), drop);
    } else {
      s.free(blocks.back());
    }
    blocks.back() = next;
  }
  b.end();
  return b.live();
}

// The same as an archive, as `ullage record` leaves it: decompression is part of the job.
std::unique_ptr<record::Recording> archived(const std::vector<std::uint8_t>& bytes,
                                            std::string& error) {
  const auto live = record::Recording::from_bytes(bytes, "bench", error);
  if (live == nullptr) return nullptr;
  char folder[] = "/tmp/native_bench.XXXXXX";
  if (mkdtemp(folder) == nullptr) return nullptr;
  const std::string path = std::string(folder) + "/a.ulg";
  auto writer = record::ArchiveWriter::create(path + ".part", live->header(), {}, error);
  std::vector<std::uint8_t> payload;
  bool ok = writer != nullptr;
  for (const record::SegmentRef& s : live->segments()) {
    ok = ok && live->payload(s, payload, error) &&
         writer->append(s.header, payload.data(), payload.size(), error);
  }
  ok = ok && writer->finish(live->header(), path, error);
  auto out = ok ? record::Recording::open(path, error) : nullptr;
  std::filesystem::remove_all(folder);
  return out;
}

void run(benchmark::State& state, const record::Recording* recording, const std::string& error) {
  if (recording == nullptr) {
    state.SkipWithError(error.c_str());
    return;
  }
  std::uint64_t events = 0;
  for (auto _ : state) {
    auto e =
        trace::read_recording(*recording, {.symbolize = false, .debug_dirs = {}, .progress = {}});
    events += e->process.events;
    benchmark::DoNotOptimize(e->growth_sites.data());
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(events));
  state.counters["bytes_per_event"] = static_cast<double>(recording->file_bytes()) *
                                      static_cast<double>(state.iterations()) /
                                      static_cast<double>(std::max<std::uint64_t>(1, events));
}

void Link(benchmark::State& state) {
  std::string error;
  const auto recording = archived(program(static_cast<std::uint32_t>(state.range(0)),
                                          static_cast<std::size_t>(state.range(1)), 2'000'000),
                                  error);
  run(state, recording.get(), error);
}
BENCHMARK(Link)
    ->ArgNames({"threads", "live"})
    ->Args({1, 1000})
    ->Args({1, 500000})
    ->Args({8, 1000})
    ->Args({200, 100000})
    ->Unit(benchmark::kMillisecond);

// A recording of a real program.
void File(benchmark::State& state) {
  const char* path = std::getenv("ULLAGE_BENCH_RECORDING");
  std::string error = "ULLAGE_BENCH_RECORDING names no recording.";
  const auto recording = path == nullptr ? nullptr : record::Recording::open(path, error);
  run(state, recording.get(), error);
}
BENCHMARK(File)->Unit(benchmark::kMillisecond);

}  // namespace
