// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <cstdio>
#include <iostream>
#include <map>
#include <optional>
#include <set>

#include "base/format.h"
#include "base/terminal.h"
#include "cli/experience.h"
#include "cli/load.h"
#include "cli/output.h"
#include "cli/verb.h"
#include "diagnose/fail_on.h"
#include "diagnose/finding.h"
#include "diagnose/reports/reports.h"
#include "diagnose/root_causes.h"

namespace ullage::cli {

namespace {

using diagnose::Baseline;
using diagnose::FailOn;
using diagnose::Findings;
using diagnose::ReportOptions;
using ReportFunction = std::string (*)(const evidence::Evidence&, const Findings&,
                                       const ReportOptions&);

// A report other than the text: asked for by --name[=PATH].
struct Form {
  const char* option;
  const char* help;
  ReportFunction make;
  bool joins;  // several recordings go into one file; else one file each
  bool binary;
  std::optional<std::string> path;
};

class Diagnose : public Verb {
 public:
  void describe(Command& command) override;
  int run() override;

 private:
  Result<void> check();
  Result<void> read_baseline();
  Result<void> read_root_causes();
  Result<void> report(const std::string& file, std::size_t index);
  Result<void> write_form(Form& form, const std::string& file, const evidence::Evidence& evidence,
                          const Findings& findings);
  void print_text(const evidence::Evidence& evidence, const Findings& findings, std::size_t index);
  void judge(const std::string& file, const Findings& findings);
  Result<void> write_joined();
  bool text_to_stdout() const;

  std::vector<std::string> files_;
  std::vector<Form> forms_ = {
      {"--json",
       "Findings as JSON (docs/formats/findings-json.md). Several recordings make one array.",
       diagnose::json_report,
       true,
       false,
       {}},
      {"--sarif",
       "SARIF 2.1.0, for code hosts and editors.",
       diagnose::sarif_report,
       false,
       false,
       {}},
      {"--html",
       "One page that works offline: findings, flame graphs, growth over time.",
       diagnose::html_report,
       false,
       false,
       {}},
      {"--pprof",
       "A profile for `go tool pprof`, speedscope, Pyroscope.",
       diagnose::pprof_report,
       false,
       true,
       {}},
      {"--perfetto",
       "A trace for ui.perfetto.dev: a slice for each of the 512 longest growths.",
       diagnose::perfetto_report,
       false,
       false,
       {}},
      {"--folded",
       "Folded stacks of copied bytes, for flamegraph.pl.",
       diagnose::folded_report,
       true,
       false,
       {}},
  };
  std::map<std::string, std::string> joined_;  // option -> text so far
  std::set<std::string> written_;
  ReportOptions options_;
  diagnose::DetectorOptions detector_options_;
  std::uint64_t top_ = 10;
  std::string fail_on_text_, baseline_path_, experience_path_, root_causes_path_;
  std::optional<FailOn> fail_on_;
  std::optional<Baseline> baseline_;
  std::optional<diagnose::RootCauses> root_causes_;
  std::vector<std::string> failures_;
  bool colour_ = false, no_colour_ = false;
  Loader loader_;
};

void Diagnose::describe(Command& command) {
  command.summary = "print what grew, what it cost, and what to write instead";
  command.description =
      "Reads recordings made by `ullage record` and prints findings, the costliest first: where, "
      "what it cost, how we know, and the remedy. A recording of a killed program, or one cut "
      "short, is "
      "read as far as it goes, and the report says how far that was.\n\n"
      "Text goes to standard output unless another form was sent there. Give several recordings to "
      "see each in its own section; forms that hold one recording each are then written to one "
      "file "
      "per recording, named after it.";
  command.positional = {.name = "FILE",
                        .help = "A recording: NAME.ulg. Several may be given.",
                        .count_min = 1,
                        .count_max = 1024,
                        .choices = {},
                        .completes = Completes::kFiles,
                        .words = &files_};
  command.example("ullage diagnose server.ulg", "What to change, on one screen.");
  command.example("ullage diagnose server.ulg --html=server.html",
                  "The same as a page with flame graphs.");
  command.example("ullage diagnose server.ulg --fail-on='stall>5ms,copied>100MB'",
                  "A gate for CI: exits with 1 when a growth stopped the program for longer.");
  for (Form& form : forms_) command.output_option(form.option, form.help, form.path);
  command
      .option("--experience", "FILE",
              "Add the last sizes of the library's containers, by site, to a profile for "
              "ULLAGE_PROFILE (docs/formats/experience.md).",
              experience_path_)
      .completes = Completes::kFiles;
  command.count_option("--top", "Findings to print; 0 for all. Default: 10.", top_);
  command.option("--site", "TEXT", "Only findings whose place or function contains TEXT.",
                 options_.site_filter);
  command.option(
      "--fail-on", "CONDITIONS",
      "Exit with 1 when one of these holds, parted by commas: any, note, warning, error, a "
      "detector's name, stall>5ms, stall-total>50ms, copied>10MB, wasted>1GiB, "
      "growths>1000, new (needs --baseline).",
      fail_on_text_);
  command
      .option("--baseline", "FILE",
              "What was known before: an earlier --json or --sarif report, or a recording.",
              baseline_path_)
      .completes = Completes::kFiles;
  command.duration_option("--stall-bound",
                          "Report single growths that stop the program for longer. Default: 1ms.",
                          detector_options_.stall_bound_ns);
  command
      .option("--root-causes", "FILE",
              "Rows of your own for the table that says why (docs/root-causes.md); they go before "
              "the built-in ones.",
              root_causes_path_)
      .completes = Completes::kFiles;
  command
      .option("--source-root", "FOLDER",
              "Write source paths below FOLDER relative to it (SARIF, HTML).", options_.source_root)
      .completes = Completes::kFolders;
  loader_.describe(command);
  command.flag("--color,--colour", "Colour the text even when it goes to a file.", colour_);
  command.flag("--no-color,--no-colour", "Never colour it. Default: on a terminal only.",
               no_colour_);
  command.exit_codes = {"0  done", "1  a condition of --fail-on holds",
                        "2  the command line was not understood",
                        "3  a recording could not be read, or a report not be written;",
                        "   with --fail-on: a recording that can't be judged"};
}

bool Diagnose::text_to_stdout() const {
  for (const Form& form : forms_) {
    if (form.path == "-") return false;
  }
  return true;
}

// Mistakes that are cheaper to hear of before a gigabyte was read.
Result<void> Diagnose::check() {
  int to_stdout = 0;
  for (const Form& form : forms_) {
    if (form.path != "-") continue;
    ++to_stdout;
    if (!form.joins && files_.size() > 1) {
      return Error{Code::kInvalid,
                   std::string("ullage diagnose: ") + form.option +
                       " holds one recording and can't put several on standard output.\n  Give a "
                       "path: " +
                       form.option + "=report"};
    }
    if (form.binary && is_terminal(STDOUT_FILENO)) {
      return Error{Code::kInvalid,
                   std::string("ullage diagnose: ") + form.option +
                       " is binary and would upset this terminal.\n  Give a path: " + form.option +
                       "=profile.pb.gz"};
    }
  }
  if (to_stdout > 1) {
    return Error{
        Code::kInvalid,
        "ullage diagnose: only one form can go to standard output.\n  Give the others a path: "
        "--json=findings.json"};
  }
  if (fail_on_text_.empty()) return {};
  Result<FailOn> parsed = FailOn::parse(fail_on_text_);
  if (!parsed.ok()) return parsed.error();
  fail_on_ = std::move(parsed).value();
  if (fail_on_->needs_baseline() && baseline_path_.empty()) {
    return Error{
        Code::kInvalid,
        "ullage diagnose: --fail-on=new needs to know what is old.\n  Add --baseline=FILE, an "
        "earlier --json or --sarif report or a recording."};
  }
  return {};
}

Result<void> Diagnose::read_baseline() {
  if (baseline_path_.empty()) return {};
  if (is_recording(baseline_path_)) {
    Result<evidence::Evidence> before = loader_.load(baseline_path_);
    if (!before.ok()) return before.error();
    Baseline known;
    for (const diagnose::Finding& finding : diagnose::diagnose(before.value(), detector_options_)) {
      known.insert(finding.fingerprint);
    }
    baseline_ = std::move(known);
    return {};
  }
  Result<std::string> text = read_text(baseline_path_);
  if (!text.ok()) return text.error();
  Result<Baseline> parsed = diagnose::parse_baseline(text.value());
  if (!parsed.ok()) {
    return Error{parsed.error().code, baseline_path_ + ": " + parsed.error().message};
  }
  baseline_ = std::move(parsed).value();
  return {};
}

Result<void> Diagnose::read_root_causes() {
  if (root_causes_path_.empty()) return {};
  Result<std::string> text = read_text(root_causes_path_);
  if (!text.ok()) return text.error();
  Result<diagnose::RootCauses> parsed =
      diagnose::RootCauses::parse(text.value(), root_causes_path_);
  if (!parsed.ok()) return parsed.error();
  root_causes_ = std::move(parsed).value();
  detector_options_.root_causes = &*root_causes_;
  return {};
}

Result<void> Diagnose::write_form(Form& form, const std::string& file,
                                  const evidence::Evidence& evidence, const Findings& findings) {
  std::string text = form.make(evidence, findings, options_);
  if (form.joins && files_.size() > 1) {
    std::string& all = joined_[form.option];
    const bool json = form.option == std::string("--json");
    if (json) {
      while (text.ends_with('\n')) text.pop_back();
      all += all.empty() ? "[\n" : ",\n";
    }
    all += text;
    return {};
  }
  std::string path = files_.size() > 1 ? path_per_recording(*form.path, file) : *form.path;
  if (files_.size() > 1 && !written_.insert(path).second) {  // a/app.ulg and b/app.ulg
    return Error{Code::kInvalid, "ullage diagnose: " + path + " was just written for another " +
                                     "recording of the same name.\n  Diagnose them one at a time."};
  }
  Result<void> written = write_output(path, text);
  if (written.ok() && path != "-") {
    std::cerr << "wrote " << path << " (" << format_bytes(text.size()) << ")\n";
  }
  return written;
}

Result<void> Diagnose::write_joined() {
  for (Form& form : forms_) {
    const auto found = joined_.find(form.option);
    if (found == joined_.end()) continue;
    const bool json = form.option == std::string("--json");
    Result<void> written = write_output(*form.path, found->second + (json ? "\n]\n" : ""));
    if (!written.ok()) return written;
  }
  return {};
}

void Diagnose::print_text(const evidence::Evidence& evidence, const Findings& findings,
                          std::size_t index) {
  if (files_.size() > 1) {
    std::printf("%s== %s ==\n", index ? "\n" : "", files_[index].c_str());
  }
  const std::string text = diagnose::text_report(evidence, findings, options_);
  std::fwrite(text.data(), 1, text.size(), stdout);
}

void Diagnose::judge(const std::string& file, const Findings& findings) {
  const Baseline* known = baseline_ ? &*baseline_ : nullptr;
  if (known) {
    std::size_t fresh = 0;
    for (const diagnose::Finding& finding : findings)
      fresh += !known->contains(finding.fingerprint);
    std::cerr << file << ": " << format_counted(fresh, "finding") << " not in the baseline, "
              << findings.size() - fresh << " known\n";
  }
  if (!fail_on_) return;
  for (const std::string& failure : fail_on_->failures(findings, known)) {
    failures_.push_back(file + ": " + failure);
  }
}

Result<void> Diagnose::report(const std::string& file, std::size_t index) {
  Result<evidence::Evidence> evidence = loader_.load(file);
  if (!evidence.ok()) return evidence.error();
  const Findings findings = diagnose::diagnose(evidence.value(), detector_options_);
  for (Form& form : forms_) {
    if (!form.path) continue;
    if (Result<void> written = write_form(form, file, evidence.value(), findings); !written.ok()) {
      return written;
    }
  }
  if (!experience_path_.empty()) {
    Result<std::string> said = add_experience(experience_path_, evidence.value());
    if (!said.ok()) return said.error();
    std::cerr << said.value() << '\n';
  }
  if (text_to_stdout()) print_text(evidence.value(), findings, index);
  judge(file, findings);
  const std::string why = diagnose::not_judgeable(evidence.value());
  if (fail_on_ && !why.empty()) {
    return Error{Code::kInvalid, file + ": --fail-on could not judge.\n  " + why};
  }
  return {};
}

int Diagnose::run() {
  options_.top = static_cast<std::size_t>(top_);
  options_.width = terminal_width(STDOUT_FILENO);
  options_.colour = colour_ || (!no_colour_ && terminal_colour(STDOUT_FILENO));
  if (Result<void> fine = check(); !fine.ok()) return fail(fine.error(), kExitUsage);
  if (Result<void> fine = read_root_causes(); !fine.ok()) return fail(fine.error());
  if (Result<void> fine = read_baseline(); !fine.ok()) return fail(fine.error());

  int code = kExitOk;
  for (std::size_t i = 0; i < files_.size(); ++i) {
    // One bad recording among several does not hide the others.
    if (Result<void> done = report(files_[i], i); !done.ok()) code = fail(done.error());
  }
  if (Result<void> done = write_joined(); !done.ok()) code = fail(done.error());
  if (Result<void> done = flush_output(); !done.ok()) code = fail(done.error());
  for (const std::string& failure : failures_) std::cerr << "failed: " << failure << '\n';
  return code == kExitOk && !failures_.empty() ? kExitGate : code;
}

}  // namespace

std::unique_ptr<Verb> make_diagnose() { return std::make_unique<Diagnose>(); }

}  // namespace ullage::cli
