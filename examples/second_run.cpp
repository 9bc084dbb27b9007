// SPDX-License-Identifier: Apache-2.0
//
// second_run: a program whose containers grow once. Its first run grows, and remembers what sizes
// its containers reached; the next one begins with them.
//
//   $ ULLAGE_PROFILE=app.sizes second_run
//   orders       growths 30, moved 4095 elements, began with room for 0
//   ...
//   $ ULLAGE_PROFILE=app.sizes second_run
//   orders       growths 1, moved 0 elements, began with room for 200000 (app.sizes: 1 run, p95)
//
// The same from a recording, without a first run of its own:
//
//   ullage record -o day.ulg -- second_run
//   ullage diagnose day.ulg --experience=app.sizes
#include <ullage/hash_map.h>
#include <ullage/vector.h>

#include <cstdint>
#include <cstdio>

namespace {

struct Order {
  std::uint64_t id = 0, customer = 0, quantity = 0, price_cents = 0;
};

// A site is a place in the program whose containers belong together. Named, so that its experience
// outlives edits of the source.
inline ullage::growth_site g_orders{"orders"}, g_by_id{"orders.by_id"}, g_batches{"batches"};

void take_orders(std::uint64_t count) {
  ullage::vector<Order> orders{g_orders};
  ullage::hash_map<std::uint64_t, std::uint64_t> by_id{g_by_id};
  for (std::uint64_t i = 0; i < count; ++i) {
    orders.push_back({i * 7919, i % 1000, 1 + i % 5, 100 * i});
    by_id[i * 7919] = i;
  }
}

// Many small ones of different sizes: the 95th percentile is what they begin with.
void send_batches(std::uint64_t count) {
  for (std::uint64_t i = 0; i < count; ++i) {
    ullage::vector<std::uint64_t, ullage::doubling> batch{g_batches};
    for (std::uint64_t k = 0; k < 50 + i % 50; ++k) batch.push_back(k);
  }
}

void tell(const ullage::growth_site& site) {
  std::printf("%-12s growths %llu, moved %llu elements, began with room for %llu", site.name(),
              static_cast<unsigned long long>(site.growths()),
              static_cast<unsigned long long>(site.moved()),
              static_cast<unsigned long long>(site.expected()));
  if (const ullage::size_origin* origin = site.provenance()) {
    std::printf(" (%s: %llu run%s, p%.0f)", origin->file,
                static_cast<unsigned long long>(origin->runs), origin->runs == 1 ? "" : "s",
                100 * origin->quantile);
  }
  std::printf("\n");
}

}  // namespace

int main() {
  take_orders(200'000);
  send_batches(1000);
  for (const ullage::growth_site* site : {&g_orders, &g_by_id, &g_batches}) tell(*site);
}
