// SPDX-License-Identifier: Apache-2.0
//
// LCS: the longest common subsequence of two values, by the table of lengths.
#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "server/commands/handlers.h"
#include "server/context.h"
#include "server/server.h"
#include "server/worker.h"
#include "tier/budget.h"

namespace ullage::server {
namespace {

struct Range {
  std::size_t start, end;
};
struct Match {
  Range one, other;
  std::size_t length() const { return one.end - one.start + 1; }
};

// The table takes 4 B per pair of characters: granted by the budget, given back at the end.
class Table {
 public:
  Table(Context& c, std::size_t rows, std::size_t columns)
      : budget_(c.server.budget()),
        shard_(static_cast<int>(c.worker.index())),
        columns_(columns),
        bytes_(rows * columns * sizeof(std::uint32_t)),
        granted_(budget_.take(tier::Component::kClients, bytes_, shard_)) {
    if (granted_) cells_.resize(rows * columns);
  }
  ~Table() {
    cells_ = {};
    if (granted_) budget_.give_back(tier::Component::kClients, bytes_, shard_);
  }
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;
  bool granted() const { return granted_; }
  std::uint32_t& at(std::size_t row, std::size_t column) { return cells_[row * columns_ + column]; }

 private:
  tier::Budget& budget_;
  int shard_;
  std::size_t columns_, bytes_;
  bool granted_;
  std::vector<std::uint32_t> cells_;
};

void fill(Table& table, const std::string& a, const std::string& b) {
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      table.at(i, j) = a[i - 1] == b[j - 1] ? table.at(i - 1, j - 1) + 1
                                            : std::max(table.at(i - 1, j), table.at(i, j - 1));
    }
  }
}

// Back from the end: the text, and the ranges it is made of, last first.
std::string walk(Table& table, const std::string& a, const std::string& b,
                 std::vector<Match>& matches) {
  std::string text;
  std::size_t i = a.size(), j = b.size();
  bool open = false;
  Match match{};
  while (i > 0 && j > 0) {
    if (a[i - 1] == b[j - 1]) {
      text += a[i - 1];
      if (!open) {
        match = {{i - 1, i - 1}, {j - 1, j - 1}};
        open = true;
      } else if (match.one.start == i && match.other.start == j) {
        --match.one.start;
        --match.other.start;
      } else {
        matches.push_back(match);
        match = {{i - 1, i - 1}, {j - 1, j - 1}};
      }
      --i, --j;
    } else {
      if (table.at(i - 1, j) > table.at(i, j - 1)) {
        --i;
      } else {
        --j;
      }
      if (open) matches.push_back(match);
      open = false;
    }
  }
  if (open) matches.push_back(match);
  std::reverse(text.begin(), text.end());
  return text;
}

struct Options {
  bool length = false, indexes = false, with_length = false;
  std::int64_t least = 0;
};

bool parse(Context& c, Options& options) {
  for (std::size_t i = 3; i < c.words.size(); ++i) {
    if (c.is(i, "IDX")) {
      options.indexes = true;
    } else if (c.is(i, "LEN")) {
      options.length = true;
    } else if (c.is(i, "WITHMATCHLEN")) {
      options.with_length = true;
    } else if (c.is(i, "MINMATCHLEN") && i + 1 < c.words.size()) {
      if (!c.integer(++i, options.least)) return false;
      options.least = std::max<std::int64_t>(options.least, 0);
    } else {
      c.syntax_error();
      return false;
    }
  }
  if (options.length && options.indexes) {
    c.error("ERR If you want both the length and indexes, please just use IDX.");
    return false;
  }
  return true;
}

void reply_matches(Context& c, const Options& options, const std::vector<Match>& matches,
                   std::size_t length) {
  const auto wanted = [&](const Match& m) {
    return options.least == 0 || m.length() >= static_cast<std::size_t>(options.least);
  };
  c.out.map(2);
  c.out.bulk("matches");
  c.out.array(static_cast<std::size_t>(std::count_if(matches.begin(), matches.end(), wanted)));
  for (const Match& match : matches) {
    if (!wanted(match)) continue;
    c.out.array(options.with_length ? 3 : 2);
    for (const Range& range : {match.one, match.other}) {
      c.out.array(2);
      c.out.integer(static_cast<std::int64_t>(range.start));
      c.out.integer(static_cast<std::int64_t>(range.end));
    }
    if (options.with_length) c.out.integer(static_cast<std::int64_t>(match.length()));
  }
  c.out.bulk("len");
  c.out.integer(static_cast<std::int64_t>(length));
}

}  // namespace

void lcs_command(Context& c) {
  Options options;
  if (!parse(c, options)) return;
  std::string values[2];
  for (std::size_t i = 0; i < 2; ++i) {
    const tier::Key key = c.key(i + 1);
    const auto found = c.shard(key).get(key);
    if (!found) continue;
    if (found->kind != tier::kText) {
      return c.error("ERR The specified keys must contain string values");
    }
    values[i] = found->value;
  }
  constexpr std::size_t kLongest = std::numeric_limits<std::uint32_t>::max() - 1;
  if (values[0].size() >= kLongest || values[1].size() >= kLongest) {
    return c.error("ERR String too long for LCS");
  }
  const std::uint64_t cells = (std::uint64_t{values[0].size()} + 1) * (values[1].size() + 1);
  const bool fits = cells <= c.config().max_value_bytes / sizeof(std::uint32_t);
  if (!fits) {
    return c.error("ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len");
  }
  Table table(c, values[0].size() + 1, values[1].size() + 1);
  if (!table.granted()) {
    return c.error("ERR Insufficient memory, failed allocating transient memory for LCS");
  }
  fill(table, values[0], values[1]);
  const std::size_t length = table.at(values[0].size(), values[1].size());
  if (options.length) return c.out.integer(static_cast<std::int64_t>(length));
  std::vector<Match> matches;
  const std::string text = walk(table, values[0], values[1], matches);
  if (!options.indexes) return c.out.bulk(text);
  reply_matches(c, options, matches, length);
}

}  // namespace ullage::server
