// SPDX-License-Identifier: Apache-2.0
#include "trace/native/symbols_debian.h"

#include <filesystem>
#include <fstream>
#include <map>

namespace ullage::trace {
namespace {

namespace fs = std::filesystem;

// "libllvm14:amd64.list" -> "libllvm14-dbgsym". glibc's debug package has a name of its own.
std::string debug_package(const std::string& list_name) {
  const std::string stem = list_name.substr(0, list_name.size() - std::string(".list").size());
  const std::string package = stem.substr(0, stem.find(':'));
  return package == "libc6" ? "libc6-dbg" : package + "-dbgsym";
}

}  // namespace

std::vector<std::string> debian_debug_packages(const std::vector<std::string>& paths,
                                               const std::string& lists_dir) {
  std::vector<std::string> packages(paths.size());
  if (paths.empty()) return packages;
  // dpkg lists a file by the name it was packed with: with or without a link, with or without /usr.
  std::map<std::string, std::size_t> wanted;
  for (std::size_t i = 0; i < paths.size(); ++i) {
    std::error_code error;
    const fs::path real = fs::canonical(paths[i], error);
    for (const std::string& name : {paths[i], error ? paths[i] : real.string()}) {
      wanted[name] = i;
      if (name.starts_with("/usr/"))
        wanted[name.substr(4)] = i;
      else
        wanted["/usr" + name] = i;
    }
  }
  std::size_t missing = paths.size();
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(lists_dir, error)) {
    if (missing == 0) break;
    if (entry.path().extension() != ".list") continue;
    std::ifstream list(entry.path());
    for (std::string line; std::getline(list, line);) {
      const auto it = wanted.find(line);
      if (it == wanted.end() || !packages[it->second].empty()) continue;
      packages[it->second] = debug_package(entry.path().filename().string());
      --missing;
    }
  }
  return packages;
}

}  // namespace ullage::trace
