// SPDX-License-Identifier: Apache-2.0
#include "agent/collect/bpf_log.h"

#include <bpf/libbpf.h>

#include <array>
#include <cstdarg>
#include <cstdio>
#include <sstream>

namespace kiln::agent {
namespace {

constexpr size_t kMaxText = 1 << 20;  // a verifier log is cut by libbpf to the last lines anyway

// libbpf's printer has no context argument.
std::string* current_text = nullptr;

int Print(libbpf_print_level level, const char* format, va_list arguments) {
  if (level == LIBBPF_DEBUG || current_text == nullptr || current_text->size() > kMaxText) return 0;
  std::array<char, 16384> line;
  const int length = std::vsnprintf(line.data(), line.size(), format, arguments);
  if (length > 0) current_text->append(line.data());
  return length;
}

}  // namespace

BpfLog::BpfLog() {
  current_text = &text_;
  libbpf_set_print(&Print);
}

BpfLog::~BpfLog() { current_text = nullptr; }

std::string BpfLog::LastLine() const {
  std::istringstream lines(text_);
  std::string line, previous, verifier;
  while (std::getline(lines, line)) {
    // The verifier ends its log with "processed N insns …"; the line before says what it refused.
    if (line.starts_with("processed ")) verifier = previous;
    if (!line.empty()) previous = line;
  }
  return verifier.empty() ? previous : "verifier: " + verifier;
}

}  // namespace kiln::agent
