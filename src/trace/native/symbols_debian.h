// SPDX-License-Identifier: Apache-2.0
#pragma once

// Which Debian package has a file's debug information, as far as dpkg's own lists tell.

#include <string>
#include <vector>

namespace ullage::trace {

// For each path the package to install ("libllvm14-dbgsym"), or "" where dpkg does not know the
// file. Reads dpkg's lists once for all paths; costs some 10 ms, so ask only when a person waits.
std::vector<std::string> debian_debug_packages(const std::vector<std::string>& paths,
                                               const std::string& lists_dir = "/var/lib/dpkg/info");

}  // namespace ullage::trace
