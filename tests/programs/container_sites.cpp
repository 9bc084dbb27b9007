// SPDX-License-Identifier: Apache-2.0
//
// Containers that speak the library's vocabulary, each the smallest stand-in of its kind:
//
//   orders.by_id   an array that doubles through the allocator; five of them, 100 000 elements each
//   sessions       a table that grows by segments of an arena, which no allocator sees
//   cache          an array with a byte budget, which says no
//   threads        arrays that four threads grow at once
//   at_exit        a global one, that ends after main
//
// Prints "SITE growths N moved M denied D expected E runs R" per site.
#include <ullage/budget.h>
#include <ullage/growth.h>

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <new>
#include <thread>
#include <vector>

namespace ullage {

template <class T>
class vector {
 public:
  explicit vector(ullage::growth_site& site) : site_(site) {
    if (const std::uint64_t n = site.expected()) grow(n, ullage::growth_cause::construct);
  }
  ~vector() {
    site_.remember(size_);
    ullage::adjust_growth(&site_, -static_cast<std::int64_t>(capacity_ * sizeof(T)));
    ::operator delete(data_);
  }
  vector(const vector&) = delete;
  vector& operator=(const vector&) = delete;

  void push_back(const T& value) {
    if (size_ == capacity_) grow(capacity_ == 0 ? 8 : 2 * capacity_, ullage::growth_cause::append);
    data_[size_++] = value;
  }

 private:
  __attribute__((noinline)) void grow(std::uint64_t next, ullage::growth_cause cause) {
    using ullage::growth_kind;
    const std::uint64_t start = ullage::growth_start_ns(&site_);
    ullage::growth_event event;
    event.kind = capacity_ == 0 ? growth_kind::first : growth_kind::moved;
    event.cause = cause;
    event.type = "vector";
    event.container = this;
    event.bytes_before = capacity_ * sizeof(T);
    event.capacity_before = capacity_;
    event.elements = size_;
    event.element_bytes = sizeof(T);
    ullage::growth_request request;
    request.bytes_now = event.bytes_before;
    request.bytes_wanted = next * sizeof(T);
    if (ullage::ask_growth(&site_, request) == ullage::growth_answer::deny) {
      event.kind = growth_kind::denied;
      ullage::report_growth(&site_, event, start);
      throw ullage::growth_denied();
    }
    T* fresh = static_cast<T*>(::operator new(next * sizeof(T)));
    if (size_ != 0) std::memcpy(fresh, data_, size_ * sizeof(T));
    ::operator delete(data_);
    data_ = fresh;
    capacity_ = next;
    event.moved = size_;
    event.bytes_after = next * sizeof(T);
    event.capacity_after = next;
    ullage::report_growth(&site_, event, start);
  }

  ullage::growth_site& site_;
  T* data_ = nullptr;
  std::uint64_t size_ = 0, capacity_ = 0;
};

class hash_map {
 public:
  explicit hash_map(ullage::growth_site& site) : site_(site) {}
  ~hash_map() { site_.remember(elements_); }
  hash_map(const hash_map&) = delete;
  hash_map& operator=(const hash_map&) = delete;

  __attribute__((noinline)) void split() {
    const std::uint64_t start = ullage::growth_start_ns(&site_);
    ullage::growth_event event;
    event.kind = elements_ == 0 ? ullage::growth_kind::first : ullage::growth_kind::split;
    event.type = "hash_map";
    event.container = this;
    event.element_bytes = 16;
    event.bytes_before = elements_ * 16;
    event.moved = elements_ == 0 ? 0 : 500;
    elements_ += 1000;
    event.bytes_after = elements_ * 16;
    event.capacity_after = event.elements = elements_;
    ullage::report_growth(&site_, event, start);
  }

 private:
  ullage::growth_site& site_;
  std::uint64_t elements_ = 0;
};

}  // namespace ullage

namespace {

struct Order {
  std::uint64_t words[4];
};

ullage::growth_site g_orders{"orders.by_id"}, g_sessions{"sessions"}, g_cache{"cache"};
ullage::growth_site g_threads{"threads"}, g_at_exit{"at_exit"};
ullage::byte_budget g_cache_memory{40'000};
ullage::vector<int> g_global{g_at_exit};

__attribute__((noinline)) void load_orders() {
  ullage::vector<Order> orders{g_orders};
  for (std::uint64_t i = 1; i <= 100'000; ++i) orders.push_back({{i, i + 1, i + 2, i + 3}});
}

__attribute__((noinline)) void open_sessions() {
  ullage::hash_map sessions{g_sessions};
  for (int i = 0; i < 400; ++i) sessions.split();
}

__attribute__((noinline)) void fill_cache() {
  g_cache.limit(&g_cache_memory);
  ullage::vector<int> cache{g_cache};
  try {
    for (int i = 0; i < 100'000; ++i) cache.push_back(i);
  } catch (const ullage::growth_denied&) {
  }
}

void fill_in_threads() {
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([] {
      ullage::vector<Order> mine{g_threads};
      for (std::uint64_t i = 1; i <= 20'000; ++i) mine.push_back({{i, i + 1, i + 2, i + 3}});
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace

int main() {
  for (int i = 0; i < 5; ++i) load_orders();
  open_sessions();
  fill_cache();
  fill_in_threads();
  for (int i = 0; i < 1000; ++i) g_global.push_back(i);
  for (const ullage::growth_site* site :
       {&g_orders, &g_sessions, &g_cache, &g_threads, &g_at_exit}) {
    const ullage::size_origin* origin = site->provenance();
    std::printf("%s growths %llu moved %llu denied %llu expected %llu runs %llu\n", site->name(),
                static_cast<unsigned long long>(site->growths()),
                static_cast<unsigned long long>(site->moved()),
                static_cast<unsigned long long>(site->denials()),
                static_cast<unsigned long long>(site->expected()),
                static_cast<unsigned long long>(origin == nullptr ? 0 : origin->runs));
  }
}
