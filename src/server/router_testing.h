// SPDX-License-Identifier: Apache-2.0
#pragma once

// A server with a cold tier in memory, and clients that speak to it.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "server/cold_tier.h"
#include "server/config.h"
#include "server/router.h"
#include "server/server.h"
#include "server/worker.h"
#include "tier/cold_store_testing.h"

namespace ullage::server {

// Longest wait for what must come, on a busy machine under a sanitizer.
inline constexpr std::chrono::seconds kWaitMax{30};

class TieredServer {
 public:
  // `process_bytes`: the test and its cold tier are in it, too; 0: as the server makes it.
  TieredServer(unsigned threads, const Persistence& how, std::uint64_t hot_bytes = 64u << 20,
               std::uint64_t process_bytes = 0) {
    Config config;
    config.threads = threads;
    config.resp_port = 0;
    config.hot_bytes = hot_bytes;
    config.process_bytes = process_bytes;
    config.persistence = how;
    // Reads are held for as long as a test likes, unless it is about that.
    if (how.read_wait_ms == Persistence{}.read_wait_ms) config.persistence.read_wait_ms = 60'000;
    auto store = std::make_unique<tier::MemoryCold>(threads);
    cold_ = store.get();
    // Its memory is that of a disk: it presses on nobody.
    store->budget_bytes(std::uint64_t{1} << 40);
    server_ =
        std::move(Server::start(config, std::make_unique<ColdTier>(std::move(store), how)).value());
    server_->launch();
    ticks_ = std::thread([this] {
      while (!over_) {
        server_->tick();
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
      }
    });
  }
  ~TieredServer() {
    over_ = true;
    ticks_.join();
  }

  tier::MemoryCold& cold() { return *cold_; }
  Server& server() { return *server_; }
  std::uint16_t port() const { return server_->port(); }
  std::size_t clients() const { return server_->client_count(); }
  // Everything that is in the cold tier leaves memory.
  void evict_all();
  std::uint64_t sum(tier::Tally Router::Figures::*member) {
    std::uint64_t all = 0;
    for (const auto& worker : server_->workers()) {
      all += (worker->router()->figures().*member).value();
    }
    return all;
  }
  static void until(const std::function<bool()>& holds) {
    const auto end = std::chrono::steady_clock::now() + kWaitMax;
    while (!holds()) {
      if (std::chrono::steady_clock::now() > end) throw std::runtime_error("it never came true");
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
  }

 private:
  std::unique_ptr<Server> server_;
  tier::MemoryCold* cold_ = nullptr;
  std::thread ticks_;
  std::atomic<bool> over_{false};
};

// Replies as short texts: "+OK", ":1", "$value", "$-1", "*[...]", "-ERR ...".
class TestClient {
 public:
  explicit TestClient(TieredServer& site) {
    fd_ = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(site.port());
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) {
      throw std::runtime_error("can't connect");
    }
  }
  ~TestClient() { ::close(fd_); }
  TestClient(const TestClient&) = delete;
  TestClient& operator=(const TestClient&) = delete;

  // An inline command.
  void append(const std::string& command) { out_ += command + "\r\n"; }
  void flush() {
    for (std::size_t at = 0; at < out_.size();) {
      const ssize_t sent = ::send(fd_, out_.data() + at, out_.size() - at, MSG_NOSIGNAL);
      if (sent <= 0) throw std::runtime_error("can't send");
      at += static_cast<std::size_t>(sent);
    }
    out_.clear();
  }
  void send(const std::string& command) {
    append(command);
    flush();
  }
  // One whose words may be anything.
  void send(const std::vector<std::string>& words) {
    out_ += "*" + std::to_string(words.size()) + "\r\n";
    for (const std::string& word : words) {
      out_ += "$" + std::to_string(word.size()) + "\r\n" + word + "\r\n";
    }
    flush();
  }
  std::string ask(const std::string& command) {
    send(command);
    return read();
  }
  std::string read() {
    const std::string line = this->line();
    const std::string rest = line.substr(1);
    if (line[0] == '$') {
      const int count = std::stoi(rest);
      if (count < 0) return "$-1";
      return "$" +
             bytes(static_cast<std::size_t>(count) + 2).substr(0, static_cast<std::size_t>(count));
    }
    if (line[0] != '*' || rest == "-1") return line;
    std::string all;
    for (int i = 0; i < std::stoi(rest); ++i) all += (i == 0 ? "" : ",") + read();
    return "*[" + all + "]";
  }
  bool silent() {
    if (!in_.empty()) return false;
    pollfd wait{fd_, POLLIN, 0};
    return ::poll(&wait, 1, 150) == 0;
  }

 private:
  void more() {
    pollfd wait{fd_, POLLIN, 0};
    const int ms = static_cast<int>(std::chrono::milliseconds(kWaitMax).count());
    char part[4096];
    const ssize_t got = ::poll(&wait, 1, ms) > 0 ? ::recv(fd_, part, sizeof part, 0) : -1;
    if (got <= 0) throw std::runtime_error("no reply");
    in_.append(part, static_cast<std::size_t>(got));
  }
  std::string line() {
    while (in_.find("\r\n") == std::string::npos) more();
    return bytes(in_.find("\r\n") + 2).substr(0, last_ - 2);
  }
  std::string bytes(std::size_t count) {
    while (in_.size() < count) more();
    std::string out = in_.substr(0, count);
    in_.erase(0, count);
    last_ = count;
    return out;
  }

  int fd_ = -1;
  std::size_t last_ = 0;
  std::string in_, out_;
};

// By DEBUG EVICT, as a client would.
inline void TieredServer::evict_all() {
  TestClient client(*this);
  if (client.ask("DEBUG EVICT") != "+OK") throw std::runtime_error("DEBUG EVICT failed");
}

}  // namespace ullage::server
