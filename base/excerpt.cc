// SPDX-License-Identifier: Apache-2.0
#include "base/excerpt.h"

#include <cstdint>

namespace kiln {
namespace {

// The length of the UTF-8 character at the start of `text` (not empty), 0 if there is none. `code` is its value.
size_t CharacterLength(std::string_view text, uint32_t& code) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t first = byte(0);
  if (first < 0x80) {
    code = first;
    return 1;
  }
  const size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < length) return 0;
  code = first & (0xff >> (length + 1));
  for (size_t i = 1; i < length; i++) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
    code = code << 6 | (byte(i) & 0x3f);
  }
  constexpr uint32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = code >= 0xd800 && code <= 0xdfff;
  return code < kSmallest[length] || surrogate || code > 0x10ffff ? 0 : length;
}

// C0, DEL, C1, and what turns the direction of a terminal's text.
bool IsControl(uint32_t code) {
  return code < 0x20 || (code >= 0x7f && code < 0xa0) || (code >= 0x200e && code <= 0x200f) ||
         (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}

bool IsSpace(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

}  // namespace

std::string Excerpt(std::string_view text, size_t limit_bytes) {
  std::string out;
  bool blank = false;  // one is due before the next character
  while (!text.empty()) {
    if (IsSpace(text[0])) {
      blank = !out.empty();
      text.remove_prefix(1);
      continue;
    }
    uint32_t code = 0;
    const size_t length = CharacterLength(text, code);
    const std::string_view shown = length == 0 || IsControl(code) ? "?" : text.substr(0, length);
    if (out.size() + (blank ? 1 : 0) + shown.size() > limit_bytes) return out + "…";
    if (blank) out += ' ';
    blank = false;
    out += shown;
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return out;
}

}  // namespace kiln
