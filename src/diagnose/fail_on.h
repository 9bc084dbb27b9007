// SPDX-License-Identifier: Apache-2.0
#pragma once

// FailOn: the gate of a build. `--fail-on` takes conditions joined by commas; any one that holds
// fails.
//
//   any                     any finding that is not a note
//   note|warning|error      a finding at least that severe
//   repeated-growth         a finding of that detector (any name of the registry)
//   stall>5ms               a finding whose single longest stall is longer
//   stall-total>50ms        ... whose stalls together are longer
//   copied>10MB             ... that copied more          (also >=; kB MB GB, KiB MiB GiB)
//   wasted>1GiB             ... that wastes more
//   growths>1000            ... that grew more often
//                           A limit can be judged only where the input measures it (unmeasured()).
//   violation               a finding of contract-violation (needs a contract)
//   new                     a finding that the baseline does not have; in a diff, a new place
//   worse                   diff only: a place that became worse
//
// In a diff every condition looks only at places that are new or worse: the limits at what the
// later run costs there, a severity or a detector at nothing more than that.

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "diagnose/diff.h"
#include "diagnose/finding.h"

namespace ullage::diagnose {

// Fingerprints known before.
using Baseline = std::set<std::string>;

// From a report of ours: findings JSON, SARIF, or a diff. Unknown fields are skipped.
Result<Baseline> parse_baseline(std::string_view report);

class FailOn {
 public:
  // Every error names the part that was not understood and what would be.
  static Result<FailOn> parse(std::string_view expression);
  // All of several: what each --fail-on said.
  static Result<FailOn> parse(const std::vector<std::string>& expressions);

  bool needs_baseline() const;  // `new` was asked for
  bool needs_contract() const;  // `violation` was asked for, under either name

  // A limit was asked for that nothing in this input measures: a heap profile knows no stalls, a
  // trace counts no growths. Says which, what would measure it, and which limits can be judged.
  // Empty = all of them can. Recordings measure everything.
  std::string unmeasured(const evidence::Evidence& evidence) const;

  // The sentences saying which conditions held; empty = passed. `baseline` may be null unless
  // needs_baseline().
  std::vector<std::string> failures(const std::vector<Finding>& findings,
                                    const Baseline* baseline) const;
  std::vector<std::string> failures(const Difference& difference) const;

 private:
  enum class Kind {
    kAny,
    kSeverity,
    kDetector,
    kStallMax,
    kStallTotal,
    kCopied,
    kWasted,
    kGrowths,
    kNew,
    kWorse
  };
  struct Condition {
    Kind kind = Kind::kAny;
    std::string text;  // as written
    Severity severity = Severity::kNote;
    std::string detector;
    std::uint64_t limit = 0;  // fails above it
    bool or_equal = false;
  };
  // What a limit looks at, in a finding or in a place of a diff.
  struct Measured {
    std::uint64_t stall_ns_max, stall_ns, copied_bytes, wasted_bytes, growths;
  };
  static Result<Condition> parse_condition(std::string_view part);
  // The value that is over the limit, as a sentence's end; empty = within.
  static std::string exceeded(const Condition& condition, const Measured& measured);
  std::vector<Condition> conditions_;
};

}  // namespace ullage::diagnose
