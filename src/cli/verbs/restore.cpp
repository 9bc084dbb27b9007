// SPDX-License-Identifier: Apache-2.0
#include <iostream>

#include "base/format.h"
#include "cli/verb.h"
#include "tier/cold_plugin.h"

namespace ullage::cli {

namespace {

class Restore : public Verb {
 public:
  void describe(Command& command) override {
    command.summary = "bring a backup back to where a server can use it";
    command.description =
        "Copies a backup that `ullage backup` made, and checks every block of it, before and "
        "after. What is there is never written over: the target must not exist, or be empty. No "
        "server may use it yet.";
    command.positional = {.name = "BACKUP",
                          .help = "The backup's directory.",
                          .count_min = 1,
                          .count_max = 1,
                          .choices = {},
                          .completes = Completes::kFiles,
                          .words = &from_};
    command.option("--to", "DIRECTORY", "Where to: persistence.directory of a server.", to_)
        .completes = Completes::kFiles;
    command.example("ullage restore /backups/monday --to /var/lib/ullage",
                    "Then: ullage serve --persistence.directory=/var/lib/ullage");
    command.exit_codes = {"0  it is there, and sound", "2  the command line was not understood",
                          "3  it could not be restored: the message says why"};
  }

  int run() override {
    if (to_.empty()) {
      return fail({Code::kInvalid, "where to is missing: --to DIRECTORY"}, kExitUsage);
    }
    const Result<std::uint64_t> bytes = tier::restore_cold(from_[0], to_);
    if (!bytes.ok()) return fail(bytes.error());
    std::cout << to_ << ": " << format_bytes(bytes.value()) << " of data, every block checked.\n"
              << "  use it:  ullage serve --persistence.directory=" << to_ << '\n';
    return kExitOk;
  }

 private:
  std::vector<std::string> from_;
  std::string to_;
};

}  // namespace

std::unique_ptr<Verb> make_restore() { return std::make_unique<Restore>(); }

}  // namespace ullage::cli
