// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <iostream>

#include "base/format.h"
#include "cli/contract_flags.h"
#include "cli/verb.h"
#include "server/control.h"
#include "server/server.h"

namespace ullage::cli {

namespace {

class ServeVerb : public Verb {
 public:
  void describe(Command& command) override {
    command.summary = "keep data in memory, for Redis clients, within one budget";
    command.description =
        "A store that speaks RESP2 and RESP3 (strings, bits, expiry, transactions, pub/sub, client "
        "tracking). Its memory is granted by one budget before it is taken: growth is a step at a "
        "time, and what the budget denies is paid for by evicting.\n\n"
        "All of its settings are keys of the contract, ullage.toml; a flag named after a key wins "
        "over the file (`ullage contract explain`). SIGHUP reads the file again; what can't change "
        "while it runs is refused with a reason. SIGTERM lets replies under way go out, then ends "
        "it.\n\n"
        "It listens on 127.0.0.1 unless server.bind says otherwise, and without a password lets "
        "only "
        "this machine in (server.requirepass, server.acl_file, server.protected_mode); TLS has a "
        "port "
        "of its own (server.tls_port).";
    command.option("--contract", "FILE", "The contract to go by.", path_).completes =
        Completes::kFiles;
    command.flag("-q,--quiet", "Say nothing but errors.", quiet_);
    flags_.describe(command, true);
    command.example("ullage serve", "Half of the memory here, port 6379; then: redis-cli PING");
    command.example(
        "ullage serve --residency.hot=1GiB --server.resp_port=6380 "
        "--server.http_port=9180",
        "1 GiB and no more; a live page at http://127.0.0.1:9180/, metrics at /metrics");
    command.example("ullage serve --persistence.directory=/var/lib/ullage --residency.hot=1GiB",
                    "What does not fit, and what must not be lost, lies in that directory.");
    command.example("ullage serve --contract ullage.toml", "All of it from a file.");
    command.exit_codes = {"0  it was told to stop", "2  the command line was not understood",
                          "3  it could not start: the message says why"};
  }

  int run() override {
    Result<contract::Contract> contract = read();
    if (!contract.ok()) return fail(contract.error());
    Result<server::Config> config = server::Config::from(contract.value());
    if (!config.ok()) return fail(config.error());
    config->file = path_.empty() ? "" : std::filesystem::absolute(path_).string();
    server::Control::block_signals();
    auto server = server::Server::start(config.value());
    if (!server.ok()) return fail(server.error());
    auto control = server::Control::make(*server.value(), [this] { return read(); });
    if (!control.ok()) return fail(control.error());
    // The journal has its own line for it.
    const bool journal = std::getenv("NOTIFY_SOCKET") != nullptr;
    if (!quiet_ && !journal) greet(*server.value(), *control.value());
    server.value()->launch();
    if (!control.value()->run()) std::_Exit(kExitOk);
    return kExitOk;
  }

 private:
  Result<contract::Contract> read() {
    Result<contract::Contract> contract = flags_.read(path_);
    if (contract.ok() && quiet_ && contract->setting("server.log_level").origin == "default") {
      Result<void> done = contract->set("server.log_level", "error", "--quiet");
      if (!done.ok()) return done.error();
    }
    return contract;
  }

  static void greet(const server::Server& server, const server::Control& control) {
    const server::Config& config = server.config();
    const std::string host =
        config.bind.find(':') == std::string::npos ? config.bind : "[" + config.bind + "]";
    const std::string resp = std::to_string(server.port());
    const std::string tls = std::to_string(server.tls_port());
    const std::string http = std::to_string(control.http_port());
    const std::string https = std::to_string(control.https_port());
    const std::string first = config.resp_on   ? resp
                              : config.tls_on  ? tls
                              : config.http_on ? http
                                               : https;
    std::cout << "ullage serve: ready on " << host << ":" << first << ", "
              << format_counted(config.threads, "thread") << ", "
              << (config.hot_bytes == 0 ? "no bound" : "at most " + format_bytes(config.hot_bytes))
              << " (" << config.contract.setting("residency.hot").origin << ")\n";
    if (config.resp_on) {
      std::cout << "  talk to it:  redis-cli -h " << config.bind << " -p " << resp
                << " SET greeting hello\n";
    }
    if (config.tls_on) {
      std::cout << "  over TLS:    redis-cli --tls --cacert CA.pem -h " << config.bind << " -p "
                << tls << "\n";
    }
    if (config.https_on) std::cout << "  and at it:   https://" << host << ":" << https << "/\n";
    if (config.http_on) {
      std::cout << "  look at it:  http://" << host << ":" << http
                << "/ (for Prometheus: /metrics)\n";
    }
    if (config.resp_on) std::cout << "  its budget:  redis-cli -p " << resp << " INFO budget\n";
    std::cout << "  end it:      Ctrl-C, or kill " << getpid() << std::endl;
  }

  std::string path_;
  bool quiet_ = false;
  ContractFlags flags_;
};

}  // namespace

std::unique_ptr<Verb> make_serve() { return std::make_unique<ServeVerb>(); }

}  // namespace ullage::cli
