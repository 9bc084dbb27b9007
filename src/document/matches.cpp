// SPDX-License-Identifier: Apache-2.0
#include "document/matches.h"

#include <bitset>
#include <charconv>
#include <optional>
#include <vector>

namespace ullage::document {
namespace {

// Brackets within each other.
constexpr unsigned kGroupDepthMax = 64;
// The most that {n,m} may ask for.
constexpr unsigned kRepeatMax = 1000;

using Set = std::bitset<256>;

// One state; where it goes on is relative to itself, so that states can be copied.
struct State {
  enum class Kind : std::uint8_t { kSet, kSplit, kJump, kBegin, kEnd, kFound };
  Kind kind;
  int one = 1, other = 1;
  std::size_t set = 0;
};

class Compiler {
 public:
  explicit Compiler(std::string_view pattern) : rest_(pattern) {}

  // Nothing: it is no pattern, or too large a one.
  bool run() {
    if (rest_.size() > kPatternBytesMax) return false;
    if (rest_.starts_with("(?i)")) {
      rest_.remove_prefix(4);
      any_case_ = true;
    }
    if (!alternatives(0) || !rest_.empty()) return false;
    add(State::Kind::kFound);
    return states.size() <= kStatesMax;
  }

  std::vector<State> states;
  std::vector<Set> sets;

 private:
  bool next_is(char c) const { return !rest_.empty() && rest_.front() == c; }
  bool take(char c) {
    if (!next_is(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  void add(State::Kind kind, int one = 1, int other = 1) {
    states.push_back({kind, one, other, 0});
  }
  void insert_split(std::size_t at, int other) {
    states.insert(states.begin() + static_cast<std::ptrdiff_t>(at),
                  State{State::Kind::kSplit, 1, other, 0});
  }
  int size_since(std::size_t begin) const { return static_cast<int>(states.size() - begin); }

  bool alternatives(unsigned depth) {
    const std::size_t begin = states.size();
    if (!sequence(depth)) return false;
    while (take('|')) {
      insert_split(begin, size_since(begin) + 2);
      const std::size_t jump = states.size();
      add(State::Kind::kJump);
      if (!sequence(depth)) return false;
      states[jump].one = size_since(jump);
      if (states.size() > kStatesMax) return false;
    }
    return true;
  }

  bool sequence(unsigned depth) {
    while (!rest_.empty() && !next_is('|') && !next_is(')')) {
      const std::size_t begin = states.size();
      if (!atom(depth) || !repetition(begin) || states.size() > kStatesMax) return false;
    }
    return true;
  }

  bool atom(unsigned depth) {
    const char c = rest_.front();
    rest_.remove_prefix(1);
    switch (c) {
      case '(':
        if (depth + 1 == kGroupDepthMax) return false;
        if (rest_.starts_with("?:")) rest_.remove_prefix(2);
        return alternatives(depth + 1) && take(')');
      case '[':
        return bracket();
      case '^':
        return add(State::Kind::kBegin), true;
      case '$':
        return add(State::Kind::kEnd), true;
      case '.':
        return add_set(~Set().set('\n')), true;
      case '\\': {
        const auto set = escape();
        if (set) add_set(*set);
        return set.has_value();
      }
      case '*':
      case '+':
      case '?':
      case '{':
        return false;
      default:
        return add_set(Set().set(static_cast<unsigned char>(c))), true;
    }
  }

  // Behind a backslash: a class, or the character itself.
  std::optional<Set> escape() {
    if (rest_.empty()) return std::nullopt;
    const char c = rest_.front();
    rest_.remove_prefix(1);
    Set set;
    const auto range = [&set](unsigned from, unsigned to) {
      for (unsigned i = from; i <= to; ++i) set.set(i);
    };
    switch (c) {
      case 'w':
      case 'W':
        range('a', 'z'), range('A', 'Z'), set.set('_');
        [[fallthrough]];
      case 'd':
      case 'D':
        range('0', '9');
        break;
      case 's':
      case 'S':
        for (const char space : {' ', '\t', '\n', '\r', '\f', '\v'}) {
          set.set(static_cast<unsigned char>(space));
        }
        break;
      case 'n':
        return set.set('\n');
      case 't':
        return set.set('\t');
      case 'r':
        return set.set('\r');
      default:
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')) {
          return std::nullopt;  // \b, \1 and the like: not known here
        }
        return set.set(static_cast<unsigned char>(c));
    }
    return c == 'W' || c == 'D' || c == 'S' ? ~set : set;
  }

  bool bracket() {
    const bool inverted = take('^');
    Set set;
    bool first = true;
    while (!rest_.empty() && (first || !next_is(']'))) {
      first = false;
      auto from = static_cast<unsigned char>(rest_.front());
      rest_.remove_prefix(1);
      if (from == '\\') {
        const auto escaped = escape();
        if (!escaped) return false;
        set |= *escaped;
        continue;
      }
      auto to = from;
      if (rest_.size() > 1 && next_is('-') && rest_[1] != ']') {
        to = static_cast<unsigned char>(rest_[1]);
        rest_.remove_prefix(2);
        if (to < from || to == '\\') return false;
      }
      for (unsigned c = from; c <= to; ++c) set.set(c);
    }
    if (!take(']')) return false;
    add_set(set, inverted);
    return true;
  }

  void add_set(Set set, bool inverted = false) {
    if (any_case_) {
      for (unsigned c = 'a'; c <= 'z'; ++c) {
        const bool either = set[c] || set[c - 32];
        set[c] = set[c - 32] = either;
      }
    }
    states.push_back({State::Kind::kSet, 1, 1, sets.size()});
    sets.push_back(inverted ? ~set : set);
  }

  bool repetition(std::size_t begin) {
    for (;;) {
      const int size = size_since(begin);
      if (take('*')) {
        insert_split(begin, size + 2);
        add(State::Kind::kJump, -(size + 1));
      } else if (take('+')) {
        add(State::Kind::kSplit, -size, 1);
      } else if (take('?')) {
        insert_split(begin, size + 1);
      } else if (next_is('{')) {
        if (!counted(begin)) return false;
      } else {
        return true;
      }
      (void)take('?');  // the shortest: the same, when the question is whether
      if (states.size() > kStatesMax) return false;
    }
  }

  bool count(unsigned& value) {
    const auto [last, problem] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
    if (problem != std::errc{} || value > kRepeatMax) return false;
    rest_.remove_prefix(static_cast<std::size_t>(last - rest_.data()));
    return true;
  }

  // {n}, {n,}, {n,m}
  bool counted(std::size_t begin) {
    rest_.remove_prefix(1);
    unsigned least = 0, most = 0;
    if (!count(least)) return false;
    bool unbounded = false;
    if (take(',')) {
      unbounded = next_is('}');
      if (!unbounded && (!count(most) || most < least)) return false;
    } else {
      most = least;
    }
    if (!take('}')) return false;
    const std::vector<State> one(states.begin() + static_cast<std::ptrdiff_t>(begin), states.end());
    const std::size_t copies = (unbounded ? least + 1 : most) + 1;
    if (one.size() * copies + states.size() > kStatesMax) return false;
    states.resize(begin);
    const auto copy = [&] { states.insert(states.end(), one.begin(), one.end()); };
    const int size = static_cast<int>(one.size());
    for (unsigned i = 0; i < least; ++i) copy();
    if (unbounded) {
      add(State::Kind::kSplit, 1, size + 2);
      copy();
      add(State::Kind::kJump, -(size + 1));
      return true;
    }
    for (unsigned i = least; i < most; ++i) {
      add(State::Kind::kSplit, 1, size + 1);
      copy();
    }
    return true;
  }

  std::string_view rest_;
  bool any_case_ = false;
};

// The states that the expression can be in, all at once.
class Machine {
 public:
  Machine(const Compiler& program, std::string_view text, std::uint64_t& work)
      : program_(program), text_(text), work_(work), seen_(program.states.size()) {}

  Match run() {
    std::vector<std::size_t> now, next;
    for (std::size_t at = 0;; ++at) {
      ++turn_;
      std::swap(now, next);
      next.clear();
      // `now` holds where the last byte led; from there, and from the beginning, without a byte.
      std::vector<std::size_t> reached;
      for (const std::size_t state : now) enter(state, at, reached);
      enter(0, at, reached);
      if (found_) return Match::kFound;
      if (at == text_.size()) return Match::kNothing;
      if (work_ < reached.size() + 1) return work_ = 0, Match::kExhausted;
      work_ -= reached.size() + 1;
      for (const std::size_t state : reached) {
        const State& s = program_.states[state];
        if (program_.sets[s.set][static_cast<unsigned char>(text_[at])]) next.push_back(state + 1);
      }
    }
  }

 private:
  void enter(std::size_t first, std::size_t at, std::vector<std::size_t>& reached) {
    stack_.assign(1, first);
    while (!stack_.empty()) {
      const std::size_t state = stack_.back();
      stack_.pop_back();
      if (seen_[state] == turn_) continue;
      seen_[state] = turn_;
      const State& s = program_.states[state];
      const auto to = [state](int by) {
        return static_cast<std::size_t>(static_cast<std::ptrdiff_t>(state) + by);
      };
      switch (s.kind) {
        case State::Kind::kSet:
          reached.push_back(state);
          break;
        case State::Kind::kSplit:
          stack_.push_back(to(s.other));
          [[fallthrough]];
        case State::Kind::kJump:
          stack_.push_back(to(s.one));
          break;
        case State::Kind::kBegin:
          if (at == 0) stack_.push_back(state + 1);
          break;
        case State::Kind::kEnd:
          if (at == text_.size()) stack_.push_back(state + 1);
          break;
        case State::Kind::kFound:
          found_ = true;
          break;
      }
    }
  }

  const Compiler& program_;
  std::string_view text_;
  std::uint64_t& work_;
  std::vector<std::size_t> seen_, stack_;
  std::size_t turn_ = 0;
  bool found_ = false;
};

}  // namespace

Match search(std::string_view pattern, std::string_view text, std::uint64_t& work) {
  Compiler program(pattern);
  if (work < pattern.size()) return work = 0, Match::kExhausted;
  work -= pattern.size();
  if (!program.run()) return Match::kNothing;
  return Machine(program, text, work).run();
}

}  // namespace ullage::document
