// SPDX-License-Identifier: Apache-2.0
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <system_error>

#include "cli/verb.h"
#include "server/backup_client.h"

namespace ullage::cli {

namespace {

constexpr const char* kPasswordVariable = "ULLAGE_PASSWORD";

class Backup : public Verb {
 public:
  void describe(Command& command) override {
    command.summary = "copy what a running server keeps on disk, while it serves";
    command.description =
        "Asks a server of `ullage serve` to write a backup of its cold tier: all that was applied "
        "at that moment. The server itself writes it, with its own rights, on its own machine. On "
        "the same disk the files are links and take next to no room; copy them elsewhere to be "
        "safe from the loss of the disk. `ullage restore` brings it back.\n\n"
        "A password is read from the environment variable ULLAGE_PASSWORD.";
    command.positional = {.name = "DIRECTORY",
                          .help = "Where to; it must not exist, or be empty.",
                          .count_min = 1,
                          .count_max = 1,
                          .choices = {},
                          .completes = Completes::kFiles,
                          .words = &directories_};
    command.option("--host", "HOST", "Where the server is. Default: 127.0.0.1.", request_.host);
    command.option("--port", "PORT", "Its port for Redis clients. Default: 6379.", request_.port);
    command.option("--user", "NAME", "Whom to be. Default: default.", request_.user);
    command.flag("--tls", "Speak TLS with it; --port is its TLS port.", request_.tls);
    command.option("--cacert", "FILE", "Who vouches for it, PEM. Default: whom the system trusts.",
                   request_.ca);
    command.option("--cert", "FILE", "A certificate to show it, PEM.", request_.certificate);
    command.option("--key", "FILE", "Its key, PEM. Default: the file of --cert.", request_.key);
    command.example("ullage backup /backups/monday", "Of the server on this machine.");
    command.example("ullage backup --tls --cacert ca.pem --port 6380 /backups/monday",
                    "The same over TLS.");
    command.exit_codes = {"0  it is made, and whole", "2  the command line was not understood",
                          "3  no backup was made: the message says why"};
  }

  int run() override {
    std::error_code error;
    request_.directory = std::filesystem::absolute(directories_[0], error).lexically_normal();
    if (const char* password = std::getenv(kPasswordVariable)) request_.password = password;
    const Result<std::uint64_t> took = server::request_backup(request_);
    if (!took.ok()) return fail(took.error());
    std::cout << request_.directory << ": whole, made in " << took.value() << " ms.\n"
              << "  bring it back:  ullage restore " << request_.directory << " --to DIRECTORY\n";
    return kExitOk;
  }

 private:
  server::BackupRequest request_;
  std::vector<std::string> directories_;
};

}  // namespace

std::unique_ptr<Verb> make_backup() { return std::make_unique<Backup>(); }

}  // namespace ullage::cli
