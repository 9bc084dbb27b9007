// SPDX-License-Identifier: Apache-2.0
//
// Commands about the whole keyspace (SCAN, KEYS, RANDOMKEY, DBSIZE): the cold tier has all names of
// what is persisted, in the order of their hashes; memory has the rest.
#include <condition_variable>
#include <random>

#include "server/commands/scan_words.h"
#include "server/context.h"
#include "server/glob.h"
#include "server/kinds.h"
#include "server/numbers.h"
#include "server/router.h"
#include "server/server.h"
#include "server/standstill.h"
#include "server/worker.h"

namespace ullage::server {
namespace {

// Names asked for at once by what goes through all of them: some 100 KiB.
constexpr std::size_t kNamesPerScan = 2000;
constexpr std::size_t kGuardedCount = 64;
// Up to so many entries DBSIZE counts them; beyond it says what the store estimates.
constexpr std::uint64_t kCountedMax = 20'000;
// What a transaction waits for all of a survey, while its thread stands.
constexpr std::chrono::milliseconds kSurveyWaitMax{1000};

}  // namespace

bool Router::begin_survey(Context& c, Parked& parked) {
  auto survey = std::make_unique<Surveyed>();
  survey->what = survey_of(*c.command);
  survey->db = c.caller.db;
  survey->count = kNamesPerScan;
  if (!cold_.some_on() || !arity_fits(*c.command, c.words.size())) return false;
  const auto shards = c.server.workers().size();
  switch (survey->what) {
    case Survey::kNone:
      return false;
    case Survey::kScan: {
      ScanWords words;
      if (scan_words(c.words, words) != nullptr) return false;
      const ScanPlace place = scan_place(words.cursor, shards, cold_.some_off());
      if (place.shard < shards) return false;  // memory's turn
      survey->place = place.place;
      survey->count = words.count;
      survey->pattern = words.pattern;
      survey->type = words.type;
      break;
    }
    case Survey::kKeys:
      survey->pattern = c.word(1);
      break;
    case Survey::kRandom: {
      if (cold_.all_hot) return false;
      static thread_local std::mt19937_64 random{std::random_device{}()};
      survey->place = random() >> 16;
      // A client with rights to some keys only may not see the first of them.
      survey->count = c.caller.guarded ? kGuardedCount : 1;
      break;
    }
    case Survey::kSize:
      if (cold_.all_hot || cold_.store().figures().entries > kCountedMax) return false;
      break;
  }
  parked.survey = std::move(survey);
  return true;
}

// Keeps (3): what was changed before the command came is seen, whichever thread changed it. The
// others hand over at the end of their turns; only who has not yet is waited for, and nobody
// stands.
void Router::start_survey(const std::shared_ptr<Parked>& parked) {
  hand_over();
  std::vector<Router*> others;
  for (const auto& worker : worker_.server().workers()) {
    Router& other = *worker->router();
    if (&other != this && other.unhanded_since_ns() != 0) others.push_back(&other);
  }
  if (others.empty()) return scan_more(parked);
  parked->survey->since_ms = 0;
  surveys_.push_back(parked);
  parked->unhanded = others.size();
  for (Router* other : others) other->put_awaiting(parked);
}

// From the thread of a survey.
void Router::put_awaiting(std::shared_ptr<Parked> parked) {
  {
    const std::lock_guard lock(box_mutex_);
    awaiting_box_.push_back(std::move(parked));
  }
  tell();
}

// What they wait for has been handed over.
void Router::let_begin() {
  for (const std::shared_ptr<Parked>& parked : awaiting_) {
    if (parked->unhanded.fetch_sub(1) != 1) continue;
    Answer answer;
    answer.survey = parked;
    answer.begins = true;
    parked->home->put(std::move(answer));
  }
  awaiting_.clear();
}

bool Router::survey_ahead(Context& c, Parked& parked) {
  if (c.session->known_extras() == nullptr) return false;
  const auto& queued = c.session->extras().queued;
  std::vector<std::string_view> words;
  while (parked.ahead < queued.size()) {
    const auto& next = queued[parked.ahead++];
    words.assign(next.begin(), next.end());
    const Command* command = find_command(words[0]);
    if (survey_of(*command) == Survey::kNone) continue;
    Context each{c.server, c.worker, c.caller, c.session, words, command, c.out, 0, false};
    if (!begin_survey(each, parked)) continue;
    // Its names are not needed, and may be many.
    if (parked.survey->what == Survey::kKeys) parked.survey->what = Survey::kSize;
    return true;
  }
  return false;
}

void Router::scan_more(const std::shared_ptr<Parked>& parked) {
  Surveyed& survey = *parked->survey;
  survey.since_ms = worker_.steady_ms_;
  surveys_.push_back(parked);
  cold_.store().scan(cold_.place(survey.db), survey.place, survey.count, false,
                     [this, parked](tier::ColdStatus status, std::uint64_t next,
                                    std::vector<tier::ColdStore::ScannedEntry> entries) {
                       Answer answer;
                       answer.survey = parked;
                       answer.status = status;
                       answer.next = next;
                       answer.scanned = std::move(entries);
                       put(std::move(answer));
                     });
}

// True: it has all it wants.
bool Router::add_to_survey(Surveyed& survey, tier::ColdStatus status, std::uint64_t next,
                           std::vector<tier::ColdStore::ScannedEntry>& entries) {
  if (status != tier::ColdStatus::kOk && status != tier::ColdStatus::kMissing) {
    survey.failed = true;
    return true;
  }
  const std::uint64_t now = shard().now();
  for (auto& [key, entry] : entries) {
    if (entry.expires_ms != 0 && entry.expires_ms <= now) continue;
    // A prefix that is not persisted any more: what is on the disk is not looked at.
    if (!cold_.persisted(key)) continue;
    ++survey.seen;
    if (survey.what == Survey::kSize) continue;
    if (survey.type && !equals_ignoring_case(*survey.type, type_name(entry.kind))) continue;
    if (survey.pattern.empty() || glob_match(survey.pattern, key)) {
      survey.names.push_back(std::move(key));
    }
  }
  survey.place = survey.next = next;
  switch (survey.what) {
    case Survey::kNone:
    case Survey::kScan:
      return true;
    case Survey::kKeys:
    case Survey::kSize:
      return next == 0;
    case Survey::kRandom:
      if (!survey.names.empty()) return true;
      if (next == 0 && std::exchange(survey.wrapped, true)) return true;
      return false;
  }
  return true;
}

void Router::answer_survey(Answer& answer) {
  const std::shared_ptr<Parked> parked = std::move(answer.survey);
  if (std::erase(surveys_, parked) == 0) return;  // it was too late
  if (answer.begins) return scan_more(parked);
  if (add_to_survey(*parked->survey, answer.status, answer.next, answer.scanned)) {
    unblock(parked);
  } else {
    scan_more(parked);
  }
}

std::unique_ptr<Surveyed> Router::survey_now(Context& c) {
  Parked parked;
  if (survey_of(*c.command) == Survey::kNone || !begin_survey(c, parked)) return nullptr;
  {
    const Standstill still(c.server, &c.worker);
    for (const auto& worker : c.server.workers()) worker->router()->hand_over();
  }
  struct Wait {
    std::mutex mutex;
    std::condition_variable told;
    bool done = false;
    tier::ColdStatus status = tier::ColdStatus::kFailed;
    std::uint64_t next = 0;
    std::vector<tier::ColdStore::ScannedEntry> entries;
  };
  Surveyed& survey = *parked.survey;
  const auto until = std::chrono::steady_clock::now() + patience(kSurveyWaitMax);
  for (;;) {
    const auto wait = std::make_shared<Wait>();
    cold_.store().scan(cold_.place(survey.db), survey.place, survey.count, false,
                       [wait](tier::ColdStatus status, std::uint64_t next,
                              std::vector<tier::ColdStore::ScannedEntry> entries) {
                         const std::lock_guard lock(wait->mutex);
                         wait->status = status;
                         wait->next = next;
                         wait->entries = std::move(entries);
                         wait->done = true;
                         wait->told.notify_all();
                       });
    std::unique_lock lock(wait->mutex);
    const bool enough = wait->told.wait_until(lock, until, [&] { return wait->done; });
    if (!enough) {
      waited(false);
      survey.failed = true;
      break;
    }
    if (add_to_survey(survey, wait->status, wait->next, wait->entries)) break;
  }
  if (!survey.failed) waited(true);
  return std::move(parked.survey);
}

}  // namespace ullage::server
