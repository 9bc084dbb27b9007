// SPDX-License-Identifier: Apache-2.0
#include "agent/output.h"

#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/config.h"
#include "agent/modules.h"
#include "agent/session.h"

namespace ullage::agent {

Output g_output;

namespace {

// The segment that module records go to; under its own lock (dlopen is rare).
struct ModuleLog {
  SpinLock lock;
  record::SegmentHeader* segment = nullptr;
  uint32_t used = 0;
  uint32_t seq = 0;
} g_module_log;

// Images of one pid (exec) that may have a file each. More: the last name is refused and nothing
// recorded. The first free name is the next number: the parent leaves a live file in its place
// until its process has ended, whatever that executes meanwhile.
constexpr int kImagesMax = 1000;

uint64_t realtime_ns() {
  timespec t{};
  clock_gettime(CLOCK_REALTIME, &t);
  return static_cast<uint64_t>(t.tv_sec) * 1'000'000'000u + static_cast<uint64_t>(t.tv_nsec);
}

void read_cmdline(record::FileHeader& header) {
  const int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return;
  const ssize_t n = read(fd, header.cmdline, sizeof header.cmdline - 2);
  if (n == static_cast<ssize_t>(sizeof header.cmdline - 2)) {
    header.features |= record::kFeatureCmdlineCut;
  }
  close(fd);
}

record::FileHeader make_header() {
  record::FileHeader h{};
  memcpy(h.magic, record::kFileMagic, 4);
  h.version_major = record::kVersionMajor;
  h.version_minor = record::kVersionMinor;
  h.header_bytes = record::kFileHeaderBytes;
  h.features = (g_output.use_tsc ? record::kFeatureClockTsc : 0u) |
               (g_config.sample_bytes != 0 ? record::kFeatureSampled : 0u) |
               (g_config.slack ? record::kFeatureSlack : 0u);
  h.machine = EM_X86_64;
  h.tick_shift = kTickShift;
  h.page_bytes = record::kPageBytes;
  h.pid = static_cast<uint32_t>(getpid());
  h.ppid = static_cast<uint32_t>(getppid());
  h.run_id = g_config.run_id;
  h.start_realtime_ns = realtime_ns();
  h.start_monotonic_ns = monotonic_ns();
  h.start_ticks = g_output.now();
  h.sample_bytes = g_config.sample_bytes;
  h.memory_limit_bytes = g_config.memory_limit_bytes;
  h.max_depth = static_cast<uint32_t>(g_config.max_depth);
  h.state = static_cast<uint32_t>(record::State::kRecording);
  h.stack_nodes = 1;
  struct stat st {};
  if (stat("/proc/self/ns/pid", &st) == 0) h.pid_namespace = st.st_ino;
  const ssize_t n = readlink("/proc/self/exe", h.exe, sizeof h.exe - 1);
  h.exe[n > 0 ? n : 0] = 0;
  read_cmdline(h);
  memcpy(h.malloc_owner, g_output.malloc_owner, sizeof h.malloc_owner);
  return h;
}

char* append(char* p, const char* end, const char* text) {
  while (*text != 0 && p < end) *p++ = *text++;
  return p;
}

char* append(char* p, const char* end, uint64_t number) {
  char digits[24];
  int n = 0;
  do {
    digits[n++] = static_cast<char>('0' + number % 10);
    number /= 10;
  } while (number != 0);
  while (n > 0 && p < end) *p++ = digits[--n];
  return p;
}

record::SegmentHeader* module_segment(uint32_t bytes) {
  ModuleLog& log = g_module_log;
  if (log.segment != nullptr) {
    const uint32_t room = log.segment->bytes - sizeof(record::SegmentHeader) - log.used;
    if (room >= bytes + sizeof(uint64_t)) return log.segment;
    record::LiveFile::finish(log.segment);
    log.segment = nullptr;
  }
  record::SegmentHeader head{};
  head.kind = static_cast<uint16_t>(record::Kind::kModules);
  head.seq = log.seq++;
  record::LiveFile::Claim why{};
  log.segment = g_output.file.claim(record::kSegmentBytesMin, head, false, &why);
  log.used = 0;
  return log.segment;
}

}  // namespace

void write_module(const Module& module, bool mapped) {
  if (g_output.file.header() == nullptr) return;
  const size_t path = strnlen(module.path, sizeof module.path) + 1;
  const auto bytes = static_cast<uint32_t>((sizeof(record::ModuleRecord) + path + 7) & ~size_t{7});
  Guard guard(g_module_log.lock);
  record::SegmentHeader* segment = module_segment(bytes);
  if (segment == nullptr) return;
  record::ModuleRecord r{};
  r.event = mapped ? 1 : 2;
  r.occupant = module.occupant;
  r.ticks = g_output.now();
  r.bias = module.bias;
  r.low = module.low;
  r.high = module.high;
  r.build_id_bytes = module.build_id_bytes;
  memcpy(r.build_id, module.build_id, sizeof r.build_id);
  uint8_t* at = reinterpret_cast<uint8_t*>(segment + 1) + g_module_log.used;
  memcpy(at + sizeof r, module.path, path);
  memcpy(at + 4, reinterpret_cast<const uint8_t*>(&r) + 4, sizeof r - 4);
  // Its size comes last: a record that a kill cut short ends the list.
  __atomic_store_n(reinterpret_cast<uint32_t*>(at), bytes, __ATOMIC_RELEASE);
  g_module_log.used += bytes;
}

bool start_output() {
  KeepErrno keep;
  record::FileHeader header = make_header();
  char path[4096];
  const char* end = path + sizeof path - 1;
  for (int image = 0; image < kImagesMax; ++image) {
    header.image = static_cast<uint32_t>(image);
    char* p = append(path, end, g_config.prefix);
    p = append(p, end, ".");
    p = append(p, end, header.pid);
    p = append(p, end, ".");
    p = append(p, end, static_cast<uint64_t>(image));
    p = append(p, end, ".live");
    *p = 0;
    if (g_output.file.create(path, header)) break;
    if (errno != EEXIST) return false;
  }
  record::FileHeader* mapped = g_output.file.header();
  if (mapped == nullptr) return false;
  g_modules.scan(nullptr);
  g_modules.each(&write_module);
  const Module* exe = g_modules.main_program();
  if (exe != nullptr) {
    mapped->build_id_bytes = exe->build_id_bytes;
    memcpy(mapped->build_id, exe->build_id, sizeof mapped->build_id);
  }
  return true;
}

void drop_output() {
  g_output.file.forget();
  g_module_log.lock.reset();
  g_module_log.segment = nullptr;
  g_module_log.used = g_module_log.seq = 0;
}

void stop_recording(record::State state) {
  g_shared->mode = kOff;
  end_output(state);
}

void end_output(record::State state) {
  record::FileHeader* header = g_output.file.header();
  if (header == nullptr) return;
  flush_all_counters();
  header->end_monotonic_ns = monotonic_ns();
  header->end_ticks = g_output.now();
  __atomic_store_n(&header->state, static_cast<uint32_t>(state), __ATOMIC_RELEASE);
}

}  // namespace ullage::agent
