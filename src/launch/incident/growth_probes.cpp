// SPDX-License-Identifier: Apache-2.0
#include "launch/incident/growth_probes.h"

#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>

namespace ullage::launch {
namespace {

// The number under which this kernel knows uprobe events; -1 = it has none.
int uprobe_type() {
  std::ifstream file("/sys/bus/event_source/devices/uprobe/type");
  int type = -1;
  file >> type;
  return file ? type : -1;
}

int open_event(int type, const std::string& binary, std::uint64_t offset, int processor) {
  perf_event_attr attributes{};
  attributes.size = sizeof attributes;
  attributes.type = static_cast<std::uint32_t>(type);
  attributes.config1 = reinterpret_cast<std::uintptr_t>(binary.c_str());
  attributes.config2 = offset;
  return static_cast<int>(
      ::syscall(SYS_perf_event_open, &attributes, -1, processor, -1, PERF_FLAG_FD_CLOEXEC));
}

}  // namespace

Error probe_error(int error, const std::string& function) {
  const std::string head = "--bpf: no probe can be set at " + function + ": ";
  if (error == EACCES || error == EPERM) {
    return {Code::kUnsupported,
            head +
                "this user may not.\n  Run as root, or give it the right: sudo setcap "
                "cap_perfmon+ep $(command -v ullage)"};
  }
  if (error == EMFILE || error == ENFILE) {
    return {Code::kExhausted, head + "too many open files.\n  Raise the limit: ulimit -n 4096"};
  }
  if (error == EINVAL || error == EOPNOTSUPP || error == ENOENT) {
    return {Code::kUnsupported,
            head + strerror(error) +
                ".\n  The binary must lie on a disk whose files the kernel can probe, not in a "
                "container's overlay that hides it."};
  }
  return {Code::kIo, head + strerror(error) + "."};
}

Result<GrowthProbes> GrowthProbes::open(const std::string& binary,
                                        const std::vector<ProbeSite>& sites) {
  const int type = uprobe_type();
  if (type < 0) {
    return Error{Code::kUnsupported,
                 "--bpf: this kernel has no uprobe events.\n  They need Linux 4.17 with "
                 "CONFIG_UPROBE_EVENTS, and /sys mounted (a container may hide it)."};
  }
  GrowthProbes probes;
  const long processors = ::sysconf(_SC_NPROCESSORS_CONF);
  for (const ProbeSite& site : sites) {
    if (probes.probes_.size() == kProbesMax) break;
    Probe& probe = probes.probes_.emplace_back();
    probe.function = site.function;
    int error = 0;
    for (int processor = 0; processor < processors; ++processor) {
      const int descriptor = open_event(type, binary, site.file_offset, processor);
      if (descriptor >= 0) {
        probe.descriptors.push_back(descriptor);
      } else if (errno != ENODEV) {  // a processor that is off
        error = errno;
        break;
      }
    }
    if (error != 0 || probe.descriptors.empty()) return probe_error(error, site.function);
  }
  return probes;
}

GrowthProbes::~GrowthProbes() {
  for (const Probe& probe : probes_) {
    for (const int descriptor : probe.descriptors) ::close(descriptor);
  }
}

std::vector<GrowthProbes::Count> GrowthProbes::counts() const {
  std::vector<Count> counts;
  for (const Probe& probe : probes_) {
    Count count{probe.function, 0};
    for (const int descriptor : probe.descriptors) {
      std::uint64_t value = 0;
      if (::read(descriptor, &value, sizeof value) == sizeof value) count.calls += value;
    }
    counts.push_back(std::move(count));
  }
  return counts;
}

}  // namespace ullage::launch
