// SPDX-License-Identifier: Apache-2.0
#pragma once

// What several detectors ask about a growth site, answered once: may it be blamed, what is it
// called, how large should it have been, and how do we know.

#include <cstdint>
#include <string>
#include <vector>

#include "diagnose/finding.h"
#include "evidence/evidence.h"

namespace ullage::diagnose {

// Growth with enough proof to stand in a finding: a strong verdict, or a mixed one in a function
// known to grow containers. Replaced buffers and weak pairs never.
bool may_stand(const evidence::GrowthSite& site);
// Growths that copied: those in place, or by moving pages, cost next to nothing and are not blamed.
std::uint64_t copying_links(const evidence::GrowthSite& site);
// Enough of them, copying enough, to be worth a finding about repetition.
bool worth_telling(const evidence::GrowthSite& site, const DetectorOptions& options);
// Grows by the same step again and again (every growth copies everything, n steps copy n^2 / 2),
// and doubling would have copied less than half as much.
bool grows_by_steps(const evidence::GrowthSite& site);
// What its containers would have copied, had they doubled from their first size to their last.
std::uint64_t copied_bytes_by_doubling(const evidence::GrowthSite& site);
// Most of its containers were given a size, and outgrew it exactly once.
bool mostly_presized(const evidence::GrowthSite& site);
// ... and missed-capacity says so: enough was copied, and the first block was a reserve.
bool missed_its_size(const evidence::GrowthSite& site);
// What grows is a std::deque's index: pointers to nodes, while the elements stay where they are.
bool grows_index_only(const evidence::GrowthSite& site);
// Written in C++, as far as names tell; C has no reserve to call.
bool is_cpp(const evidence::GrowthSite& site);
// Written in Rust, as far as names tell.
bool is_rust(const evidence::GrowthSite& site);
// What grows in small steps instead: "std::deque" for a sequence, shards for a table. Rust's
// VecDeque is one block that is copied whole, so there it is a Vec of blocks.
std::string chunked_instead(const evidence::GrowthSite& site);
// Share of the painted capacity that was never written; 0 when it was not recorded.
double slack_share(const evidence::GrowthSite& site);
// Time callers stood still, as far as growing can have caused it (evidence::copying_ns_max, growth
// by growth): on a busy machine a thread loses the processor while it copies, and that is not the
// container's doing. An incremental rehash spreads its copying over many calls, so the time between
// its first and last step is none.
std::uint64_t stall_ns_total(const evidence::GrowthSite& site);
std::uint64_t stall_ns_max(const evidence::GrowthSite& site);

// "std::vector<Order>", or what kind of thing it is.
std::string subject(const evidence::GrowthSite& site);
// 0..1 from the verdict.
double confidence(const evidence::GrowthSite& site);

// Sizes of a container in its own unit: elements where their size is known, else bytes.
struct Unit {
  bool elements = false;
  double bytes_each = 1;  // of a block, per element (control bytes, load factor included)
  const char* noun = "element";
  bool guessed = false;                           // element size inferred from the sizes seen
  std::uint64_t of(std::uint64_t bytes) const;    // how many fit into such a block
  std::string text(std::uint64_t bytes) const;    // "8 192 elements" or "30.6 MB"
  std::string count(std::uint64_t number) const;  // the same for a number of units
};
Unit unit_of(const evidence::GrowthSite& site);

// The whole part, kept within what a count can hold.
std::uint64_t whole(double number);
// A long name without its template arguments: "std::vector<...>::_M_realloc_insert<...>".
std::string brief(const std::string& name, std::size_t columns_max = 60);
// At least n, with few digits: 8'400'000 rather than 8'360'000. Adds at most 5 %.
std::uint64_t round_up(std::uint64_t n);

// The size to give it at birth, and how to say so.
struct Advice {
  std::uint64_t number = 0;  // the N of reserve(N), in `unit`
  Unit unit;
  std::string call;   // "orders.reserve(8'400'000)"
  std::string basis;  // "largest 7 600 000 elements + 10 %"
};
// For a block of `bytes`; `headroom` is added where the growth law left none.
Advice advise_size(const evidence::GrowthSite& site, std::uint64_t bytes, double headroom,
                   const std::string& what);
// Headroom that advice adds when the recorded size was exact; a block grown geometrically already
// holds up to as much again as was asked for, and gets none.
inline constexpr double kHeadroom = 0.10;
bool grows_geometrically(const evidence::GrowthSite& site);

// Sentences that several detectors share.
// What the copying cost, and what was left out of it.
std::string what_it_cost(const evidence::GrowthSite& site);
std::string how_we_know(const evidence::GrowthSite& site);
std::string saves(const evidence::GrowthSite& site);
std::string when_and_how_far(const evidence::GrowthSite& site);

// What the containers of a site told of themselves.
std::string container_sentence(const evidence::ContainerSite& site);

// A finding about a growth site, with place, cost, confidence and the index filled in.
Finding growth_finding(const evidence::Evidence& evidence, std::size_t index);

}  // namespace ullage::diagnose
