// SPDX-License-Identifier: Apache-2.0
#pragma once

// GrowthProbes: counts calls of functions of a binary by uprobes, through perf events.
//
//   auto probes = GrowthProbes::open("/srv/shop", {{"runtime.growslice", 0x6f3c0}});
//   ...                                  // the program runs
//   for (const GrowthProbes::Count& c : probes->counts()) ...
//
// Entry probes only: a return probe rewrites return addresses, which Go's stack copies and
// unwinding cannot bear. Whatever process runs this file meanwhile is counted, also its children.
//
// Cost    Two traps into the kernel for each call counted, in the program: 17 us on a busy virtual
//         machine, where traps are dear. A descriptor per function and processor, here.
// Needs   Linux 4.17, and CAP_PERFMON (5.8), CAP_SYS_ADMIN or root. Without, open() says what is
//         missing and what to do, and nothing was changed.

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace ullage::launch {

struct ProbeSite {
  std::string function;
  std::uint64_t file_offset = 0;  // of its first instruction
};
// Functions probed at once.
inline constexpr std::size_t kProbesMax = 16;

class GrowthProbes {
 public:
  struct Count {
    std::string function;
    std::uint64_t calls = 0;
  };

  static Result<GrowthProbes> open(const std::string& binary, const std::vector<ProbeSite>& sites);
  GrowthProbes(GrowthProbes&& other) noexcept : probes_(std::move(other.probes_)) {
    other.probes_.clear();
  }
  GrowthProbes& operator=(GrowthProbes&&) = delete;
  ~GrowthProbes();

  // In the order of the sites, so far.
  std::vector<Count> counts() const;

 private:
  struct Probe {
    std::string function;
    std::vector<int> descriptors;  // one per processor
  };
  GrowthProbes() = default;
  std::vector<Probe> probes_;
};

// What to do about errno of the kernel when a probe was refused.
Error probe_error(int error, const std::string& function);

}  // namespace ullage::launch
