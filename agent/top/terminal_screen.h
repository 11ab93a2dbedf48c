// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <termios.h>

#include <optional>
#include <string>
#include <string_view>

#include "agent/top/screen.h"
#include "base/status.h"

namespace kiln::agent {

// A terminal as a screen of our own: the alternate screen, no cursor, no wrapping of lines, keys as they are typed and
// without echo (Ctrl-C, Ctrl-Z and Ctrl-\ stay signals). Whatever ends this puts everything back. Thread-compatible.
class TerminalScreen {
 public:
  // `output` is a terminal; `input` may be none, then there are no keys. Both must outlive this.
  TerminalScreen(int input, int output);
  ~TerminalScreen() { Leave(); }
  TerminalScreen(const TerminalScreen&) = delete;
  TerminalScreen& operator=(const TerminalScreen&) = delete;

  // Again after a stop; may be called twice.
  Status Enter();
  void Leave();  // idempotent

  // In one go, so that no half of a frame is seen.
  Status Write(std::string_view text) const;
  // What was typed since the last time, without waiting. kUnavailable if the terminal is gone.
  StatusOr<std::string> ReadKeys() const;
  bool has_keys() const { return before_.has_value(); }
  int input() const { return input_; }
  // 80 by 24 where the terminal doesn't know.
  ScreenSize Size() const;

 private:
  const int input_;
  const int output_;
  std::optional<termios> before_;  // of the input
  bool entered_ = false;
};

}  // namespace kiln::agent
