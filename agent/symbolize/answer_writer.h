// SPDX-License-Identifier: Apache-2.0
// Answers as text or JSON.
//
// Text is that of `addr2line -a -f -i -C`: the address with 16 digits, then two lines per function, its name and
// FILE:LINE. What is not known stands as there: "??" for the name, "??:0" for the place of a miss, "??:?" for that of a
// function whose file is not known, "FILE:?" where only the line is not. Control characters in names are replaced, also
// in a pipe: an answer has the lines that it should have, and `less -R` shows them as they are.
//
// JSON is one object per answer and line. Strings are UTF-8; what is none in the file is replaced.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "agent/symbolize/address_namer.h"
#include "base/status.h"

namespace kiln::agent {

struct AnswerFormat {
  bool json = false;
  bool inlines = true;       // false: the innermost function alone
  bool demangle = true;      // false: names as in the symbol table
  bool is_terminal = false;  // JSON is made harmless too, by replacing what it need not escape
};

// Thread-compatible.
class AnswerWriter {
 public:
  // Writes to `fd`, which stays open.
  AnswerWriter(int fd, AnswerFormat format) : fd_(fd), format_(format) {}

  Status Add(uint64_t address, const Answer& answer);
  // For a word that is no address: a miss, so that there are as many answers as words.
  Status AddBadWord(std::string_view word);
  // Hands all on to the kernel.
  Status Flush();

 private:
  static constexpr size_t kBufferBytes = 256 * 1024;

  void AddText(uint64_t address, const Answer& answer);
  void AddJson(uint64_t address, const Answer& answer);
  void AddName(std::string_view name);
  void AddJsonText(std::string_view key, std::string_view value);
  Status FlushIfFull() { return text_.size() < kBufferBytes ? absl::OkStatus() : Flush(); }

  int fd_;
  AnswerFormat format_;
  std::string text_;
};

}  // namespace kiln::agent
