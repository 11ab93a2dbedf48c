// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/rust_identifier.h"

#include <fmt/format.h>

#include <charconv>
#include <utility>
#include <vector>

namespace kiln::symbolizer {
namespace {

constexpr size_t kMaxPunycodeCharacters = 128;

// The character behind $…$; "" if unknown.
std::string LegacyEscape(std::string_view code) {
  constexpr std::pair<std::string_view, std::string_view> kEscapes[] = {
      {"SP", "@"}, {"BP", "*"}, {"RF", "&"}, {"LT", "<"}, {"GT", ">"}, {"LP", "("}, {"RP", ")"}, {"C", ","}};
  for (const auto& [name, text] : kEscapes) {
    if (code == name) return std::string(text);
  }
  if (!code.starts_with('u') || code.size() < 2 || code.size() > 7) return "";
  uint32_t code_point = 0;
  const char* end = code.data() + code.size();
  const auto [after, error] = std::from_chars(code.data() + 1, end, code_point, 16);
  return error == std::errc() && after == end && code_point >= 0x20 ? EncodeUtf8(code_point) : "";
}

}  // namespace

std::string EncodeUtf8(uint32_t code_point) {
  std::string out;
  const auto put = [&out](uint32_t byte) { out.push_back(static_cast<char>(byte)); };
  const auto put_tail = [&](int shift) { put(0x80 | ((code_point >> shift) & 0x3F)); };
  if (code_point > 0x10FFFF || (code_point >= 0xD800 && code_point < 0xE000)) return "";
  if (code_point < 0x80) {
    put(code_point);
  } else if (code_point < 0x800) {
    put(0xC0 | (code_point >> 6));
    put_tail(0);
  } else if (code_point < 0x10000) {
    put(0xE0 | (code_point >> 12));
    put_tail(6);
    put_tail(0);
  } else {
    put(0xF0 | (code_point >> 18));
    put_tail(12);
    put_tail(6);
    put_tail(0);
  }
  return out;
}

std::optional<std::string> DecodePunycode(std::string_view encoded) {
  std::vector<uint32_t> characters;
  if (const size_t delimiter = encoded.rfind('_'); delimiter != std::string_view::npos) {
    for (const char c : encoded.substr(0, delimiter)) characters.push_back(static_cast<unsigned char>(c));
    encoded.remove_prefix(delimiter + 1);
  }
  if (encoded.empty()) return std::nullopt;
  // The names of RFC 3492, section 6.2.
  constexpr uint32_t kBase = 36, kTMin = 1, kTMax = 26, kSkew = 38, kDamp = 700;
  uint64_t n = 0x80, i = 0, bias = 72, damp = kDamp;
  while (!encoded.empty()) {
    uint64_t delta = 0, weight = 1;
    for (uint64_t k = kBase;; k += kBase) {
      if (encoded.empty()) return std::nullopt;
      const char c = encoded.front();
      encoded.remove_prefix(1);
      uint64_t digit;
      if (c >= 'a' && c <= 'z') {
        digit = static_cast<uint64_t>(c - 'a');
      } else if (c >= '0' && c <= '9') {
        digit = static_cast<uint64_t>(c - '0') + 26;
      } else {
        return std::nullopt;
      }
      delta += digit * weight;
      if (delta > UINT32_MAX) return std::nullopt;
      const uint64_t threshold = k <= bias ? kTMin : k - bias >= kTMax ? kTMax : k - bias;
      if (digit < threshold) break;
      weight *= kBase - threshold;
      if (weight > UINT32_MAX) return std::nullopt;
    }
    const uint64_t length = characters.size() + 1;
    if (length > kMaxPunycodeCharacters) return std::nullopt;
    i += delta;
    n += i / length;
    i %= length;
    if (n > 0x10FFFF) return std::nullopt;
    characters.insert(characters.begin() + static_cast<ptrdiff_t>(i), static_cast<uint32_t>(n));
    ++i;
    delta = delta / damp;
    damp = 2;
    delta += delta / length;
    uint64_t k = 0;
    for (; delta > ((kBase - kTMin) * kTMax) / 2; k += kBase) delta /= kBase - kTMin;
    bias = k + (kBase - kTMin + 1) * delta / (delta + kSkew);
  }
  std::string out;
  for (const uint32_t character : characters) out += EncodeUtf8(character);
  return out;
}

std::string UnescapeLegacy(std::string_view part) {
  if (part.starts_with("_$")) part.remove_prefix(1);  // identifiers must not start with $
  std::string out;
  while (!part.empty()) {
    if (part.starts_with("..")) {
      out += "::";
      part.remove_prefix(2);
      continue;
    }
    if (const size_t end = part.find('$', 1); part.front() == '$' && end != std::string_view::npos) {
      const std::string text = LegacyEscape(part.substr(1, end - 1));
      if (!text.empty()) {
        out += text;
        part.remove_prefix(end + 1);
        continue;
      }
    }
    out.push_back(part.front());
    part.remove_prefix(1);
  }
  return out;
}

std::string QuoteRust(std::string_view text, char quote) {
  std::string out(1, quote);
  for (const char c : text) {
    if (c == quote || c == '\\') out.push_back('\\');
    if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
      out += fmt::format("\\u{{{:x}}}", static_cast<unsigned>(c));
    } else {
      out.push_back(c);
    }
  }
  out.push_back(quote);
  return out;
}

}  // namespace kiln::symbolizer
