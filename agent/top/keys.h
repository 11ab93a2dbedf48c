// SPDX-License-Identifier: Apache-2.0
// What was typed, from the bytes that a terminal sends (ECMA-48 control sequences as xterm, the Linux console, tmux and
// screen send them).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace kiln::agent {

enum class KeyCode : uint8_t {
  kText,  // a character: Key::text
  kUp,
  kDown,
  kPageUp,
  kPageDown,
  kHome,
  kEnd,
  kEnter,
  kBackspace,
  kEscape
};

struct Key {
  KeyCode code;
  std::string text{};  // one character in UTF-8; only with kText
  friend bool operator==(const Key&, const Key&) = default;
};

// Takes bytes as they come and keeps what is not complete. Sequences of other keys are dropped whole, as are control
// characters and what is no UTF-8. Thread-compatible.
class KeyParser {
 public:
  std::vector<Key> Feed(std::string_view bytes);
  // Whether an ESC, or the beginning of a sequence, waits for more. Terminals send sequences at once: after some 50 ms
  // of silence it was the Esc key.
  bool is_waiting() const { return !pending_.empty(); }
  // The keys that what waits is if nothing more comes.
  std::vector<Key> Flush();

 private:
  std::string pending_;
};

}  // namespace kiln::agent
