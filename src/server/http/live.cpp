// SPDX-License-Identifier: Apache-2.0
#include "server/http/live.h"

#include <algorithm>
#include <iterator>

#include "base/json.h"
#include "server/clock.h"
#include "server/server.h"
#include "server/worker.h"

namespace ullage::server {

Live::Live(Server& server, Errands& errands)
    : server_(server), errands_(errands), curves_(server.workers().size()) {
  last_ = totals();
}

Live::Totals Live::totals() const {
  Totals all;
  for (const auto& worker : server_.workers()) {
    const tier::Counters& tier = worker->shard().counters();
    all.commands += worker->stats().processed.value();
    all.errors += worker->stats().errors.value();
    all.hits += tier.hits.value();
    all.misses += tier.misses.value();
    all.evicted += tier.evicted.value();
    all.expired += tier.expired.value();
    all.moved += tier.moved.value();
    all.growths += tier.splits.value() + tier.stretches.value() + tier.merges.value();
  }
  return all;
}

bool Live::tick(std::uint64_t now_ms, bool watched) {
  if (watched && now_ms - curve_ms_ >= kCurveMs) {
    curve_ms_ = now_ms;
    std::vector<Ask> asks = curve_asks();
    for (std::size_t i = 0; i < asks.size(); ++i) {
      (void)errands_.send(std::move(asks[i]), 0, [this, i](std::optional<ErrandReply> told) {
        wire::Reply reply;
        if (told && wire::parse_reply(told->view(), {}, reply).status == wire::Parsed::kCommand) {
          take_curve(i, reply);
        }
      });
    }
  }
  if (now_ms - sampled_ms_ < kSampleMs) return false;
  sampled_ms_ = now_ms;
  const Totals now = totals();
  // CONFIG RESETSTAT sets counters back.
  const auto more = [](std::uint64_t one, std::uint64_t before) {
    return one < before ? one : one - before;
  };
  Sample sample;
  sample.unix_ms = now_ms;
  sample.in_it = {.commands = more(now.commands, last_.commands),
                  .hits = more(now.hits, last_.hits),
                  .misses = more(now.misses, last_.misses),
                  .evicted = more(now.evicted, last_.evicted),
                  .expired = more(now.expired, last_.expired),
                  .moved = more(now.moved, last_.moved),
                  .growths = more(now.growths, last_.growths),
                  .errors = more(now.errors, last_.errors)};
  last_ = now;
  sample.clients = server_.client_count();
  sample.resident_bytes = server_.budget().readings().process_resident_bytes;
  sample.granted_bytes = server_.budget().granted_bytes();
  sample.allowed_bytes = server_.budget().allowed_bytes();
  for (const auto& worker : server_.workers()) {
    sample.entries += worker->shard().memory().entries.value();
  }
  samples_.push_back(std::make_shared<const Sample>(sample));
  if (samples_.size() > kSamplesMax) samples_.pop_front();
  return true;
}

Parts Live::history() const {
  struct Column {
    const char* name;
    std::uint64_t (*of)(const Sample&);
  };
  static constexpr Column kColumns[] = {
      {"unix_ms", [](const Sample& s) { return s.unix_ms; }},
      {"commands", [](const Sample& s) { return s.in_it.commands; }},
      {"hits", [](const Sample& s) { return s.in_it.hits; }},
      {"misses", [](const Sample& s) { return s.in_it.misses; }},
      {"evicted", [](const Sample& s) { return s.in_it.evicted; }},
      {"expired", [](const Sample& s) { return s.in_it.expired; }},
      {"moved", [](const Sample& s) { return s.in_it.moved; }},
      {"growths", [](const Sample& s) { return s.in_it.growths; }},
      {"errors", [](const Sample& s) { return s.in_it.errors; }},
      {"clients", [](const Sample& s) { return s.clients; }},
      {"entries", [](const Sample& s) { return s.entries; }},
      {"resident_bytes", [](const Sample& s) { return s.resident_bytes; }},
      {"granted_bytes", [](const Sample& s) { return s.granted_bytes; }},
      {"allowed_bytes", [](const Sample& s) { return s.allowed_bytes; }},
  };
  return [samples = std::vector<SamplePtr>(samples_.begin(), samples_.end()),
          column = std::size_t{0}](std::string& out) mutable {
    const Column& now = kColumns[column];
    out += (column == 0 ? "{\"" : ",\"") + std::string(now.name) + "\":[";
    for (std::size_t i = 0; i < samples.size(); ++i) {
      out += (i == 0 ? "" : ",") + std::to_string(now.of(*samples[i]));
    }
    out += ++column == std::size(kColumns) ? "]}" : "]";
    return column < std::size(kColumns);
  };
}

std::string Live::status_event(const Caller& caller) const {
  return "event: status\ndata: " + status_json(caller) + "\n\n";
}

std::uint64_t Live::newest_event() const { return server_.growth_feed().newest(); }

std::string Live::events_text(std::uint64_t& cursor) const {
  std::vector<GrowthFeed::Event> events;
  const std::uint64_t missed = server_.growth_feed().since(cursor, kEventsMax, events);
  if (events.empty()) return "";
  cursor = events.back().id;
  JsonWriter json(JsonWriter::Style::kCompact);
  json.begin_object();
  json.field("missed", missed);
  json.begin_array("events");
  for (const GrowthFeed::Event& event : events) {
    json.begin_object();
    json.field("id", event.id);
    json.field("unix_ms", event.unix_ms);
    json.field("kind", to_string(event.kind));
    json.field("cause", to_string(event.cause));
    json.field("thread", event.thread);
    json.field("bytes_before", event.bytes_before);
    json.field("bytes_after", event.bytes_after);
    json.field("moved", event.moved);
    json.field("elements", event.elements);
    json.field("duration_us", static_cast<double>(event.duration_ns) / 1000);
    json.end_object();
  }
  json.end_array();
  json.end_object();
  return "event: growth\nid: " + std::to_string(cursor) + "\ndata: " + json.text() + "\n\n";
}

std::vector<Ask> Live::curve_asks() const {
  std::vector<Ask> asks(server_.workers().size());
  for (std::size_t i = 0; i < asks.size(); ++i) {
    asks[i].owner = static_cast<unsigned>(i);
    asks[i].caller.guarded = false;  // who may see it was asked before
    asks[i].command = find_internal("http.ullage.mrc");
    asks[i].words = {"http.ullage.mrc"};
  }
  return asks;
}

void Live::take_curve(std::size_t worker, const wire::Reply& reply) {
  tier::HitCurve& curve = curves_[worker];
  if (reply.elements.size() != 1 + 2 * curve.points.size()) return;
  curve.sampled = static_cast<std::uint64_t>(reply.elements[0].integer);
  for (std::size_t i = 0; i < curve.points.size(); ++i) {
    curve.points[i].size_percent = static_cast<unsigned>(reply.elements[1 + 2 * i].integer);
    curve.points[i].hit_ratio = static_cast<double>(reply.elements[2 + 2 * i].integer) / 1e6;
  }
}

}  // namespace ullage::server
