// SPDX-License-Identifier: Apache-2.0
//
// Any bytes as a profile: refused with a line and a reason, or understood, and then what is printed
// reads the same and stays within its limits when runs are added.
#include <ullage/detail/experience_state.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ullage::detail;  // NOLINT(google-build-using-namespace)
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  size_profile profile;
  profile_error error;
  if (!profile.parse(text, error)) {
    if (error.text.empty() || error.line == 0 || !profile.sites.empty()) std::abort();
    return 0;
  }
  run_sizes run;
  run.counts[size % run.counts.size()] = 3;
  run.max = ullage::size_sketch::upper_end(size % run.counts.size());
  for (const bool added : {false, true}) {
    const std::string printed = profile.print();
    size_profile again;
    if (!again.parse(printed, error) || again.print() != printed) std::abort();
    for (const auto& [name, site] : profile.sites) {
      const ullage::size_origin origin = expectation(site, {});
      if (origin.expected > origin.wanted || origin.wanted > site.max) std::abort();
    }
    if (added) break;
    profile.begin_run();
    for (auto& [name, site] : profile.sites) site.add(run, profile.saves);
  }
  return 0;
}
