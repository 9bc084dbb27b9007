// SPDX-License-Identifier: Apache-2.0
#include "base/terminal.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

namespace ullage {
namespace {

// A real terminal, without a person in front of it. -1 where the machine has none to give.
class Terminal : public testing::Test {
 protected:
  void SetUp() override {
    unsetenv("NO_COLOR");
    unsetenv("COLUMNS");
    setenv("TERM", "xterm", 1);
    master_ = posix_openpt(O_RDWR | O_NOCTTY);
    if (master_ < 0 || grantpt(master_) != 0 || unlockpt(master_) != 0) {
      GTEST_SKIP() << "no pseudo-terminals here";
    }
    fd_ = open(ptsname(master_), O_RDWR | O_NOCTTY);
    if (fd_ < 0) GTEST_SKIP() << "no pseudo-terminals here";
  }
  void TearDown() override {
    if (fd_ >= 0) close(fd_);
    if (master_ >= 0) close(master_);
  }
  void resize(int columns) {
    winsize size{};
    size.ws_col = static_cast<unsigned short>(columns);
    ASSERT_EQ(ioctl(fd_, TIOCSWINSZ, &size), 0);
  }
  int master_ = -1;
  int fd_ = -1;
};

TEST_F(Terminal, SaysHowWideItIsWithinWhatReadsWell) {
  resize(97);
  EXPECT_EQ(terminal_width(fd_), 97);
  resize(12);
  EXPECT_EQ(terminal_width(fd_), 40);
  resize(999);
  EXPECT_EQ(terminal_width(fd_), 160);
}

TEST_F(Terminal, TakesColourUnlessSomeoneAskedForNone) {
  EXPECT_TRUE(terminal_colour(fd_));
  setenv("NO_COLOR", "1", 1);
  EXPECT_FALSE(terminal_colour(fd_));
  setenv("NO_COLOR", "", 1);
  EXPECT_TRUE(terminal_colour(fd_));
  setenv("TERM", "dumb", 1);
  EXPECT_FALSE(terminal_colour(fd_));
}

TEST(NoTerminal, HasNoColourAndTakesItsWidthFromTheEnvironment) {
  int pipe_fds[2];
  ASSERT_EQ(pipe(pipe_fds), 0);
  unsetenv("NO_COLOR");
  unsetenv("COLUMNS");
  EXPECT_FALSE(is_terminal(pipe_fds[1]));
  EXPECT_FALSE(terminal_colour(pipe_fds[1]));
  EXPECT_EQ(terminal_width(pipe_fds[1], 88), 88);
  setenv("COLUMNS", "72", 1);
  EXPECT_EQ(terminal_width(pipe_fds[1], 88), 72);
  unsetenv("COLUMNS");
  close(pipe_fds[0]);
  close(pipe_fds[1]);
}

}  // namespace
}  // namespace ullage
