// SPDX-License-Identifier: Apache-2.0
#include "agent/identity/resource_attributes.h"

#include <algorithm>
#include <optional>

#include "profile/utf8.h"

namespace kiln::agent::identity {
namespace {

constexpr size_t kMaxMembers = 128;

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string_view Trim(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  text.remove_prefix(std::min(text.find_first_not_of(kSpace), text.size()));
  return text.substr(0, text.find_last_not_of(kSpace) + 1);
}

// nullopt for a broken %XX and for what is no UTF-8.
std::optional<std::string> Decode(std::string_view text) {
  std::string plain;
  plain.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      plain += text[i];
      continue;
    }
    if (i + 2 >= text.size() || HexValue(text[i + 1]) < 0 || HexValue(text[i + 2]) < 0) return std::nullopt;
    plain += static_cast<char>(HexValue(text[i + 1]) * 16 + HexValue(text[i + 2]));
    i += 2;
  }
  if (!profile::IsValidUtf8(plain)) return std::nullopt;
  return plain;
}

Status MemberError(size_t member, std::string_view what) {
  return Error(absl::StatusCode::kInvalidArgument, "member {} of OTEL_RESOURCE_ATTRIBUTES {}", member, what);
}

}  // namespace

StatusOr<Attributes> ParseResourceAttributes(std::string_view text) {
  Attributes attributes;
  for (size_t member = 1; !text.empty(); ++member) {
    const std::string_view pair = text.substr(0, text.find(','));
    text.remove_prefix(std::min(pair.size() + 1, text.size()));
    if (Trim(pair).empty()) continue;
    if (member > kMaxMembers) return MemberError(member, "is one too many: 128 are allowed");
    const size_t equals = pair.find('=');
    if (equals == std::string_view::npos) return MemberError(member, "has no \"=\"");
    const auto key = Decode(Trim(pair.substr(0, equals)));
    // A bare "=" within a value is against the rules, but every SDK takes it: base64 ends with it.
    auto value = Decode(Trim(pair.substr(equals + 1)));
    if (!key || !value) return MemberError(member, "is not percent-encoded UTF-8");
    if (key->empty()) return MemberError(member, "has no key");
    const auto same = std::ranges::find(attributes, *key, &Attribute::key);
    if (same != attributes.end()) attributes.erase(same);
    if (!value->empty()) attributes.push_back({.key = *key, .value = *std::move(value)});
  }
  return attributes;
}

const std::string* FindVariable(const Environment& environment, std::string_view name) {
  for (const auto& [key, value] : environment) {
    if (key == name) return &value;
  }
  return nullptr;
}

Environment ParseEnvironment(std::string_view text, const std::vector<std::string>& names, bool complete) {
  Environment environment;
  while (!text.empty() && environment.size() < names.size()) {
    const size_t zero = text.find('\0');
    if (zero == std::string_view::npos && !complete) break;
    const std::string_view entry = text.substr(0, zero);
    text.remove_prefix(zero == std::string_view::npos ? text.size() : zero + 1);
    const size_t equals = entry.find('=');
    if (equals == std::string_view::npos) continue;
    const std::string_view name = entry.substr(0, equals);
    if (std::ranges::find(names, name) == names.end() || FindVariable(environment, name) != nullptr) continue;
    environment.emplace_back(name, entry.substr(equals + 1));
  }
  return environment;
}

}  // namespace kiln::agent::identity
