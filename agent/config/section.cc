// SPDX-License-Identifier: Apache-2.0
#include "agent/config/section.h"

#include <absl/strings/match.h>
#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <optional>

#include "agent/config/scalars.h"

namespace kiln::agent::config {
namespace {

bool IsPlain(const Value& value) { return !value.quoted; }

std::string Wanted(const Value& value, std::string_view wanted) {
  if (value.kind == Value::Kind::kScalar && value.quoted) {
    return fmt::format("{} in quotes is a text; write {}", Quoted(value.text), wanted);
  }
  return fmt::format("{} is not {}", Describe(value), wanted);
}

std::string Limits(std::string_view least, std::string_view most) { return fmt::format("from {} to {}", least, most); }

}  // namespace

std::string Describe(const Value& value) {
  switch (value.kind) {
    case Value::Kind::kNull: return "nothing";
    case Value::Kind::kScalar: return Quoted(value.text);
    case Value::Kind::kList: return "a list";
    case Value::Kind::kMap: return "a map";
  }
  return "";
}

Section::Section(const Value* value, const Place& place, std::string path, Report& report, Origins& origins)
    : map_(value), place_(place), path_(std::move(path)), report_(report), origins_(origins) {
  if (map_ == nullptr || map_->kind == Value::Kind::kMap) return;
  if (map_->kind != Value::Kind::kNull) {
    report_.Error(map_->place, path_, fmt::format("{} is not a map of keys and values", Describe(*map_)));
    is_wrong_ = true;
  }
  map_ = nullptr;
}

std::string Section::PathOf(std::string_view key) const {
  if (key.empty()) return path_;
  return path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key);
}

const Place& Section::PlaceOf(std::string_view key) const {
  const Member* member = map_ == nullptr ? nullptr : map_->Find(key);
  return member == nullptr ? place_ : member->place;
}

bool Section::Has(std::string_view key) const { return map_ != nullptr && map_->Find(key) != nullptr; }

void Section::Error(std::string_view key, std::string message) {
  // A value that could not be read is wrong enough; what follows from its absence would only confuse.
  if (is_wrong_ || (!key.empty() && report_.HasErrorAt(PathOf(key)))) return;
  report_.Error(PlaceOf(key), PathOf(key), std::move(message));
}

void Section::Warning(std::string_view key, std::string message) {
  report_.Warning(PlaceOf(key), PathOf(key), std::move(message));
}

void Section::ItemError(std::string_view key, size_t index, std::string message) {
  const Member* member = map_ == nullptr ? nullptr : map_->Find(key);
  const bool is_there = member != nullptr && index < member->value.items.size();
  report_.Error(is_there ? member->value.items[index].place : PlaceOf(key),
                is_there ? fmt::format("{}[{}]", PathOf(key), index) : PathOf(key), std::move(message));
}

void Section::Finish() {
  if (map_ == nullptr || ignores_rest_) return;
  for (const Member& member : map_->members) {
    if (std::find(known_.begin(), known_.end(), member.key) != known_.end()) continue;
    const std::string allowed = known_.empty() ? "No key is allowed here" : "Allowed: " + JoinNames(known_, ", ");
    const std::string near = DidYouMean(member.key, known_);
    report_.Error(member.place, PathOf(member.key.size() <= 100 ? member.key : member.key.substr(0, 100) + "…"),
                  fmt::format("unknown key{} {}", near.empty() ? "." : near, allowed));
  }
}

const Value* Section::Take(std::string_view key) {
  if (std::find(known_.begin(), known_.end(), key) == known_.end()) known_.push_back(key);
  const Member* member = map_ == nullptr ? nullptr : map_->Find(key);
  return member == nullptr || member->value.kind == Value::Kind::kNull ? nullptr : &member->value;
}

const Value* Section::TakeScalar(std::string_view key, std::string_view wanted) {
  const Value* value = Take(key);
  if (value == nullptr || value->kind == Value::Kind::kScalar) return value;
  report_.Error(value->place, PathOf(key), Wanted(*value, wanted));
  return nullptr;
}

const Value* Section::TakeList(std::string_view key, std::string_view wanted) {
  const Value* value = Take(key);
  if (value == nullptr || value->kind == Value::Kind::kList) return value;
  report_.Error(value->place, PathOf(key), Wanted(*value, wanted));
  return nullptr;
}

void Section::Bool(std::string_view key, bool& out) {
  constexpr std::string_view kWanted = "true or false";
  const Value* value = TakeScalar(key, kWanted);
  if (value == nullptr) return;
  const std::string& text = value->text;
  const bool is_true = text == "true" || text == "True" || text == "TRUE";
  const bool is_false = text == "false" || text == "False" || text == "FALSE";
  if (!IsPlain(*value) || (!is_true && !is_false)) {
    report_.Error(value->place, PathOf(key), Wanted(*value, kWanted));
    return;
  }
  out = is_true;
  Set(key, *value);
}

void Section::Int(std::string_view key, int64_t& out, int64_t least, int64_t most) {
  constexpr std::string_view kWanted = "a whole number";
  const Value* value = TakeScalar(key, kWanted);
  if (value == nullptr) return;
  const auto number = ParseInt(value->text);
  if (!number || !IsPlain(*value)) {
    report_.Error(value->place, PathOf(key),
                  Wanted(*value, fmt::format("{} {}", kWanted, Limits(std::to_string(least), std::to_string(most)))));
  } else if (*number < least || *number > most) {
    Error(key, fmt::format("{} is outside of what is allowed: {}", *number,
                           Limits(std::to_string(least), std::to_string(most))));
  } else {
    out = *number;
    Set(key, *value);
  }
}

void Section::Number(std::string_view key, double& out, double least, double most) {
  constexpr std::string_view kWanted = "a number";
  const Value* value = TakeScalar(key, kWanted);
  if (value == nullptr) return;
  const auto number = ParseNumber(value->text);
  const std::string limits = Limits(NumberText(least), NumberText(most));
  if (!number || !IsPlain(*value)) {
    report_.Error(value->place, PathOf(key), Wanted(*value, fmt::format("{} {}", kWanted, limits)));
  } else if (*number < least || *number > most) {
    Error(key, fmt::format("{} is outside of what is allowed: {}", NumberText(*number), limits));
  } else {
    out = *number;
    Set(key, *value);
  }
}

void Section::Duration(std::string_view key, absl::Duration& out, absl::Duration least, absl::Duration most) {
  constexpr std::string_view kWanted = "a time with a unit, such as 500ms, 15s or 1m30s";
  const Value* value = TakeScalar(key, kWanted);
  if (value == nullptr) return;
  const auto duration = ParseDuration(value->text);
  if (!duration) {
    const bool lacks_unit = ParseNumber(value->text).has_value();
    report_.Error(value->place, PathOf(key),
                  lacks_unit
                      ? fmt::format("{} has no unit; write {}s, or {}ms", Quoted(value->text), value->text, value->text)
                      : fmt::format("{} is not {}", Describe(*value), kWanted));
  } else if (*duration < least || *duration > most) {
    Error(key, fmt::format("{} is outside of what is allowed: {}", DurationText(*duration),
                           Limits(DurationText(least), DurationText(most))));
  } else {
    out = *duration;
    Set(key, *value);
  }
}

void Section::Bytes(std::string_view key, int64_t& out, int64_t least, int64_t most) {
  constexpr std::string_view kWanted = "a size such as 48MiB, 512KiB, 1GiB or a number of bytes";
  const Value* value = TakeScalar(key, kWanted);
  if (value == nullptr) return;
  const auto bytes = ParseBytes(value->text);
  if (!bytes) {
    report_.Error(value->place, PathOf(key), fmt::format("{} is not {}", Describe(*value), kWanted));
  } else if (*bytes < least || *bytes > most) {
    Error(key, fmt::format("{} is outside of what is allowed: {}", BytesText(*bytes),
                           Limits(BytesText(least), BytesText(most))));
  } else {
    out = *bytes;
    Set(key, *value);
  }
}

size_t Section::Choose(std::string_view key, std::span<const Choice> choices, size_t current) {
  const Value* value = TakeScalar(key, "one word");
  if (value == nullptr) return current;
  const size_t chosen = FindChoice(*value, PathOf(key), value->text, choices);
  if (chosen == std::string::npos) return current;
  Set(key, *value);
  return chosen;
}

size_t Section::FindChoice(const Value& value, const std::string& path, const std::string& text,
                           std::span<const Choice> choices) {
  std::vector<std::string_view> all, allowed;
  for (size_t i = 0; i < choices.size(); ++i) {
    if (absl::EqualsIgnoreCase(absl::string_view(choices[i].name.data(), choices[i].name.size()), text)) {
      if (choices[i].refused.empty()) return i;
      report_.Error(value.place, path, fmt::format("{}: {}", text, choices[i].refused));
      return std::string::npos;
    }
    if (choices[i].name.empty()) continue;
    all.push_back(choices[i].name);
    if (choices[i].refused.empty()) allowed.push_back(choices[i].name);
  }
  const std::string near = DidYouMean(text, all);
  report_.Error(value.place, path,
                fmt::format("{} is not known here{} Allowed: {}", Quoted(text), near.empty() ? "." : near,
                            JoinNames(allowed, ", ")));
  return std::string::npos;
}

void Section::Sub(std::string_view key, absl::FunctionRef<void(Fields&)> table) {
  const Value* value = Take(key);
  Section section(value, PlaceOf(key), PathOf(key), report_, origins_);
  table(section);
  section.Finish();
}

void Section::Named(std::string_view key, const std::vector<std::string>& /*ids*/,
                    absl::FunctionRef<void(Fields&, const std::string& id)> table) {
  const Value* value = Take(key);
  if (value == nullptr) return;
  if (value->kind != Value::Kind::kMap) {
    report_.Error(value->place, PathOf(key), fmt::format("{} is not a map of ids", Describe(*value)));
    return;
  }
  for (const Member& member : value->members) {
    Section section(&member.value, member.place, fmt::format("{}.{}", PathOf(key), member.key), report_, origins_);
    table(section, member.key);
    section.Finish();
  }
}

size_t Section::Count(std::string_view key, size_t current) {
  if (Take(key) == nullptr) return current;
  const Value* list = TakeList(key, "a list");
  if (list == nullptr) return current;
  Set(key, *list);
  return list->items.size();
}

void Section::Item(std::string_view key, size_t index, absl::FunctionRef<void(Fields&)> table) {
  const Value* list = Take(key);
  if (list == nullptr || index >= list->items.size()) return;
  Section section(&list->items[index], list->items[index].place, fmt::format("{}[{}]", PathOf(key), index), report_,
                  origins_);
  table(section);
  section.Finish();
}

void Section::Inert(std::string_view key, std::string_view what) {
  if (Take(key) == nullptr) return;
  Warning(key, what.empty() ? "has no effect in kiln" : fmt::format("has no effect in kiln: {}", what));
}

void Section::Refused(std::string_view key, std::string_view why, std::string_view allowed) {
  const Value* value = Take(key);
  if (value == nullptr || (value->kind == Value::Kind::kScalar && value->text == allowed)) return;
  if ((value->kind == Value::Kind::kList && value->items.empty()) ||
      (value->kind == Value::Kind::kMap && value->members.empty())) {
    return;
  }
  if (value->kind == Value::Kind::kList && value->items.size() == 1 && !allowed.empty() &&
      value->items[0].text == allowed) {
    return;
  }
  Error(key, std::string(why));
}

}  // namespace kiln::agent::config
