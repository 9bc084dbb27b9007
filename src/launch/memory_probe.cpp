// SPDX-License-Identifier: Apache-2.0
#include "launch/memory_probe.h"

#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <x86intrin.h>
#endif

namespace ullage::launch {
namespace {

constexpr size_t kSmallFileBytesMax = 64u << 10;

bool kilobytes(const std::string& status, const char* name, uint64_t& bytes) {
  const size_t at = status.find(name);
  if (at == std::string::npos) return false;
  bytes = strtoull(status.c_str() + at + strlen(name), nullptr, 10) * 1024;
  return true;
}

uint64_t monotonic_ns() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<uint64_t>(t.tv_sec) * 1'000'000'000u + static_cast<uint64_t>(t.tv_nsec);
}

}  // namespace

std::string read_small_file(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return {};
  std::string text;
  char chunk[4096];
  ssize_t n = 0;
  while (text.size() < kSmallFileBytesMax && (n = ::read(fd, chunk, sizeof chunk)) > 0) {
    text.append(chunk, static_cast<size_t>(n));
  }
  ::close(fd);
  return text;
}

bool parse_status(const std::string& status, MemorySample& sample) {
  record::Mark& mark = sample.mark;
  const bool rss = kilobytes(status, "\nVmRSS:", mark.rss_bytes);
  kilobytes(status, "\nVmHWM:", mark.rss_peak_bytes);
  kilobytes(status, "\nVmSwap:", mark.swap_bytes);
  kilobytes(status, "\nRssAnon:", sample.anonymous_bytes);
  return rss;
}

uint32_t parse_pressure(const std::string& pressure) {
  const size_t at = pressure.find("some avg10=");
  if (at == std::string::npos) return kPressureUnknown;
  const double percent = strtod(pressure.c_str() + at + strlen("some avg10="), nullptr);
  return percent >= 0 && percent <= 100 ? static_cast<uint32_t>(lround(percent * 100))
                                        : kPressureUnknown;
}

uint32_t memory_pressure() { return parse_pressure(read_small_file("/proc/pressure/memory")); }

bool probe_memory(uint32_t pid, bool use_tsc, uint32_t pressure, MemorySample& sample) {
  sample = {};
  if (!parse_status(read_small_file("/proc/" + std::to_string(pid) + "/status"), sample)) {
    return false;
  }
  record::Mark& mark = sample.mark;
  mark.monotonic_ns = mark.ticks = monotonic_ns();
#if defined(__x86_64__)
  if (use_tsc) mark.ticks = __rdtsc();
#else
  (void)use_tsc;
#endif
  mark.psi_some_avg10_percent_x100 = pressure;
  return true;
}

}  // namespace ullage::launch
