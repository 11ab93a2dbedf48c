// SPDX-License-Identifier: Apache-2.0
// On a pseudo-terminal of its own.
#include "agent/top/terminal_screen.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>

#include "base/fd.h"

namespace kiln::agent {
namespace {

using ::testing::EndsWith;
using ::testing::StartsWith;

class TerminalScreenTest : public testing::Test {
 protected:
  TerminalScreenTest() : master(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)) {
    ::grantpt(master.get());
    ::unlockpt(master.get());
    slave = UniqueFd(::open(::ptsname(master.get()), O_RDWR | O_NOCTTY | O_CLOEXEC));
  }
  termios Modes() const {
    termios modes{};
    EXPECT_EQ(::tcgetattr(slave.get(), &modes), 0);
    return modes;
  }
  // What the terminal was sent so far.
  std::string Sent() const {
    std::string text;
    std::array<char, 4096> bytes{};
    pollfd poll{.fd = master.get(), .events = POLLIN, .revents = 0};
    while (::poll(&poll, 1, 0) == 1) {
      const ssize_t length = ::read(master.get(), bytes.data(), bytes.size());
      if (length <= 0) break;
      text.append(bytes.data(), static_cast<size_t>(length));
    }
    return text;
  }

  UniqueFd master;
  UniqueFd slave;
};

TEST_F(TerminalScreenTest, PutsEverythingBack) {
  const termios before = Modes();
  {
    TerminalScreen screen(slave.get(), slave.get());
    ASSERT_TRUE(screen.Enter().ok());
    EXPECT_EQ(Modes().c_lflag & (ICANON | ECHO), 0u);
    EXPECT_NE(Modes().c_lflag & ISIG, 0u);
    EXPECT_THAT(Sent(), StartsWith("\x1b[?1049h\x1b[?25l"));
    ASSERT_TRUE(screen.Write("text").ok());
  }
  EXPECT_EQ(Modes().c_lflag, before.c_lflag);
  EXPECT_EQ(Modes().c_iflag, before.c_iflag);
  EXPECT_THAT(Sent(), EndsWith("text\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l"));
}

TEST_F(TerminalScreenTest, LeavesOnceHoweverOftenItEntered) {
  TerminalScreen screen(slave.get(), slave.get());
  screen.Leave();
  EXPECT_EQ(Sent(), "");
  ASSERT_TRUE(screen.Enter().ok());
  ASSERT_TRUE(screen.Enter().ok());
  screen.Leave();
  (void)Sent();
  screen.Leave();
  EXPECT_EQ(Sent(), "");
  EXPECT_NE(Modes().c_lflag & ECHO, 0u);
}

TEST_F(TerminalScreenTest, ReadsKeysAsTheyAreTypedAndDoesNotWait) {
  TerminalScreen screen(slave.get(), slave.get());
  ASSERT_TRUE(screen.Enter().ok());
  EXPECT_EQ(*screen.ReadKeys(), "");
  ASSERT_EQ(::write(master.get(), "q\x1b[A", 4), 4);
  pollfd poll{.fd = slave.get(), .events = POLLIN, .revents = 0};
  ASSERT_EQ(::poll(&poll, 1, 60'000), 1);
  EXPECT_EQ(*screen.ReadKeys(), "q\x1b[A");
}

TEST_F(TerminalScreenTest, KnowsItsSize) {
  TerminalScreen screen(slave.get(), slave.get());
  EXPECT_EQ(screen.Size().columns, 80u);  // a pseudo-terminal begins without one
  EXPECT_EQ(screen.Size().rows, 24u);
  const winsize size{.ws_row = 10, .ws_col = 33, .ws_xpixel = 0, .ws_ypixel = 0};
  ASSERT_EQ(::ioctl(master.get(), TIOCSWINSZ, &size), 0);
  EXPECT_EQ(screen.Size().columns, 33u);
  EXPECT_EQ(screen.Size().rows, 10u);
}

TEST_F(TerminalScreenTest, HasNoKeysWhereTheInputIsNoTerminal) {
  const UniqueFd null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  TerminalScreen screen(null.get(), slave.get());
  EXPECT_FALSE(screen.has_keys());
  ASSERT_TRUE(screen.Enter().ok());
}

}  // namespace
}  // namespace kiln::agent
