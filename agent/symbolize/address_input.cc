// SPDX-License-Identifier: Apache-2.0
#include "agent/symbolize/address_input.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "agent/cli/values.h"

namespace kiln::agent {
namespace {

constexpr size_t kBufferBytes = 64 * 1024;

bool IsBlank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

}  // namespace

AddressInput::AddressInput(int fd) : fd_(fd), buffer_(kBufferBytes) {}

Status AddressInput::Fill(absl::FunctionRef<Status()> before_wait) {
  KILN_RETURN_IF_ERROR(before_wait());
  ssize_t count = 0;
  do {
    count = ::read(fd_, buffer_.data(), buffer_.size());
  } while (count < 0 && errno == EINTR);
  if (count < 0) return ErrnoError(errno, "standard input cannot be read");
  begin_ = 0;
  end_ = static_cast<size_t>(count);
  at_end_ = count == 0;
  return absl::OkStatus();
}

StatusOr<std::optional<AddressInput::Word>> AddressInput::Next(absl::FunctionRef<Status()> before_wait) {
  word_.clear();
  bool in_word = false;
  while (!at_end_) {
    if (begin_ == end_) {
      KILN_RETURN_IF_ERROR(Fill(before_wait));
      continue;
    }
    const char c = buffer_[begin_];
    if (IsBlank(c)) {
      if (in_word) break;  // the blank counts with the next word, a newline would change this one's line
      if (c == '\n') ++line_;
    } else {
      in_word = true;
      if (word_.size() <= kMaxWordBytes) word_.push_back(c);
    }
    ++begin_;
  }
  if (!in_word) return std::nullopt;
  const bool too_long = word_.size() > kMaxWordBytes;
  const std::string_view text(word_.data(), std::min(word_.size(), kMaxWordBytes));
  return Word{.text = text, .address = too_long ? std::nullopt : ParseAddress(text), .line = line_};
}

}  // namespace kiln::agent
