// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/short_name.h"

#include <array>

namespace kiln::symbolizer {
namespace {

constexpr std::string_view kAnonymous = "(anonymous namespace)";
// Longest first. operator() comes with its empty brackets.
constexpr std::array<std::string_view, 14> kOperators = {
    "operator<=>", "operator<<=", "operator>>=", "operator->*", "operator<<", "operator>>", "operator<=",
    "operator>=",  "operator->",  "operator()",  "operator[]",  "operator<",  "operator>",  "operator,"};

std::string_view OperatorAt(std::string_view text) {
  for (const std::string_view name : kOperators) {
    if (text.starts_with(name)) return name;
  }
  return {};
}

// Where the bracket that opens `text` is closed (index of the closing one); npos if it never is.
size_t ClosingBracket(std::string_view text) {
  std::string expected;
  for (size_t i = 0; i < text.size();) {
    if (const std::string_view op = OperatorAt(text.substr(i)); !op.empty()) {
      i += op.size();
      continue;
    }
    const char c = text[i];
    const bool is_arrow = c == '>' && i > 0 && text[i - 1] == '-';
    if (c == '<') expected += '>';
    if (c == '(') expected += ')';
    if ((c == '>' && !is_arrow) || c == ')') {
      if (expected.empty() || expected.back() != c) return std::string_view::npos;
      expected.pop_back();
      if (expected.empty()) return i;
    }
    ++i;
  }
  return std::string_view::npos;
}

}  // namespace

std::string ShortName(std::string_view name) {
  std::string out;
  for (size_t i = 0; i < name.size();) {
    const std::string_view rest = name.substr(i);
    std::string_view verbatim = OperatorAt(rest);
    if (rest.starts_with(kAnonymous)) verbatim = kAnonymous;
    if (!verbatim.empty()) {
      out += verbatim;
      i += verbatim.size();
      continue;
    }
    const char c = name[i];
    if (c != '<' && c != '(') {
      out += c;
      ++i;
      continue;
    }
    const size_t end = ClosingBracket(rest);
    if (end == std::string_view::npos) return std::string(name);
    out += c;
    if (end > 1) out += "…";
    out += rest[end];
    i += end + 1;
  }
  return out;
}

}  // namespace kiln::symbolizer
