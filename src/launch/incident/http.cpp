// SPDX-License-Identifier: Apache-2.0
#include "launch/incident/http.h"

#include <curl/curl.h>
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <mutex>

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

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
struct CloseCurl {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};

}  // namespace

Fetched fetch(const std::string& url, const std::string& path, double seconds_max,
              const std::atomic<bool>& cancelled) {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
  Fetched fetched;
  const std::unique_ptr<CURL, CloseCurl> handle(curl_easy_init());
  std::unique_ptr<std::FILE, CloseFile> file(std::fopen(path.c_str(), "wbe"));
  if (handle == nullptr || file == nullptr) {
    fetched.problem = file == nullptr ? "its file can't be written" : "libcurl can't be used";
    return fetched;
  }
  Sink sink{file.get()};
  char error[CURL_ERROR_SIZE] = "";
  CURL* curl = handle.get();
  curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_NOPROXY, "localhost,127.0.0.1,::1");
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, kConnectSeconds);
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, static_cast<long>(seconds_max * 1000));
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, write);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &sink);
  curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, stop);
  curl_easy_setopt(curl, CURLOPT_XFERINFODATA, const_cast<std::atomic<bool>*>(&cancelled));
  const CURLcode code = curl_easy_perform(curl);
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &fetched.status);
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
      fetched.problem = error[0] != '\0' ? error : curl_easy_strerror(code);
    }
  }
  file.reset();
  if (fetched.bytes == 0) ::unlink(path.c_str());
  return fetched;
}

}  // namespace ullage::launch
