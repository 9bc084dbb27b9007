// SPDX-License-Identifier: Apache-2.0
//
// Who may run, and who waits for which key.
#include "server/router.h"

#include <algorithm>
#include <cassert>

#include "server/context.h"
#include "server/numbers.h"
#include "server/server.h"
#include "server/standstill.h"
#include "server/worker.h"
#include "wire/request_parser.h"

namespace ullage::server {
namespace {

bool is_exec(const Command& command) {
  static const Command* const kExec = find_internal("exec");
  return &command == kExec;
}

unsigned parse_db(std::string_view word, unsigned otherwise) {
  std::int64_t db = 0;
  const bool good = wire::parse_integer(word, db) && db >= 0 && db < tier::kDatabases;
  return good ? static_cast<unsigned>(db) : otherwise;
}

// Of each thread, for what is known to be absent: together at most 2 % of the hot tier.
std::size_t negative_bytes(const Config& config) {
  constexpr std::size_t kUnbounded = 1 << 20, kMost = 4 << 20;
  if (config.hot_bytes == 0) return kUnbounded;
  return std::min<std::size_t>(config.hot_bytes / 50 / config.threads, kMost);
}

// Commands without keys that change all of them.
bool changes_all(const Command& command) {
  for (const char* name : {"flushall", "flushdb", "swapdb"}) {
    if (std::string_view(command.name) == name) return true;
  }
  return false;
}

bool writes(const Context& c) {
  return (c.command->flags & kWrite) != 0 ||
         (is_exec(*c.command) && c.session != nullptr && c.session->multi_writes);
}

constexpr std::string_view kTooMuchToWrite =
    "TRYAGAIN the cold tier has more to write than it may hold; try again later";
const std::string kCantBeWritten =
    "MISCONF the cold tier can't be written, and this key is to be kept: ";

}  // namespace

Router::Router(Worker& worker, ColdTier& cold)
    : worker_(worker),
      cold_(cold),
      absent_(negative_bytes(worker.server().config())),
      room_(
          worker.server().budget(), static_cast<int>(worker.index()),
          ReadRoom::window(worker.server().config().hot_bytes, worker.server().config().threads)) {
  // A share of memory like any other; without it there is still one line of it.
  if (!worker.server().budget().take(tier::Component::kTable, absent_.bytes(),
                                     static_cast<int>(worker.index()))) {
    absent_ = Negative(0);
  }
}
Router::~Router() = default;

tier::Shard& Router::shard() { return worker_.shard(); }

Router& Router::owner_of(std::uint64_t hash) {
  const auto& workers = worker_.server().workers();
  const tier::Key key(0, {}, hash);
  return *workers[key.shard(static_cast<unsigned>(workers.size()))]->router();
}

bool Router::known_absent(const tier::Key& key) const {
  return absent_.contains(key, worker_.now_ms());
}

// What is in memory only goes on.
bool Router::congested(Context& c) {
  if (!writes(c)) return false;
  if (!cold_.store().congested() || !cold_.writes_ok()) return false;
  if (changes_all(*c.command)) return cold_.some_on();
  gather(c);
  return !needs_.empty();
}

// --- What a command must know.

void Router::gather_exec(Session& session) {
  if (session.known_extras() == nullptr) return;
  SessionExtras& extras = session.extras();
  std::vector<unsigned> dbs{session.db};
  std::vector<std::string_view> words;
  for (const auto& queued : extras.queued) {
    words.assign(queued.begin(), queued.end());
    const Command* command = find_command(words[0]);
    if ((command->flags & kContainer) && words.size() > 1) {
      command = find_subcommand(*command, words[1]);
    }
    const std::string_view name = command->name;
    // What follows may be about another database; after SWAPDB, about any of them.
    if (name == "select" && words.size() == 2) dbs.push_back(parse_db(words[1], dbs.back()));
    if (name == "swapdb" && words.size() == 3) {
      dbs.push_back(parse_db(words[1], dbs.back()));
      dbs.push_back(parse_db(words[2], dbs.back()));
    }
    for (const unsigned db : dbs) needs_of(*command, words, db, false, 0, needs_);
  }
  for (const Watched& watched : extras.watched) {
    needs_.push_back({watched.db, watched.key, tier::hash_text(watched.key), Need::kValue});
  }
}

void Router::gather(Context& c) {
  needs_.clear();
  if (is_exec(*c.command)) {
    if (c.session != nullptr && c.session->multi && !c.session->multi_failed) {
      gather_exec(*c.session);
    }
  } else {
    needs_of(*c.command, c.words, c.caller.db, c.hashed, c.first_hash, needs_);
  }
  std::erase_if(needs_, [this](const KeyNeed& need) { return !cold_.persisted(need.text); });
}

bool Router::elsewhere(Context& c) {
  gather(c);
  return std::any_of(needs_.begin(), needs_.end(),
                     [this](const KeyNeed& need) { return &owner_of(need.hash) != this; });
}

// While the cold tier can't be written, what it should keep is not changed in memory either.
bool Router::refuses(Context& c) {
  if (cold_.writes_ok() || !writes(c)) return false;
  if (needs_.empty() && !(changes_all(*c.command) && cold_.some_on())) return false;
  figures_.refused_writes.add();
  c.error(kCantBeWritten + cold_.trouble());
  return true;
}

void Router::refuse(Context& c, const Parked& parked) {
  if (parked.press == Parked::Press::kShed) {
    c.error(kTooMuchToWrite);
  } else if (parked.press == Parked::Press::kRefused) {
    c.error(kCantBeWritten + c.server.cold()->trouble());
  } else if (parked.late) {
    c.error("TRYAGAIN the cold tier does not answer; try again later");
  } else if (parked.shed) {
    c.error("TRYAGAIN the cold tier has more reads waiting than it may have; try again later");
  } else {
    c.error("TRYAGAIN the cold tier can't be read, and this key is not in memory: " +
            c.server.cold()->trouble());
  }
}

Router::Way Router::way(Context& c, Session* session) {
  next_parked_ = nullptr;  // of a command that was not parked after all
  // Most commands: one key that is in memory, and nobody waits for any.
  if (session == nullptr && waits_.empty() && reads_one_key(*c.command) &&
      shard().contains(c.key(1))) {
    return Way::kRun;
  }
  if (session != nullptr && session->parked != nullptr) {
    Parked& parked = *session->parked;
    if (!parked.ready) return Way::kWait;
    if (parked.failed || (parked.survey != nullptr && parked.survey->failed)) {
      refuse(c, parked);
      return Way::kRefused;
    }
    if (parked.ahead == 0) {
      if (!lend(parked)) return Way::kWait;
      c.surveyed = parked.survey.get();
      return Way::kRun;
    }
  }
  if (session != nullptr && is_exec(*c.command) && session->multi && !session->multi_failed) {
    auto parked = std::make_shared<Parked>();
    parked->home = this;
    if (session->parked != nullptr) parked->ahead = session->parked->ahead;
    session->parked = nullptr;  // it has no keys
    if (survey_ahead(c, *parked)) {
      parked->blocked = 1;
      parked->session = session->id;
      session->parked = parked;
      start_survey(parked);
      return Way::kWait;
    }
  }
  if (survey_of(*c.command) != Survey::kNone) {
    auto parked = std::make_shared<Parked>();
    parked->home = this;
    if (!begin_survey(c, *parked)) return Way::kRun;
    parked->blocked = 1;
    needs_.clear();
    if (session == nullptr) {
      next_parked_ = std::move(parked);
      return Way::kPark;
    }
    parked->session = session->id;
    session->parked = parked;
    start_survey(parked);
    return Way::kWait;
  }
  gather(c);
  if (refuses(c)) return Way::kRefused;
  // Clients of this thread were asked before: see Worker::dispatch.
  if (session == nullptr && writes(c) && !needs_.empty() && cold_.store().congested()) {
    if (pressed_.size() >= kPressedMax || pressed_bytes_ >= kPressedBytesMax) {
      figures_.shed_writes.add();
      c.error(kTooMuchToWrite);
      return Way::kRefused;
    }
    next_parked_ = std::make_shared<Parked>();
    next_parked_->press = Parked::Press::kWaits;
    return Way::kPark;
  }
  const bool waits = std::any_of(needs_.begin(), needs_.end(), [this](const KeyNeed& need) {
    return owner_of(need.hash).holds_up(need);
  });
  if (!waits) return Way::kRun;
  if (session == nullptr) return Way::kPark;
  auto parked = std::make_shared<Parked>();
  parked->home = this;
  parked->session = session->id;
  session->parked = parked;
  enqueue(parked);
  return Way::kWait;
}

void Router::park(PostPtr post) {
  std::shared_ptr<Parked> parked = std::move(next_parked_);
  if (parked == nullptr) parked = std::make_shared<Parked>();
  parked->home = this;
  parked->post = std::move(post);
  if (parked->survey != nullptr) {
    start_survey(parked);
  } else {
    enqueue(parked);
    if (parked->press != Parked::Press::kNo) press(parked);
  }
}

// --- Queues.

bool Router::holds_up(const KeyNeed& need) {
  const tier::Key key(need.db, need.text, need.hash);
  if (!waits_.empty() && find(key) != nullptr) return true;
  if (need.need == Need::kTurn || shard().contains(key)) return false;
  if (!known_absent(key)) return true;
  figures_.negative_hits.add();
  return false;
}

KeyWait* Router::find(const tier::Key& key) {
  const auto [begin, end] = waits_.equal_range(key.hash);
  for (auto at = begin; at != end; ++at) {
    if (at->second->db == key.db && at->second->text == key.text) return at->second.get();
  }
  return nullptr;
}

KeyWait& Router::wait_for(const KeyNeed& need) {
  if (KeyWait* known = find({need.db, need.text, need.hash})) return *known;
  auto wait = std::make_unique<KeyWait>();
  wait->db = need.db;
  wait->text = need.text;
  wait->hash = need.hash;
  return *waits_.emplace(need.hash, std::move(wait))->second;
}

void Router::erase(KeyWait& wait) {
  if (wait.read != 0) reads_.erase(wait.read);
  drop_value(wait);
  const auto [begin, end] = waits_.equal_range(wait.hash);
  for (auto at = begin; at != end; ++at) {
    if (at->second.get() != &wait) continue;
    waits_.erase(at);
    return;
  }
}

// Keeps (1): it is behind all who came before, at each of its keys, before anybody else comes.
void Router::enqueue(const std::shared_ptr<Parked>& parked) {
  figures_.parked.add();
  for (const KeyNeed& need : needs_) {
    Router& owner = owner_of(need.hash);
    KeyWait& wait = owner.wait_for(need);
    if (!wait.queue.empty() && wait.queue.back().first == parked) {  // a key that is there twice
      Need& known = parked->items[wait.queue.back().second].need;
      if (need.need == Need::kValue) known = Need::kValue;
      continue;
    }
    wait.queue.emplace_back(parked, parked->items.size());
    parked->items.push_back({&owner, &wait, need.need, false});
  }
  parked->blocked = parked->items.size() + (parked->press == Parked::Press::kNo ? 0 : 1);
  for (std::size_t i = 0; i < parked->items.size(); ++i) {
    const Parked::Item& item = parked->items[i];
    item.owner->settle(*item.wait);
  }
}

bool Router::known(KeyWait& wait) {
  return wait.state == KeyWait::State::kKnown || shard().contains(wait.key()) ||
         known_absent(wait.key());
}

// Lets the first in a key's queue go on if it can, or has the key read for it.
void Router::settle(KeyWait& wait) {
  if (wait.queue.empty()) return;
  const auto& [first, index] = wait.queue.front();
  Parked::Item& item = first->items[index];
  if (item.ready) return;
  if (item.need == Need::kTurn || first->failed || known(wait)) {
    item.ready = true;
    unblock(first);
  } else if (wait.state == KeyWait::State::kUnknown) {
    start_read(wait);
  }
}

void Router::unblock(const std::shared_ptr<Parked>& parked) {
  if (parked->blocked.fetch_sub(1) != 1) return;
  parked->ready = true;
  Router& home = *parked->home;
  {
    const std::lock_guard lock(home.box_mutex_);
    home.ready_box_.push_back(parked);
  }
  home.tell();
}

// It has run, or never will: the next in its queues are the first.
void Router::leave(const std::shared_ptr<Parked>& parked) {
  for (const Parked::Item& item : parked->items) {
    KeyWait& wait = *item.wait;
    std::erase_if(wait.queue, [&](const auto& entry) { return entry.first == parked; });
    if (wait.queue.empty()) {
      item.owner->erase(wait);
    } else {
      item.owner->settle(wait);
    }
  }
  parked->items.clear();
}

void Router::finished(Session& session) {
  const std::shared_ptr<Parked> parked = std::move(session.parked);
  session.parked = nullptr;
  leave(parked);
}

void Router::abandon(Session& session) {
  const std::shared_ptr<Parked> parked = std::move(session.parked);
  session.parked = nullptr;
  const bool elsewhere = std::any_of(parked->items.begin(), parked->items.end(),
                                     [this](const auto& item) { return item.owner != this; });
  std::optional<Standstill> still;
  if (elsewhere) still.emplace(worker_.server(), &worker_);
  leave(parked);
}

}  // namespace ullage::server
