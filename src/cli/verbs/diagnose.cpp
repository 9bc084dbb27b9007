// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <iostream>
#include <map>
#include <optional>
#include <set>

#include "base/format.h"
#include "base/terminal.h"
#include "base/text.h"
#include "cli/contract_flags.h"
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
  Result<void> read_contract();
  Result<void> read_incidents(int& code);
  Result<void> report_recording(const std::string& file);
  Result<void> report(const std::string& name, const evidence::Evidence& evidence);
  Result<void> read_root_causes();
  Result<void> write_form(Form& form, const std::string& file, const evidence::Evidence& evidence,
                          const Findings& findings);
  void print_text(const std::string& name, const evidence::Evidence& evidence,
                  const Findings& findings);
  void judge(const std::string& file, const Findings& findings);
  Result<void> write_joined();
  bool text_to_stdout() const;

  std::vector<std::string> files_;
  std::vector<std::string> recordings_, artefacts_;  // of these, by what they are
  std::vector<evidence::Evidence> incidents_;
  std::size_t sections_ = 0, sections_done_ = 0;
  std::vector<Form> forms_ = {
      {"--json",
       "Findings as JSON (docs/formats/findings-json.md). Several sections make one array.",
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
       "Folded stacks of copied bytes, for flamegraph.pl. Of an incident, of every cost: the first "
       "frame names it.",
       diagnose::folded_report,
       true,
       false,
       {}},
  };
  std::map<std::string, std::string> joined_;  // option -> text so far
  std::set<std::string> written_;
  ReportOptions options_;
  diagnose::DetectorOptions detector_options_;
  std::uint64_t top_ = 10, stall_bound_ns_ = 0;
  std::vector<std::string> gates_;  // each --fail-on
  std::string baseline_path_, experience_path_, root_causes_path_, contract_path_;
  std::optional<FailOn> fail_on_;
  std::optional<Baseline> baseline_;
  std::optional<contract::Contract> contract_;
  ContractFlags contract_flags_;
  std::optional<diagnose::RootCauses> root_causes_;
  std::vector<std::string> failures_;
  bool colour_ = false, no_colour_ = false;
  Loader loader_;
};

void Diagnose::describe(Command& command) {
  command.summary = "print what grew, what it cost, and what to write instead";
  command.description =
      "Reads recordings made by `ullage record`, and what Go and JVM programs leave behind: "
      "execution traces, profiles, goroutine dumps, gctrace and GC logs, heap dumps, histograms "
      "(docs/incidents.md). Prints findings, the costliest first: where, what it cost, how we "
      "know, and the remedy. What is damaged or cut short is read as far as it goes, and the "
      "report says how far that was.\n\n"
      "Artefacts given together are one incident: their clocks are aligned and what they prove is "
      "joined. Each recording is a section of its own. Text goes to standard output unless another "
      "form was sent there; forms that hold one section each are written to one file per section, "
      "named after it.";
  command.positional = {.name = "FILE",
                        .help =
                            "A recording (NAME.ulg), or an artefact, a folder or an archive of "
                            "artefacts; - is standard input. Several may be given.",
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
  command.example("ullage diagnose app.trace heap.pb.gz app.log",
                  "One incident from the execution trace, a heap profile and gctrace lines.");
  command.example("ullage diagnose --fail-on=error gc.log.*", "Rotated logs of a JVM, as a gate.");
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
      "detector's name, violation (needs --contract), stall>5ms, stall-total>50ms, copied>10MB, "
      "wasted>1GiB, "
      "growths>1000, new (needs --baseline). A limit that nothing in the input measures (growths "
      "of "
      "a trace, say) is refused with 3.",
      gates_);
  command
      .option("--baseline", "FILE",
              "What was known before: an earlier --json or --sarif report, a recording, or "
              "artefacts.",
              baseline_path_)
      .completes = Completes::kFiles;
  command
      .option("--contract", "FILE",
              "Judge by this memory contract, ullage.toml (see: ullage contract explain). One key "
              "can be changed for now, as in --allocation.growth_stall=5ms.",
              contract_path_)
      .completes = Completes::kFiles;
  contract_flags_.describe(command, true);
  command.duration_option("--stall-bound",
                          "Report single growths that stop the program for longer. Default: the "
                          "contract's allocation.growth_stall, or 1ms.",
                          stall_bound_ns_);
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
  loader_.describe_incidents(command);
  loader_.describe(command);
  command.flag("--color,--colour", "Colour the text even when it goes to a file.", colour_);
  command.flag("--no-color,--no-colour", "Never colour it. Default: on a terminal only.",
               no_colour_);
  command.exit_codes = {"0  done", "1  a condition of --fail-on holds",
                        "2  the command line was not understood",
                        "3  an input could not be read, or a report not be written;",
                        "   with --fail-on: one that can't be judged"};
}

bool Diagnose::text_to_stdout() const {
  for (const Form& form : forms_) {
    if (form.path == "-") return false;
  }
  return true;
}

Error too_many_for_output(const Form& form) {
  return {Code::kInvalid,
          std::string("ullage diagnose: ") + form.option +
              " holds one recording and can't put several on standard output.\n  Give a path: " +
              form.option + "=report"};
}

// Mistakes that are cheaper to hear of before a gigabyte was read.
Result<void> Diagnose::check() {
  int to_stdout = 0;
  for (const Form& form : forms_) {
    if (form.path != "-") continue;
    ++to_stdout;
    if (!form.joins && sections_ > 1) return too_many_for_output(form);
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
  std::vector<Target> targets;
  for (const Form& form : forms_) {
    if (form.path) targets.push_back({form.option, *form.path});
  }
  std::vector<std::string> read = files_;
  // Not the baseline: a report may become the next one.
  for (const std::string& path : {contract_path_, root_causes_path_}) {
    if (!path.empty()) read.push_back(path);
  }
  Result<void> apart = keep_apart("diagnose", targets, std::move(read));
  if (!apart.ok() || gates_.empty()) return apart;
  Result<FailOn> parsed = FailOn::parse(gates_);
  if (!parsed.ok()) return parsed.error();
  fail_on_ = std::move(parsed).value();
  if (fail_on_->needs_contract() && contract_path_.empty() && !contract_flags_.any()) {
    return Error{Code::kInvalid,
                 "ullage diagnose: --fail-on=violation needs a contract to judge by.\n  Add "
                 "--contract=ullage.toml. What it holds: ullage contract explain"};
  }
  if (fail_on_->needs_baseline() && baseline_path_.empty()) {
    return Error{
        Code::kInvalid,
        "ullage diagnose: --fail-on=new needs to know what is old.\n  Add --baseline=FILE, an "
        "earlier --json or --sarif report or a recording."};
  }
  return {};
}

Result<void> Diagnose::read_contract() {
  if (!contract_path_.empty() || contract_flags_.any()) {
    Result<contract::Contract> contract = contract_flags_.read(contract_path_);
    if (!contract.ok()) return contract.error();
    contract_ = std::move(contract).value();
    detector_options_.contract = &*contract_;
    const std::optional<std::uint64_t> stall = contract_->number("allocation.growth_stall");
    if (stall) detector_options_.stall_bound_ns = *stall;
  }
  if (stall_bound_ns_ != 0) detector_options_.stall_bound_ns = stall_bound_ns_;
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
  std::error_code ignored;
  const bool folder = std::filesystem::is_directory(baseline_path_, ignored);
  Result<std::string> text = folder ? std::string() : read_text(baseline_path_);
  if (!text.ok()) return text.error();
  Result<Baseline> parsed = diagnose::parse_baseline(text.value());
  if (!parsed.ok() && is_artefact(baseline_path_)) {
    std::vector<Error> failures;
    Result<std::vector<evidence::Evidence>> before =
        loader_.load_incidents({baseline_path_}, failures);
    if (!before.ok()) return before.error();
    if (!failures.empty()) return failures.front();
    Baseline known;
    for (const evidence::Evidence& incident : before.value()) {
      for (const diagnose::Finding& finding : diagnose::diagnose(incident, detector_options_)) {
        known.insert(finding.fingerprint);
      }
    }
    baseline_ = std::move(known);
    return {};
  }
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
  if (!form.joins && sections_ > 1 && form.path == "-") return too_many_for_output(form);
  if (form.joins && sections_ > 1) {
    std::string& all = joined_[form.option];
    const bool json = form.option == std::string("--json");
    if (json) {
      while (text.ends_with('\n')) text.pop_back();
      all += all.empty() ? "[\n" : ",\n";
    }
    all += text;
    return {};
  }
  std::string path = sections_ > 1 ? path_per_recording(*form.path, file) : *form.path;
  if (sections_ > 1 && !written_.insert(path).second) {  // a/app.ulg and b/app.ulg
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

void Diagnose::print_text(const std::string& name, const evidence::Evidence& evidence,
                          const Findings& findings) {
  if (sections_ > 1) {
    std::printf("%s== %s ==\n", sections_done_ > 0 ? "\n" : "", name.c_str());
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

// Before anything is printed: how many sections there will be depends on what belongs together.
Result<void> Diagnose::read_incidents(int& code) {
  if (artefacts_.empty()) return {};
  std::vector<Error> failures;
  Result<std::vector<evidence::Evidence>> read = loader_.load_incidents(artefacts_, failures);
  if (!read.ok()) {
    --sections_;
    return read.error();
  }
  incidents_ = std::move(read).value();
  sections_ = recordings_.size() + incidents_.size();
  for (const Error& failure : failures) code = fail(failure);
  return {};
}

Result<void> Diagnose::report_recording(const std::string& file) {
  Result<evidence::Evidence> evidence = loader_.load(file);
  if (!evidence.ok()) return evidence.error();
  return report(file, evidence.value());
}

Result<void> Diagnose::report(const std::string& name, const evidence::Evidence& evidence) {
  const Findings findings = diagnose::diagnose(evidence, detector_options_);
  for (Form& form : forms_) {
    if (!form.path) continue;
    if (Result<void> written = write_form(form, name, evidence, findings); !written.ok()) {
      return written;
    }
  }
  if (!experience_path_.empty()) {
    Result<std::string> said = add_experience(experience_path_, evidence);
    if (!said.ok()) return said.error();
    std::cerr << said.value() << '\n';
  }
  if (text_to_stdout()) print_text(name, evidence, findings);
  ++sections_done_;
  judge(name, findings);
  if (!fail_on_) return {};
  std::string why = diagnose::not_judgeable(evidence);
  if (why.empty()) why = fail_on_->unmeasured(evidence);
  if (!why.empty()) {
    return Error{Code::kInvalid, name + ": --fail-on could not judge.\n  " + why};
  }
  return {};
}

int Diagnose::run() {
  options_.top = static_cast<std::size_t>(top_);
  options_.width = terminal_width(STDOUT_FILENO);
  options_.colour = colour_ || (!no_colour_ && terminal_colour(STDOUT_FILENO));
  for (const std::string& file : files_) {
    (is_recording(file) ? recordings_ : artefacts_).push_back(file);
  }
  sections_ = recordings_.size() + (artefacts_.empty() ? 0 : 1);
  if (Result<void> fine = check(); !fine.ok()) return fail(fine.error(), kExitUsage);
  if (Result<void> fine = read_contract(); !fine.ok()) return fail(fine.error());
  if (Result<void> fine = read_root_causes(); !fine.ok()) return fail(fine.error());
  if (Result<void> fine = read_baseline(); !fine.ok()) return fail(fine.error());

  int code = kExitOk;
  if (Result<void> done = read_incidents(code); !done.ok()) code = fail(done.error());
  // One bad recording among several does not hide the others.
  for (const std::string& file : recordings_) {
    if (Result<void> done = report_recording(file); !done.ok()) code = fail(done.error());
  }
  for (const std::string& file : artefacts_) {
    options_.command_files += (options_.command_files.empty() ? "" : " ") + shell_word(file);
  }
  for (std::size_t i = 0; i < incidents_.size(); ++i) {
    const evidence::Evidence& incident = incidents_[i];
    const bool known = !incident.incident.artefacts.empty();
    std::string name = i == 0 ? artefacts_.front() : incident.process.source;
    if (known && (i > 0 || incidents_.size() > 1)) name = incident.incident.artefacts.front().name;
    if (Result<void> done = report(name, incident); !done.ok()) code = fail(done.error());
  }
  if (Result<void> done = write_joined(); !done.ok()) code = fail(done.error());
  if (Result<void> done = flush_output(); !done.ok()) code = fail(done.error());
  for (const std::string& failure : failures_) std::cerr << "failed: " << failure << '\n';
  return code == kExitOk && !failures_.empty() ? kExitGate : code;
}

}  // namespace

std::unique_ptr<Verb> make_diagnose() { return std::make_unique<Diagnose>(); }

}  // namespace ullage::cli
