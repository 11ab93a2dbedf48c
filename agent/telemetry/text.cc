// SPDX-License-Identifier: Apache-2.0
#include "agent/telemetry/text.h"

#include <absl/strings/ascii.h>
#include <absl/strings/match.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>

#include "profile/utf8.h"

namespace kiln::agent {
namespace {

struct Range {
  uint32_t first;
  uint32_t last;
};
// C1 controls, soft hyphen, and the marks and separators of Unicode that turn directions or show nothing.
constexpr Range kInvisible[] = {{0x7f, 0x9f},     {0xad, 0xad},     {0x61c, 0x61c},
                                {0x200b, 0x200f}, {0x2028, 0x202e}, {0x2060, 0x206f},
                                {0xfeff, 0xfeff}, {0xfff9, 0xfffb}, {0xe0000, 0xe007f}};

// The code point at the start of `text` (valid UTF-8, not empty) and its length.
std::pair<uint32_t, size_t> CodePoint(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint32_t>(static_cast<unsigned char>(text[i])); };
  const uint32_t lead = byte(0);
  const size_t length = lead < 0xc0 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  if (length == 1 || length > text.size()) return {lead, 1};
  uint32_t point = lead & (0xffu >> (length + 1));
  for (size_t i = 1; i < length; ++i) point = (point << 6) | (byte(i) & 0x3f);
  return {point, length};
}

size_t Width(std::string_view text) {
  return static_cast<size_t>(std::ranges::count_if(text, [](char c) { return (c & 0xc0) != 0x80; }));
}

constexpr std::string_view kRedacted = "[redacted]";

// Where the secret behind a "Bearer " ends.
size_t EndOfToken(std::string_view text, size_t from) {
  const size_t end = text.find_first_of(" \t\r\n\"',;", from);
  return end == std::string_view::npos ? text.size() : end;
}

// A word of a sentence ("Basic authentication") is none.
bool LooksLikeToken(std::string_view word) {
  return word.size() >= 8 && std::any_of(word.begin() + 1, word.end(),
                                         [](char c) { return !absl::ascii_islower(static_cast<unsigned char>(c)); });
}

}  // namespace

std::string VisibleText(std::string_view text) {
  const std::string valid = profile::ToValidUtf8(text);
  std::string out;
  out.reserve(valid.size());
  for (std::string_view rest = valid; !rest.empty();) {
    const auto [point, length] = CodePoint(rest);
    if (point == '\n') {
      out += "\\n";
    } else if (point == '\t') {
      out += "\\t";
    } else if (point < 0x20 || point == 0x7f) {
      out += fmt::format("\\x{:02x}", point);
    } else if (std::ranges::any_of(kInvisible, [point = point](const Range& range) {
                 return range.first <= point && point <= range.last;
               })) {
      out += fmt::format("\\u{{{:x}}}", point);
    } else {
      out += rest.substr(0, length);
    }
    rest.remove_prefix(length);
  }
  return out;
}

std::string HtmlText(std::string_view text) {
  std::string out;
  for (const char c : VisibleText(text)) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      default: out += c;
    }
  }
  return out;
}

std::string TextTable(const std::vector<std::string>& titles, const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::vector<std::string>> cells;
  std::vector<std::string>& heads = cells.emplace_back();
  for (const std::string& title : titles) heads.push_back(title.starts_with('>') ? title.substr(1) : title);
  for (const auto& row : rows) {
    std::vector<std::string>& line = cells.emplace_back();
    for (const std::string& cell : row) line.push_back(VisibleText(cell));
  }
  std::vector<size_t> widths(titles.size(), 0);
  for (const auto& row : cells) {
    for (size_t i = 0; i < row.size() && i < widths.size(); ++i) widths[i] = std::max(widths[i], Width(row[i]));
  }
  std::string out;
  for (const auto& row : cells) {
    std::string line;
    for (size_t i = 0; i < row.size() && i < widths.size(); ++i) {
      const std::string gap(widths[i] - Width(row[i]), ' ');
      if (i > 0) line += "  ";
      line += titles[i].starts_with('>') ? gap + row[i] : row[i] + gap;
    }
    line.resize(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  }
  return out;
}

std::string BytesText(uint64_t bytes) {
  constexpr std::array kUnits = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  if (bytes < 1024) return fmt::format("{} B", bytes);
  double value = static_cast<double>(bytes) / 1024;
  size_t unit = 0;
  while (value >= 1024 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  return fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string RedactSecrets(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const std::string_view rest = text.substr(at);
    bool scheme_found = false;
    for (const std::string_view scheme : {std::string_view("bearer "), std::string_view("basic ")}) {
      if (!absl::StartsWithIgnoreCase(absl::string_view(rest.data(), rest.size()),
                                      absl::string_view(scheme.data(), scheme.size()))) {
        continue;
      }
      if (at > 0 && absl::ascii_isalnum(static_cast<unsigned char>(text[at - 1]))) continue;
      const size_t token = at + scheme.size();
      const size_t end = EndOfToken(text, token);
      if (!LooksLikeToken(text.substr(token, end - token))) continue;
      out += rest.substr(0, scheme.size());
      out += kRedacted;
      at = end;
      scheme_found = true;
      break;
    }
    if (scheme_found) continue;
    if (rest.starts_with("://")) {
      // The authority ends at the path; the last '@' in it ends user and password.
      const size_t end = std::min(rest.find_first_of("/?# \t\r\n\"'", 3), rest.size());
      const size_t user_end = rest.substr(0, end).rfind('@');
      out += "://";
      at += 3;
      if (user_end != std::string_view::npos) {
        out += kRedacted;
        at += user_end - 3;  // at the '@'
      }
      continue;
    }
    out += text[at++];
  }
  return out;
}

bool IsSecretName(std::string_view name) {
  std::string lower = absl::AsciiStrToLower(absl::string_view(name.data(), name.size()));
  std::erase_if(lower, [](char c) { return c == '-' || c == '_' || c == '.'; });
  for (const char* word :
       {"password", "passwd", "secret", "token", "authorization", "apikey", "credential", "privatekey", "cookie"}) {
    if (lower.find(word) != std::string::npos) return true;
  }
  return false;
}

}  // namespace kiln::agent
