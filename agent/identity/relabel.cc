// SPDX-License-Identifier: Apache-2.0
#include "agent/identity/relabel.h"

#include <re2/re2.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "agent/identity/pattern.h"
#include "profile/utf8.h"

namespace kiln::agent::identity {
namespace {

constexpr size_t kMaxKeyBytes = 1024;
constexpr size_t kMaxTemplateBytes = 2048;
constexpr size_t kMaxResultBytes = 64 << 10;
// Pyroscope makes this one of service.name and refuses a series that has it twice.
constexpr std::string_view kReservedKey = "service_name";

// A piece of a template: text, or the group of a match.
struct Piece {
  std::string text;
  int group = -1;  // -1 = text
};

// A number or name of a group, at the start of `text`; empty if there is none. $12x is group 12 and an x.
std::string_view GroupName(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789";
  constexpr std::string_view kWord = "0123456789_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  const bool number = !text.empty() && kDigits.find(text[0]) != std::string_view::npos;
  return text.substr(0, text.find_first_not_of(number ? kDigits : kWord));
}

std::optional<int> GroupNumber(std::string_view name, const RE2& regex) {
  if (name.empty()) return std::nullopt;
  if (name[0] >= '0' && name[0] <= '9') {
    if (name.size() > 3 || name.find_first_not_of("0123456789") != std::string_view::npos) return std::nullopt;
    const int number = std::stoi(std::string(name));
    return number <= regex.NumberOfCapturingGroups() ? std::optional(number) : std::nullopt;
  }
  const auto& names = regex.NamedCapturingGroups();
  const auto found = names.find(std::string(name));
  return found != names.end() ? std::optional(found->second) : std::nullopt;
}

StatusOr<std::vector<Piece>> ParseTemplate(std::string_view text, const RE2& regex) {
  std::vector<Piece> pieces;
  std::string plain;
  while (!text.empty()) {
    const char c = text[0];
    const bool escape = (c == '$' || c == '\\') && text.size() > 1;
    if (escape && text[1] == c) {
      plain += c;
      text.remove_prefix(2);
      continue;
    }
    const bool braces = escape && c == '$' && text[1] == '{';
    const std::string_view rest = escape ? text.substr(braces ? 2 : 1) : "";
    const std::string_view name = GroupName(rest);
    const bool is_group = escape && (braces || (!name.empty() && (c == '$' || name[0] <= '9')));
    if (!is_group) {
      plain += c;
      text.remove_prefix(1);
      continue;
    }
    const auto number = GroupNumber(name, regex);
    if (!number || (braces && rest.substr(name.size(), 1) != "}")) {
      return Error(absl::StatusCode::kInvalidArgument,
                   "value \"{}\" refers to a group that the regex does not have (write $$ for a dollar sign)",
                   std::string(plain) + std::string(text));
    }
    if (!plain.empty()) pieces.push_back({.text = std::exchange(plain, "")});
    pieces.push_back({.text = "", .group = *number});
    text = rest.substr(name.size() + (braces ? 1 : 0));
  }
  if (!plain.empty()) pieces.push_back({.text = std::move(plain)});
  return pieces;
}

Status CheckKey(std::string_view what, std::string_view key) {
  if (key.size() > kMaxKeyBytes) {
    return Error(absl::StatusCode::kInvalidArgument, "the {} is longer than {} bytes", what, kMaxKeyBytes);
  }
  if (!profile::IsValidUtf8(key)) return Error(absl::StatusCode::kInvalidArgument, "the {} is no UTF-8", what);
  return absl::OkStatus();
}

}  // namespace

std::string_view NameOf(RelabelAction action) {
  switch (action) {
    case RelabelAction::kKeep: return "keep";
    case RelabelAction::kDrop: return "drop";
    case RelabelAction::kSet: return "set";
    case RelabelAction::kRemove: return "remove";
  }
  return "";
}

struct Relabeler::Compiled {
  RelabelAction action;
  std::string source;
  std::string target;
  std::unique_ptr<RE2> regex;
  std::vector<Piece> value;
  bool always = false;
};

Relabeler::Relabeler(std::vector<std::unique_ptr<const Compiled>> rules) : rules_(std::move(rules)) {}
Relabeler::Relabeler(Relabeler&&) noexcept = default;
Relabeler& Relabeler::operator=(Relabeler&&) noexcept = default;
Relabeler::~Relabeler() = default;

StatusOr<std::unique_ptr<const Relabeler::Compiled>> Relabeler::CompileRule(const RelabelRule& rule) {
  const bool decides = rule.action == RelabelAction::kKeep || rule.action == RelabelAction::kDrop;
  const auto invalid = [](std::string_view what) { return absl::InvalidArgumentError(std::string(what)); };
  KILN_RETURN_IF_ERROR(CheckKey("source", rule.source));
  KILN_RETURN_IF_ERROR(CheckKey("target", rule.target));
  if (decides && rule.source.empty()) return invalid("needs a source: the key of the attribute that decides");
  if (decides && !rule.target.empty()) return invalid("takes no target: it decides about the whole process");
  if (!decides && rule.target.empty()) return invalid("needs a target: the key of the attribute that it changes");
  if (rule.action != RelabelAction::kSet && !rule.value.empty()) return invalid("takes no value");
  if (rule.action == RelabelAction::kSet && rule.target == kReservedKey) {
    return invalid("cannot set service_name, which back ends make of service.name: set that");
  }
  if (rule.value.size() > kMaxTemplateBytes || !profile::IsValidUtf8(rule.value)) {
    return invalid("needs a value of UTF-8 that is at most 2048 bytes long");
  }
  auto regex = CompilePattern(rule.regex, /*anchored=*/true);
  if (!regex.ok()) return Annotate(regex.status(), "regex");
  auto compiled = std::make_unique<Compiled>();
  compiled->action = rule.action;
  compiled->source = rule.source;
  compiled->target = rule.target;
  compiled->regex = *std::move(regex);
  compiled->always = rule.source.empty();
  KILN_ASSIGN_OR_RETURN(compiled->value, ParseTemplate(rule.value, *compiled->regex));
  return std::unique_ptr<const Compiled>(std::move(compiled));
}

Status Relabeler::Check(const RelabelRule& rule) { return CompileRule(rule).status(); }

StatusOr<Relabeler> Relabeler::Compile(const std::vector<RelabelRule>& rules) {
  if (rules.size() > kMaxRelabelRules) {
    return Error(absl::StatusCode::kInvalidArgument, "{} relabel rules are too many: {} are allowed", rules.size(),
                 kMaxRelabelRules);
  }
  std::vector<std::unique_ptr<const Compiled>> compiled;
  std::string errors;
  for (size_t i = 0; i < rules.size(); ++i) {
    auto rule = CompileRule(rules[i]);
    if (rule.ok()) {
      compiled.push_back(*std::move(rule));
    } else {
      errors += fmt::format("{}relabel rule {} ({}): {}", errors.empty() ? "" : "; ", i + 1, NameOf(rules[i].action),
                            Message(rule.status()));
    }
  }
  if (!errors.empty()) return absl::InvalidArgumentError(errors);
  return Relabeler(std::move(compiled));
}

bool Relabeler::Sets(std::string_view key) const {
  return std::ranges::any_of(
      rules_, [&](const auto& rule) { return rule->action == RelabelAction::kSet && rule->target == key; });
}

bool Relabeler::Apply(Attributes& attributes) const {
  std::vector<re2::StringPiece> groups;
  for (const auto& rule : rules_) {
    const Attribute* source = rule->always ? nullptr : Find(attributes, rule->source);
    const std::string text = source != nullptr ? TextOf(*source) : "";
    groups.assign(static_cast<size_t>(rule->regex->NumberOfCapturingGroups()) + 1, {});
    const bool matches =
        rule->regex->Match(text, 0, text.size(), RE2::ANCHOR_BOTH, groups.data(), static_cast<int>(groups.size())) ||
        rule->always;
    if (rule->action == RelabelAction::kKeep && !matches) return false;
    if (rule->action == RelabelAction::kDrop && matches) return false;
    if (rule->action == RelabelAction::kKeep || rule->action == RelabelAction::kDrop || !matches) continue;

    std::string value;
    for (const Piece& piece : rule->value) {
      if (piece.group < 0) {
        value += piece.text;
      } else if (const re2::StringPiece& group = groups[static_cast<size_t>(piece.group)]; group.data() != nullptr) {
        value.append(group.data(), group.size());
      }
      if (value.size() > kMaxResultBytes) value.resize(kMaxResultBytes);
    }
    const auto target = std::ranges::find(attributes, rule->target, &Attribute::key);
    if (value.empty()) {
      if (target != attributes.end()) attributes.erase(target);
    } else if (target != attributes.end()) {
      target->value = profile::ToValidUtf8(value);
    } else {
      attributes.push_back({.key = rule->target, .value = profile::ToValidUtf8(value)});
    }
  }
  return true;
}

}  // namespace kiln::agent::identity
