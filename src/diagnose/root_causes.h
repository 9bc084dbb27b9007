// SPDX-License-Identifier: Apache-2.0
#pragma once

// Why it happened: a table of symptoms and causes that people can read and add to.
//
//   [appending while others are stopped]
//   when:  go-append-without-capacity + go-growth-delays-stop
//   where: orders/                     a finding whose file or function contains this
//   says:  read mem stats              ... and whose title or evidence contains that
//   not:   go-cpu-starvation
//   cause: Every append that outgrows the slice copies all of it, and nobody can interrupt a copy.
//   do:    Page the orders team.
//   next:  ullage explain go-append-without-capacity
//
// A row fits a finding when all detectors after `when` speak in it (itself, or folded into it),
// none after `not` does, and `where` and `says` are found. Of several rows the one with the most
// conditions wins, then the first. Rows of a file of the user come before the built-in ones,
// whatever these ask for. `when: any` fits every finding. docs/root-causes.md has all of it.
//
// Limits: 1 MiB, 1000 rows, 4000 characters for a value. Immutable once read.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "diagnose/finding.h"

namespace ullage::diagnose {

struct RootCause {
  std::string title;
  std::vector<std::string> when, without;
  std::string where, says;
  std::string cause, advice, next;
  std::size_t line = 0;  // of its title in the file
};

class RootCauses {
 public:
  static constexpr std::size_t kBytesMax = 1 << 20;
  static constexpr std::size_t kRowsMax = 1000;
  static constexpr std::size_t kValueMax = 4000;

  // The table that the program carries.
  static const RootCauses& built_in();
  // `name` stands in error messages: "team.table:12: ...". Its rows go before the built-in ones.
  static Result<RootCauses> parse(std::string_view text, const std::string& name);

  // The row that fits best; null when none does.
  const RootCause* row_for(const Finding& finding) const;
  const std::vector<RootCause>& rows() const { return rows_; }

 private:
  std::vector<RootCause> rows_;
};

// Gives each finding the cause, advice and next command of the row that fits.
void name_causes(const RootCauses& table, std::vector<Finding>& findings);

}  // namespace ullage::diagnose
