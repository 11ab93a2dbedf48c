// SPDX-License-Identifier: Apache-2.0
// Addresses as words of a stream, as addr2line takes them from standard input, but with any white space between them.
#pragma once

#include <absl/functional/function_ref.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace kiln::agent {

// Thread-compatible.
class AddressInput {
 public:
  // A longer word is no address; only so much of it is kept.
  static constexpr size_t kMaxWordBytes = 64;

  struct Word {
    std::string_view text;            // valid until the next call
    std::optional<uint64_t> address;  // nullopt: the word is none
    uint64_t line;                    // 1-based
  };

  // Reads `fd`, which stays open.
  explicit AddressInput(int fd);

  // The next word; nullopt at the end. `before_wait` is called before each read, that is whenever all that came so far
  // was handed out; its error ends the reading. A word counts once its end came, by white space or the end of the
  // stream.
  StatusOr<std::optional<Word>> Next(absl::FunctionRef<Status()> before_wait);

 private:
  Status Fill(absl::FunctionRef<Status()> before_wait);

  int fd_;
  std::vector<char> buffer_;
  size_t begin_ = 0;
  size_t end_ = 0;
  bool at_end_ = false;
  uint64_t line_ = 1;
  std::vector<char> word_;
};

}  // namespace kiln::agent
