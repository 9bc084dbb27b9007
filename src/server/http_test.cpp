// SPDX-License-Identifier: Apache-2.0
//
// The door and its threads, in one process: for the sanitizers as much as for the answers.
#include "server/http.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <thread>
#include <vector>

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
