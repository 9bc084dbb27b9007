// SPDX-License-Identifier: Apache-2.0
#include "tier/cold_plugin.h"

#include <dlfcn.h>
#include <ullage/version.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <system_error>

namespace ullage::tier {
namespace {

constexpr const char* kLibrary = "libullage_cold.so";

// Where it may lie; the first that is there counts.
Result<std::string> library() {
  std::error_code error;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", error);
  const std::filesystem::path prefix = program.parent_path().parent_path();
  std::string looked;
  for (const char* folder : {"lib/ullage", "lib", "../lib"}) {
    const std::filesystem::path path = (prefix / folder / kLibrary).lexically_normal();
    if (std::filesystem::exists(path, error)) return path.string();
    looked += "\n    " + path.string();
  }
  return Error{Code::kNotFound,
               std::string("keeping data on disk needs ") + kLibrary +
                   ", which lies beside the program.\n  Install Ullage as a whole (make install), "
                   "or leave persistence out. Looked for:" +
                   looked};
}

Result<void*> function(const char* name) {
  static void* loaded = nullptr;
  if (loaded == nullptr) {
    const Result<std::string> path = library();
    if (!path.ok()) return path.error();
    loaded = ::dlopen(path.value().c_str(), RTLD_NOW | RTLD_LOCAL);
    if (loaded == nullptr) {
      return Error{Code::kNotFound, path.value() + " can't be loaded: " + ::dlerror() +
                                        "\n  It needs RocksDB 7.8: apt install librocksdb7.8"};
    }
  }
  void* found = ::dlsym(loaded, name);
  if (found == nullptr) {
    return Error{Code::kUnsupported, std::string(kLibrary) + " has no " + name +
                                         ": it is of another version.\n  Install the program and "
                                         "its libraries together."};
  }
  return found;
}

}  // namespace

Result<std::unique_ptr<ColdStore>> open_cold(const ColdOptions& options) {
  const Result<void*> found = function(kOpenColdName);
  if (!found.ok()) return found.error();
  Error error;
  auto* open = reinterpret_cast<OpenColdFunction*>(found.value());
  ColdStore* store = open(kVersionString, &options, &error);
  if (store == nullptr) return error;
  return std::unique_ptr<ColdStore>(store);
}

Result<std::uint64_t> restore_cold(const std::string& from, const std::string& to) {
  const Result<void*> found = function(kRestoreColdName);
  if (!found.ok()) return found.error();
  Error error;
  std::uint64_t bytes = 0;
  auto* restore = reinterpret_cast<RestoreColdFunction*>(found.value());
  if (!restore(from.c_str(), to.c_str(), &bytes, &error)) return error;
  return bytes;
}

}  // namespace ullage::tier
