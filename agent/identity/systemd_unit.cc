// SPDX-License-Identifier: Apache-2.0
#include "agent/identity/systemd_unit.h"

#include <algorithm>

namespace kiln::agent::identity {
namespace {

constexpr size_t kMaxUnitBytes = 255;  // UNIT_NAME_MAX
constexpr std::string_view kSuffix = ".service";

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool IsUnitCharacter(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         std::string_view(":-_.\\@").find(c) != std::string_view::npos;
}

bool AllDigits(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

// Of systemd-run and others: run-17, run-u17, run-p17-i18, run-r and 32 hex digits.
bool IsTransient(std::string_view name) {
  if (!name.starts_with("run-")) return false;
  name.remove_prefix(4);
  if (AllDigits(name) || (name.starts_with('u') && AllDigits(name.substr(1)))) return true;
  if (name.size() == 33 && name.starts_with('r')) {
    return std::ranges::all_of(name.substr(1), [](char c) { return HexValue(c) >= 0; });
  }
  const size_t dash = name.find("-i");
  return name.starts_with('p') && dash != std::string_view::npos && AllDigits(name.substr(1, dash - 1)) &&
         AllDigits(name.substr(dash + 2));
}

}  // namespace

bool IsServiceUnit(std::string_view name) {
  if (name.starts_with('_')) name.remove_prefix(1);
  if (name.size() <= kSuffix.size() || name.size() > kMaxUnitBytes || !name.ends_with(kSuffix)) return false;
  if (name.starts_with('@') || name.starts_with("user@")) return false;
  return std::ranges::all_of(name, IsUnitCharacter);
}

std::string UnescapeUnit(std::string_view name) {
  std::string plain;
  plain.reserve(name.size());
  for (size_t i = 0; i < name.size(); ++i) {
    const bool escape = name.substr(i).starts_with("\\x") && i + 3 < name.size();
    const int high = escape ? HexValue(name[i + 2]) : -1;
    const int low = escape ? HexValue(name[i + 3]) : -1;
    if (high >= 0 && low >= 0 && high + low > 0) {  // systemd writes no zero byte
      plain += static_cast<char>(high * 16 + low);
      i += 3;
    } else {
      plain += name[i];
    }
  }
  return plain;
}

std::string ServiceNameOfUnit(std::string_view unit) {
  if (!IsServiceUnit(unit)) return "";
  unit.remove_suffix(kSuffix.size());
  if (unit.starts_with('_')) unit.remove_prefix(1);
  if (IsTransient(unit)) return "";
  unit = unit.substr(0, unit.find('@'));
  // dbus-:1.42-org.freedesktop.problems@0.service: the number is that of one bus connection.
  if (unit.starts_with("dbus-:")) {
    const size_t dash = unit.find('-', sizeof("dbus-:") - 1);
    if (dash == std::string_view::npos) return "";
    unit.remove_prefix(dash + 1);
  }
  return UnescapeUnit(unit);
}

}  // namespace kiln::agent::identity
