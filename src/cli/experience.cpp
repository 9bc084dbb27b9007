// SPDX-License-Identifier: Apache-2.0
#include "cli/experience.h"

#include <ullage/detail/profile_file.h>

#include <algorithm>
#include <map>

#include "base/format.h"

namespace ullage::cli {
namespace {

using detail::run_sizes;

run_sizes sizes_of(const evidence::ContainerSite& site) {
  run_sizes run;
  run.element_bytes =
      static_cast<std::uint32_t>(std::min<std::uint64_t>(site.element_bytes, UINT32_MAX));
  run.max = site.final.max;
  for (const auto& [size, count] : site.final_counts) {
    std::uint32_t& into = run.counts[size_sketch::bucket_of(size)];
    into += static_cast<std::uint32_t>(std::min<std::uint64_t>(count, UINT32_MAX - into));
  }
  if (site.final_counts.empty() && site.capacity_max != 0) {  // all were alive at the end
    run.max = site.capacity_max;
    run.counts[size_sketch::bucket_of(run.max)] = 1;
  }
  return run;
}

}  // namespace

Result<std::string> add_experience(const std::string& path, const evidence::Evidence& evidence) {
  std::map<std::string, run_sizes> runs;
  std::uint64_t containers = 0;
  for (const evidence::ContainerSite& site : evidence.container_sites) {
    if (site.name.empty()) continue;
    const run_sizes run = sizes_of(site);
    if (run.total() == 0) continue;
    containers += run.total();
    runs.emplace(site.name, run);
  }
  if (runs.empty()) {
    return Error{
        Code::kInvalid,
        evidence.process.source +
            ": no container site told of its sizes.\n  Only containers of <ullage/...> that "
            "were given a site do. Record a program that uses them."};
  }
  std::string why;
  const auto add = [&runs](detail::size_profile& profile) {
    profile.begin_run();
    for (const auto& [name, run] : runs) profile.add(name, run);
  };
  if (!detail::update_profile(path, add, why)) return Error{Code::kInvalid, why};
  return "added " + format_counted(containers, "container") + " of " +
         format_counted(runs.size(), "site") + " to " + path +
         "; run the program with ULLAGE_PROFILE=" + path;
}

}  // namespace ullage::cli
