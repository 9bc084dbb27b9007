// SPDX-License-Identifier: Apache-2.0
#include "server/needs.h"

#include "server/keys_of.h"
#include "server/numbers.h"
#include "wire/request_parser.h"

namespace ullage::server {
namespace {

// How a command uses its keys. Most must know them all; being wrong the other way loses a value.
enum class Shape : std::uint8_t {
  kPlain,
  kBlind,   // writes all of them unseen
  kSet,     // unseen, unless an option looks
  kRename,  // the second unseen
  kTarget,  // MOVE, COPY: the second may lie in another database
  kLook,
  kDebug,
};

struct Known {
  Shape shape = Shape::kPlain;
  Survey survey = Survey::kNone;
  bool reads_one = false;
};

Known known_of(std::string_view name) {
  for (const char* blind : {"setex", "psetex", "mset"}) {
    if (name == blind) return {Shape::kBlind};
  }
  if (name == "set") return {Shape::kSet};
  if (name == "rename") return {Shape::kRename};
  if (name == "move" || name == "copy") return {Shape::kTarget};
  if (name == "ullage.tier" || name == "ullage.explain") return {Shape::kLook};
  if (name == "debug") return {Shape::kDebug};
  if (name == "scan") return {Shape::kPlain, Survey::kScan};
  if (name == "keys") return {Shape::kPlain, Survey::kKeys};
  if (name == "randomkey") return {Shape::kPlain, Survey::kRandom};
  if (name == "dbsize") return {Shape::kPlain, Survey::kSize};
  return {};
}

const Known& known(const Command& command) {
  static const std::vector<Known> all = [] {
    std::vector<Known> made;
    for (const Command& each : commands()) {
      Known& now = made.emplace_back(known_of(each.name));
      now.reads_one = now.shape == Shape::kPlain && now.survey == Survey::kNone &&
                      (each.flags & kReadonly) != 0 && each.route == Route::kKey &&
                      each.first_key == 1 && each.last_key == 1;
    }
    return made;
  }();
  return all[command_index(&command)];
}

bool set_looks(std::span<const std::string_view> words) {
  for (std::size_t i = 3; i < words.size(); ++i) {
    for (const char* option : {"nx", "xx", "get", "keepttl"}) {
      if (equals_ignoring_case(words[i], option)) return true;
    }
  }
  return false;
}

// The database of MOVE's and COPY's target; the command itself replies what is wrong with it.
unsigned target_db(const Command& command, std::span<const std::string_view> words, unsigned db) {
  std::int64_t number = db;
  if (std::string_view(command.name) == "move") {
    if (words.size() > 2) (void)wire::parse_integer(words[2], number);
  } else {
    for (std::size_t i = 3; i + 1 < words.size(); ++i) {
      if (equals_ignoring_case(words[i], "db")) (void)wire::parse_integer(words[i + 1], number);
    }
  }
  return number < 0 || number >= tier::kDatabases ? db : static_cast<unsigned>(number);
}

}  // namespace

Survey survey_of(const Command& command) { return known(command).survey; }

bool reads_one_key(const Command& command) { return known(command).reads_one; }

void needs_of(const Command& command, std::span<const std::string_view> words, unsigned db,
              bool hashed, std::uint64_t hash, std::vector<KeyNeed>& into) {
  const Shape shape = known(command).shape;
  if (shape == Shape::kDebug) {
    if (words.size() > 2 && equals_ignoring_case(words[1], "object")) {
      into.push_back({db, words[2], tier::hash_text(words[2]), Need::kValue});
    }
    return;
  }
  const auto first = static_cast<std::size_t>(command.first_key);
  for_each_key(command, words, [&](std::size_t i) {
    Need need = Need::kValue;
    if (shape == Shape::kBlind || (shape == Shape::kSet && !set_looks(words)) ||
        (shape == Shape::kRename && i == first + 1)) {
      need = Need::kTurn;
    } else if (shape == Shape::kLook) {
      need = Need::kLook;
    }
    const unsigned in =
        shape == Shape::kTarget && i == first + 1 ? target_db(command, words, db) : db;
    into.push_back({in, words[i], hashed && i == first ? hash : tier::hash_text(words[i]), need});
  });
  // MOVE has one key, in two databases.
  if (shape == Shape::kTarget && std::string_view(command.name) == "move" && !into.empty()) {
    KeyNeed there = into.back();
    there.db = target_db(command, words, db);
    into.push_back(there);
  }
}

}  // namespace ullage::server
