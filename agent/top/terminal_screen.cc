// SPDX-License-Identifier: Apache-2.0
#include "agent/top/terminal_screen.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>

namespace kiln::agent {
namespace {

// xterm's private modes, which the Linux console, tmux and screen know as well: 1049 alternate screen with the cursor's
// place kept, 25 cursor, 7 wrapping.
constexpr std::string_view kEnter = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[H\x1b[J";
constexpr std::string_view kLeave = "\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l";

}  // namespace

TerminalScreen::TerminalScreen(int input, int output) : input_(input), output_(output) {
  termios modes{};
  if (::isatty(input) == 1 && ::tcgetattr(input, &modes) == 0) before_ = modes;
}

Status TerminalScreen::Enter() {
  if (before_) {
    termios modes = *before_;
    modes.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
    modes.c_iflag &= ~static_cast<tcflag_t>(IXON);  // Ctrl-S would freeze the screen, and this program with it
    modes.c_cc[VMIN] = 0;
    modes.c_cc[VTIME] = 0;
    if (::tcsetattr(input_, TCSADRAIN, &modes) != 0) return ErrnoError(errno, "cannot set up the terminal");
  }
  entered_ = true;
  return Write(kEnter);
}

void TerminalScreen::Leave() {
  if (!entered_) return;
  entered_ = false;
  (void)Write(kLeave);
  // Keys that were typed and not read were not meant for the shell.
  if (before_) ::tcsetattr(input_, TCSAFLUSH, &*before_);
}

Status TerminalScreen::Write(std::string_view text) const {
  while (!text.empty()) {
    const ssize_t written = ::write(output_, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0 && errno == EAGAIN) {  // somebody who shares the terminal made it so
      pollfd poll{.fd = output_, .events = POLLOUT, .revents = 0};
      (void)::poll(&poll, 1, -1);
      continue;
    }
    if (written < 0) return ErrnoError(errno, "cannot write to the terminal");
    text.remove_prefix(static_cast<size_t>(written));
  }
  return absl::OkStatus();
}

StatusOr<std::string> TerminalScreen::ReadKeys() const {
  std::array<char, 512> bytes{};
  const ssize_t length = ::read(input_, bytes.data(), bytes.size());
  if (length < 0 && (errno == EINTR || errno == EAGAIN)) return "";
  if (length < 0) return absl::UnavailableError("the terminal is gone");
  return std::string(bytes.data(), static_cast<size_t>(length));
}

ScreenSize TerminalScreen::Size() const {
  winsize size{};
  if (::ioctl(output_, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) return {};
  return {.columns = size.ws_col, .rows = size.ws_row};
}

}  // namespace kiln::agent
