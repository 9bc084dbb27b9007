// SPDX-License-Identifier: Apache-2.0
//
// The door and its threads, in one process: for the sanitizers as much as for the answers.
#include "server/http.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <charconv>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "server/cold_tier.h"
#include "server/http/live.h"
#include "server/listen.h"
#include "server/server.h"

namespace ullage::server {
namespace {

// What the server says to these bytes until it closes.
std::string told(std::uint16_t port, const std::string& bytes) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  std::string all;
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
      send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size())) {
    char part[4096];
    for (ssize_t got; (got = recv(fd, part, sizeof part, 0)) > 0;) {
      all.append(part, static_cast<std::size_t>(got));
    }
  }
  ::close(fd);
  return all;
}

std::string request(const std::string& line, const std::string& body = "") {
  return line + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: " +
         std::to_string(body.size()) + "\r\n\r\n" + body;
}

// A full store and its door, without data threads: what it tells of itself needs none.
class FullStore : public testing::Test {
 protected:
  void SetUp() override {
    Config config;
    config.resp_port = 0;
    config.threads = 1;
    config.hot_bytes = 64u << 20;
    config.process_bytes = 16ull << 30;
    const auto more = [](metrics::Registry& registry) {
      for (int i = 0; i < kSeries; ++i) {
        registry.counter("test_label_sets_total", "Many.",
                         {{"set", std::string(60, 'x') + std::to_string(i)}});
      }
    };
    auto server = Server::start(config, nullptr, more);
    ASSERT_TRUE(server.ok()) << server.error().message;
    server_ = std::move(server.value());
    Result<int> listener = listen_on("127.0.0.1", 0, "server.http_port");
    ASSERT_TRUE(listener.ok()) << listener.error().message;
    http_ = std::make_unique<Http>(*server_, listener.value());
    http_->start();
    for (std::uint64_t step = 1 << 20; step > 0; step /= 2) {
      while (server_->budget().take(tier::Component::kClients, step)) {
      }
    }
  }
  void TearDown() override { http_->stop(); }
  std::string ask(const std::string& line) {
    return told(static_cast<std::uint16_t>(http_->port()), line + "\r\nHost: x\r\n\r\n");
  }

  static constexpr int kSeries = 3000;
  std::unique_ptr<Server> server_;
  std::unique_ptr<Http> http_;
};

// The body of an answer in chunks; none of them longer than `bytes_max`.
std::string unchunked(const std::string& answer, std::size_t bytes_max) {
  EXPECT_NE(answer.find("\r\nTransfer-Encoding: chunked\r\n"), std::string::npos);
  EXPECT_EQ(answer.find("Content-Length"), std::string::npos);
  std::string body;
  for (std::size_t at = answer.find("\r\n\r\n") + 4;;) {
    std::size_t size = 0;
    const auto read = std::from_chars(answer.data() + at, answer.data() + answer.size(), size, 16);
    EXPECT_EQ(read.ec, std::errc()) << answer.substr(at, 20);
    if (read.ec != std::errc()) return body;
    at = answer.find("\r\n", at) + 2;
    if (size == 0) {
      EXPECT_EQ(answer.substr(at), "\r\n") << "something comes behind the last chunk";
      return body;
    }
    EXPECT_LE(size, bytes_max);
    body += answer.substr(at, size);
    EXPECT_EQ(answer.substr(at + size, 2), "\r\n");
    at += size + 2;
  }
}

TEST_F(FullStore, MetricsAreAnsweredWholeHoweverManyTheyAre) {
  ASSERT_FALSE(server_->budget().take(tier::Component::kClients, 1));
  const std::uint64_t granted = server_->budget().granted_bytes();
  for (const std::string accept : {"text/plain", "application/openmetrics-text"}) {
    const std::string answer =
        ask("GET /metrics HTTP/1.1\r\nConnection: close\r\nAccept: " + accept);
    ASSERT_TRUE(answer.starts_with("HTTP/1.1 200 ")) << answer.substr(0, 1000);
    const std::string text = unchunked(answer, 2 * kPartBytes);
    EXPECT_GT(text.size(), 200u * 1024);
    EXPECT_NE(text.find("\nullage_server_start_time_seconds "), std::string::npos);
    std::size_t series = 0;
    for (std::size_t at = 0; (at = text.find("\ntest_label_sets_total{", at)) != std::string::npos;
         ++at) {
      ++series;
    }
    EXPECT_EQ(series, static_cast<std::size_t>(kSeries));
    EXPECT_EQ(text.ends_with("# EOF\n"), accept != "text/plain");
  }
  EXPECT_EQ(server_->budget().granted_bytes(), granted) << "it needs no grant";
}

TEST_F(FullStore, WhoSpeaksHttp10GetsMetricsUntilTheConnectionEnds) {
  const std::string answer = ask("GET /metrics HTTP/1.0\r\nConnection: keep-alive");
  ASSERT_TRUE(answer.starts_with("HTTP/1.1 200 ")) << answer.substr(0, 1000);
  const std::string head = answer.substr(0, answer.find("\r\n\r\n") + 2);
  EXPECT_EQ(head.find("Transfer-Encoding"), std::string::npos) << head;
  EXPECT_EQ(head.find("keep-alive"), std::string::npos) << head;
  EXPECT_NE(head.find("\r\nConnection: close\r\n"), std::string::npos) << head;
  EXPECT_NE(answer.find("set=\"" + std::string(60, 'x') + std::to_string(kSeries - 1)),
            std::string::npos);
}

TEST_F(FullStore, TheNextRequestIsAnsweredBehindAnAnswerInParts) {
  const std::string answer =
      ask("HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\nGET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
          "GET /healthz HTTP/1.1\r\nConnection: close");
  const std::size_t second = answer.find("HTTP/1.1 200 OK", 1);
  EXPECT_TRUE(answer.substr(0, second).ends_with("\r\n\r\n")) << answer.substr(0, second);
  EXPECT_NE(answer.find("\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n", second), std::string::npos);
  EXPECT_TRUE(answer.ends_with("\r\n\r\nok\n"));
}

// No thread answers here: the hit curves are left out.
TEST_F(FullStore, ThePageAndWhatItAsksForAreAnswered) {
  for (const char* path :
       {"/", "/v1/openapi.json", "/topology", "/v1/history", "/v1/status", "/v1/status"}) {
    const std::string answer = ask("GET " + std::string(path) + " HTTP/1.1\r\nConnection: close");
    const bool there = answer.starts_with("HTTP/1.1 200 ") ||
                       answer.find("no-live-page") != std::string::npos;  // a build without it
    EXPECT_TRUE(there) << path << ": " << answer.substr(0, 500);
  }
}

TEST_F(FullStore, AHistoryStaysTheOneThatWasAskedForWhileItGoesOut) {
  Errands errands(*server_);
  Live live(*server_, errands);
  std::uint64_t now_ms = 1'700'000'000'000;
  const auto second = [&] { EXPECT_TRUE(live.tick(now_ms += 1000, false)); };
  for (std::size_t i = 0; i < Live::kSamplesMax + 10; ++i) second();
  Parts parts = live.history();
  std::string text;
  for (bool more = true; more;) {
    std::string part;
    more = parts(part);
    EXPECT_LE(part.size(), 2 * kPartBytes);
    text += part;
    for (int i = 0; i < 50; ++i) second();
  }
  EXPECT_GT(text.size(), kPartBytes);
  const auto json = nlohmann::json::parse(text);
  EXPECT_EQ(json.size(), 14u);
  for (const auto& [name, column] : json.items()) {
    EXPECT_EQ(column.size(), Live::kSamplesMax) << name;
  }
  EXPECT_EQ(json["unix_ms"][0], 1'700'000'011'000);
}

TEST(Http, AnswersManyAtOnceWhileItsThreadsWork) {
  Config config;
  config.resp_port = 0;
  config.threads = 2;
  config.hot_bytes = 64u << 20;
  config.process_bytes = 16ull << 30;  // a sanitizer takes many times as much
  auto server = Server::start(config);
  ASSERT_TRUE(server.ok()) << server.error().message;
  Result<int> listener = listen_on("127.0.0.1", 0, "server.http_port");
  ASSERT_TRUE(listener.ok()) << listener.error().message;
  Http http(*server.value(), listener.value());
  const auto port = static_cast<std::uint16_t>(http.port());
  server.value()->launch();
  http.start();

  constexpr int kClients = 4, kRounds = 20;
  std::vector<std::thread> clients;
  std::vector<std::string> problems(kClients);
  for (int client = 0; client < kClients; ++client) {
    clients.emplace_back([client, port, &problem = problems[client]] {
      for (int i = 0; i < kRounds && problem.empty(); ++i) {
        const std::string key = "/v1/keys/k" + std::to_string(client * kRounds + i);
        const std::string value(static_cast<std::size_t>(i) * 1000, 'v');
        const std::string put = told(port, request("PUT " + key, value));
        if (!put.starts_with("HTTP/1.1 201 ")) problem = put;
        const std::string got = told(port, request("GET " + key));
        if (!got.ends_with("\r\n\r\n" + value)) problem = got;
        const std::string list = told(port, request("GET /v1/keys?limit=10"));
        if (!list.starts_with("HTTP/1.1 200 ")) problem = list;
        const std::string status = told(port, request("GET /v1/status"));
        if (status.find("\"tiers\"") == std::string::npos) problem = status;
      }
    });
  }
  for (std::thread& client : clients) client.join();
  for (const std::string& problem : problems) EXPECT_EQ(problem, "");
  EXPECT_TRUE(told(port, request("GET /v1/keys/absent")).starts_with("HTTP/1.1 404 "));
  server.value()->stop();
  server.value()->join();
  http.stop();
}

}  // namespace
}  // namespace ullage::server
