// SPDX-License-Identifier: Apache-2.0
#pragma once

// Path: which values of a document are meant, compiled once per command.
//
//   Result<Path> path = Path::compile("$.store.book[?(@.price < 10)].title");
//   path->legacy();      // the older syntax: ".a.b", "a.b", ".": one reply instead of an array
//   select(*path, root)  // select.h
//
//   $            the root                  .name  ['name']      a member
//   .*  [*]      all members or elements   ['a','b']  [0,2]     several
//   [0] [-1]     an element, from the end  [1:3] [:2] [::2]     a range of elements
//   ..name ..*   at any depth              [?(@.x == 1 && ($.y || @.z))]   those of which it is
//   true
//
// In filters: @ is the value asked about, $ the root; < <= > >= == != =~ compare with a number, a
// text in '' or "", true, false, null or another path; && binds more than ||; a path alone asks
// whether it leads anywhere. A comparison with a path that leads to several values is true if it is
// true of one of them.
//
// Limits    kPathBytesMax of text, kStepsMax steps and terms in all, kFilterDepthMax brackets
//           within each other.
// Stability Holds its text: independent of what it was compiled from.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace ullage::document {

inline constexpr std::size_t kPathBytesMax = 16 * 1024;
inline constexpr std::size_t kStepsMax = 512;
inline constexpr unsigned kFilterDepthMax = 32;

// One step from values to values.
struct Step {
  enum class Kind : std::uint8_t { kNames, kIndexes, kRange, kAll, kDescend, kFilter };
  Kind kind = Kind::kAll;
  std::vector<std::string> names;     // kNames
  std::vector<std::int64_t> indexes;  // kIndexes
  // kRange: [from:to:by], as given; a missing end is the array's.
  std::int64_t from = 0, to = 0, by = 1;
  bool has_from = false, has_to = false;
  std::size_t filter = 0;  // kFilter: in Path::filters()
};

// What stands on one side of a comparison.
struct Term {
  enum class Kind : std::uint8_t { kCurrent, kRoot, kLiteral };
  Kind kind = Kind::kLiteral;
  std::vector<Step> steps;  // kCurrent, kRoot
  std::string literal;      // kLiteral: a value, encoded
};

// A condition: a tree in a vector, its root last.
struct Condition {
  enum class Kind : std::uint8_t { kExists, kCompare, kAnd, kOr };
  enum class Op : std::uint8_t {
    kLess,
    kLessEqual,
    kGreater,
    kGreaterEqual,
    kEqual,
    kNotEqual,
    kMatches
  };
  Kind kind = Kind::kExists;
  Op op = Op::kEqual;
  Term left, right;                   // kExists: left
  std::size_t first = 0, second = 0;  // kAnd, kOr
};

class Path {
 public:
  // The message says at which byte what was expected.
  static Result<Path> compile(std::string_view text);

  bool legacy() const { return legacy_; }
  // Leads to one value at most: names and single indexes only.
  bool definite() const;
  bool root() const { return steps_.empty(); }
  // As it was given.
  const std::string& text() const { return text_; }
  const std::vector<Step>& steps() const { return steps_; }
  const std::vector<Condition>& conditions() const { return conditions_; }

  // Without its last step.
  Path parent() const;

 private:
  friend class PathParser;
  std::string text_;
  bool legacy_ = false;
  std::vector<Step> steps_;
  std::vector<Condition> conditions_;
};

}  // namespace ullage::document
