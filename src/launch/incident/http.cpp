// SPDX-License-Identifier: Apache-2.0
#include "launch/incident/http.h"

#include <curl/curl.h>
#include <dlfcn.h>
#include <unistd.h>

#include <cstdio>
#include <memory>

namespace ullage::launch {
namespace {

// A program on the same machine answers at once, or is not there.
constexpr long kConnectSeconds = 5;

struct Sink {
  std::FILE* file = nullptr;
  std::uint64_t bytes = 0;
  bool full = false;
};

size_t write(char* data, size_t size, size_t count, void* to) {
  Sink& sink = *static_cast<Sink*>(to);
  if (sink.bytes + size * count > kFetchBytesMax ||
      std::fwrite(data, size, count, sink.file) != count) {
    sink.full = true;
    return 0;
  }
  sink.bytes += size * count;
  return size * count;
}

int stop(void* flag, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<const std::atomic<bool>*>(flag)->load() ? 1 : 0;
}

// libcurl, loaded when something is first fetched: it brings thirty libraries, and to load them
// would double the time that any other command takes to start.
struct Curl {
  void* library = ::dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
  bool whole = library != nullptr;
  decltype(&curl_global_init) global_init = symbol<decltype(global_init)>("curl_global_init");
  decltype(&curl_easy_init) init = symbol<decltype(init)>("curl_easy_init");
  decltype(&curl_easy_setopt) set = symbol<decltype(set)>("curl_easy_setopt");
  decltype(&curl_easy_perform) perform = symbol<decltype(perform)>("curl_easy_perform");
  decltype(&curl_easy_getinfo) info = symbol<decltype(info)>("curl_easy_getinfo");
  decltype(&curl_easy_cleanup) cleanup = symbol<decltype(cleanup)>("curl_easy_cleanup");
  decltype(&curl_easy_strerror) error = symbol<decltype(error)>("curl_easy_strerror");

  static const Curl& get() {
    static const Curl curl;
    return curl;
  }

 private:
  Curl() {
    if (whole) global_init(CURL_GLOBAL_DEFAULT);
  }
  template <class Function>
  Function symbol(const char* name) {
    void* found = library == nullptr ? nullptr : ::dlsym(library, name);
    whole = whole && found != nullptr;
    return reinterpret_cast<Function>(found);
  }
};

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
struct CloseCurl {
  void operator()(CURL* handle) const { Curl::get().cleanup(handle); }
};

}  // namespace

Fetched fetch(const std::string& url, const std::string& path, double seconds_max,
              const std::atomic<bool>& cancelled) {
  Fetched fetched;
  const Curl& lib = Curl::get();
  if (!lib.whole) {
    fetched.problem = "libcurl.so.4 can't be loaded; on Debian: apt-get install libcurl4";
    return fetched;
  }
  const std::unique_ptr<CURL, CloseCurl> handle(lib.init());
  std::unique_ptr<std::FILE, CloseFile> file(std::fopen(path.c_str(), "wbe"));
  if (handle == nullptr || file == nullptr) {
    fetched.problem = file == nullptr ? "its file can't be written" : "libcurl can't be used";
    return fetched;
  }
  Sink sink{file.get()};
  char error[CURL_ERROR_SIZE] = "";
  CURL* curl = handle.get();
  lib.set(curl, CURLOPT_URL, url.c_str());
  lib.set(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  lib.set(curl, CURLOPT_NOPROXY, "localhost,127.0.0.1,::1");
  lib.set(curl, CURLOPT_NOSIGNAL, 1L);
  lib.set(curl, CURLOPT_FAILONERROR, 1L);
  lib.set(curl, CURLOPT_CONNECTTIMEOUT, kConnectSeconds);
  lib.set(curl, CURLOPT_TIMEOUT_MS, static_cast<long>(seconds_max * 1000));
  lib.set(curl, CURLOPT_ERRORBUFFER, error);
  lib.set(curl, CURLOPT_WRITEFUNCTION, write);
  lib.set(curl, CURLOPT_WRITEDATA, &sink);
  lib.set(curl, CURLOPT_NOPROGRESS, 0L);
  lib.set(curl, CURLOPT_XFERINFOFUNCTION, stop);
  lib.set(curl, CURLOPT_XFERINFODATA, const_cast<std::atomic<bool>*>(&cancelled));
  const CURLcode code = lib.perform(curl);
  lib.info(curl, CURLINFO_RESPONSE_CODE, &fetched.status);
  fetched.ok = code == CURLE_OK;
  fetched.bytes = sink.bytes;
  if (!fetched.ok) {
    if (cancelled) {
      fetched.problem = "was cut off: the recording ended";
    } else if (sink.full) {
      fetched.problem = "the disk is full, or it is larger than any profile is";
    } else if (fetched.status >= 400) {
      fetched.problem = "the program answered " + std::to_string(fetched.status) + " to " + url;
    } else {
      fetched.problem = error[0] != '\0' ? error : lib.error(code);
    }
  }
  file.reset();
  if (fetched.bytes == 0) ::unlink(path.c_str());
  return fetched;
}

}  // namespace ullage::launch
