// SPDX-License-Identifier: Apache-2.0
#include "server/log.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/socket.h>
#include <unistd.h>

namespace ullage::server {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

std::string drained(int fd) {
  std::string all;
  char bytes[4096];
  fcntl(fd, F_SETFL, O_NONBLOCK);
  for (ssize_t got; (got = read(fd, bytes, sizeof bytes)) > 0;) {
    all.append(bytes, static_cast<std::size_t>(got));
  }
  return all;
}

void expect_that_it_never_waits(int reader, int writer) {
  Log log(writer);
  const std::string text(900, 'x');
  int written = 0;
  for (; log.unwritten() == 0 && written < 100'000; ++written) {
    log.info("event " + std::to_string(written), text);
  }
  ASSERT_GT(log.unwritten(), 0u) << "it took everything";
  log.info("and another", text);
  const std::uint64_t unwritten = log.unwritten();
  EXPECT_EQ(unwritten, 2u);
  drained(reader);
  log.warning("afterwards", "it goes on");
  const std::string told = drained(reader);
  EXPECT_THAT(told, HasSubstr("ullage serve: it goes on unwritten=2\n"));
  log.warning("afterwards", "and is quiet about it");
  EXPECT_THAT(drained(reader), EndsWith("and is quiet about it\n"));
}

TEST(Log, LeavesOutWhatAFullPipeDoesNotTake) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  expect_that_it_never_waits(ends[0], ends[1]);
  for (const int fd : ends) close(fd);
}

TEST(Log, LeavesOutWhatASocketDoesNotTake) {
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  expect_that_it_never_waits(ends[0], ends[1]);
  for (const int fd : ends) close(fd);
}

TEST(Log, ALineThatWasCutShortDoesNotRunIntoTheNext) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  fcntl(ends[1], F_SETPIPE_SZ, 4096);
  Log log(ends[1]);
  log.info("long", std::string(6000, 'x'));
  EXPECT_EQ(log.unwritten(), 1u);
  EXPECT_THAT(drained(ends[0]), StartsWith("ullage serve: xxx"));
  log.info("next", "whole");
  EXPECT_EQ(drained(ends[0]), "\nullage serve: whole unwritten=1\n");
  for (const int fd : ends) close(fd);
}

}  // namespace
}  // namespace ullage::server
