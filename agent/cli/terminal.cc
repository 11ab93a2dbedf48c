// SPDX-License-Identifier: Apache-2.0
#include "agent/cli/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <iterator>

#include "profile/utf8.h"

namespace kiln::agent {
namespace {

struct Range {
  uint32_t first;
  uint32_t last;
};

// Sorted. Controls, separators, and the marks that change the order of a line or show nothing.
constexpr Range kHarmful[] = {
    {0x0000, 0x001f}, {0x007f, 0x009f}, {0x00ad, 0x00ad}, {0x061c, 0x061c}, {0x200b, 0x200f},
    {0x2028, 0x202e}, {0x2060, 0x206f}, {0xfeff, 0xfeff}, {0xfff9, 0xfffb}, {0xe0000, 0xe007f},
};

// Sorted. The blocks of Unicode's EastAsianWidth W and F, to block precision.
constexpr Range kWide[] = {
    {0x1100, 0x115f},   {0x2e80, 0x303e},   {0x3041, 0xa4cf},   {0xa960, 0xa97c},   {0xac00, 0xd7a3},
    {0xf900, 0xfaff},   {0xfe30, 0xfe6f},   {0xff00, 0xff60},   {0xffe0, 0xffe6},   {0x16fe0, 0x18cff},
    {0x1b000, 0x1b2ff}, {0x1f300, 0x1f64f}, {0x1f680, 0x1f6ff}, {0x1f900, 0x1f9ff}, {0x20000, 0x3fffd},
};

// Sorted. The common blocks of combining marks.
constexpr Range kCombining[] = {
    {0x0300, 0x036f}, {0x0483, 0x0489}, {0x0591, 0x05bd}, {0x064b, 0x065f}, {0x1ab0, 0x1aff},
    {0x1dc0, 0x1dff}, {0x20d0, 0x20ff}, {0xfe00, 0xfe0f}, {0xfe20, 0xfe2f},
};

template <size_t N>
bool Contains(const Range (&ranges)[N], uint32_t code_point) {
  const auto* found = std::partition_point(std::begin(ranges), std::end(ranges),
                                           [&](const Range& range) { return range.last < code_point; });
  return found != std::end(ranges) && found->first <= code_point;
}

// The code point at the start of `text`, which is valid UTF-8 and not empty; `text` moves behind it.
uint32_t TakeCodePoint(std::string_view& text) {
  const auto byte = [&](size_t i) { return static_cast<uint32_t>(static_cast<unsigned char>(text[i])); };
  const uint32_t lead = byte(0);
  size_t length = 1;
  uint32_t code_point = lead;
  if (lead >= 0xf0) {
    length = 4;
    code_point = lead & 0x07;
  } else if (lead >= 0xe0) {
    length = 3;
    code_point = lead & 0x0f;
  } else if (lead >= 0xc0) {
    length = 2;
    code_point = lead & 0x1f;
  }
  length = std::min(length, text.size());
  for (size_t i = 1; i < length; ++i) code_point = (code_point << 6) | (byte(i) & 0x3f);
  text.remove_prefix(length);
  return code_point;
}

size_t Columns(uint32_t code_point) {
  if (Contains(kCombining, code_point)) return 0;
  return Contains(kWide, code_point) ? 2 : 1;
}

}  // namespace

std::string HarmlessText(std::string_view text) {
  const std::string valid = profile::ToValidUtf8(text);
  std::string result;
  result.reserve(valid.size());
  for (std::string_view rest = valid; !rest.empty();) {
    const std::string_view before = rest;
    const uint32_t code_point = TakeCodePoint(rest);
    if (Contains(kHarmful, code_point)) {
      result += "\xef\xbf\xbd";
    } else {
      result += before.substr(0, before.size() - rest.size());
    }
  }
  return result;
}

size_t DisplayWidth(std::string_view text) {
  size_t width = 0;
  while (!text.empty()) width += Columns(TakeCodePoint(text));
  return width;
}

std::string CutToWidth(std::string_view text, size_t columns) {
  if (DisplayWidth(text) <= columns) return std::string(text);
  if (columns == 0) return "";
  size_t width = 0;
  std::string_view rest = text;
  while (!rest.empty()) {
    std::string_view next = rest;
    width += Columns(TakeCodePoint(next));
    if (width > columns - 1) break;
    rest = next;
  }
  return std::string(text.substr(0, text.size() - rest.size())) + "…";
}

size_t TerminalWidth(int fd) {
  struct winsize size {};
  if (::isatty(fd) == 0 || ::ioctl(fd, TIOCGWINSZ, &size) != 0) return 0;
  return size.ws_col;
}

}  // namespace kiln::agent
