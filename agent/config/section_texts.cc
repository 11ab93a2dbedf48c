// SPDX-License-Identifier: Apache-2.0
// The part of Section that reads texts, lists and maps of texts.
#include <absl/strings/ascii.h>
#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>

#include "agent/config/scalars.h"
#include "agent/config/section.h"

namespace kiln::agent::config {
namespace {

constexpr size_t kMaxRegexBytes = 4096;

// RFC 9110 section 5.6.2: token.
bool IsHeaderName(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return absl::ascii_isalnum(c) ||
           std::string_view("!#$%&'*+-.^_`|~").find(static_cast<char>(c)) != std::string_view::npos;
  });
}

bool HasControlCharacter(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](unsigned char c) { return (c < 0x20 && c != '\t') || c == 0x7f; });
}

}  // namespace

const std::string* Section::TextOf(const Value& value, const std::string& path, std::string_view wanted) {
  if (value.source) return &*value.source;
  if (value.kind == Value::Kind::kScalar) return &value.text;
  report_.Error(value.place, path, fmt::format("{} is not {}", Describe(value), wanted));
  return nullptr;
}

bool Section::CheckText(const Value& value, const std::string& path, const std::string& text, TextKind kind) {
  if (kind != TextKind::kRegex) return true;
  if (text.size() > kMaxRegexBytes) {
    report_.Error(value.place, path, fmt::format("a regular expression of more than {} bytes", kMaxRegexBytes));
    return false;
  }
  const RE2 regex(text, RE2::Quiet);
  if (regex.ok()) return true;
  report_.Error(value.place, path, fmt::format("{} is no regular expression (RE2): {}", Quoted(text), regex.error()));
  return false;
}

void Section::Text(std::string_view key, std::string& out, TextKind kind) {
  const Value* value = Take(key);
  // A variable that holds "null" or "%" holds a text, if a text is wanted.
  const Member* member = map_ == nullptr ? nullptr : map_->Find(key);
  if (member != nullptr && member->value.source && !member->value.source->empty()) value = &member->value;
  if (value == nullptr) return;
  const std::string* text = TextOf(*value, PathOf(key), "a text");
  if (text == nullptr || !CheckText(*value, PathOf(key), *text, kind)) return;
  out = *text;
  Set(key, *value);
}

void Section::Texts(std::string_view key, std::vector<std::string>& out, TextKind kind) {
  const Value* list = TakeList(key, "a list");
  if (list == nullptr) return;
  std::vector<std::string> texts;
  for (size_t i = 0; i < list->items.size(); ++i) {
    const Value& item = list->items[i];
    const std::string path = fmt::format("{}[{}]", PathOf(key), i);
    const std::string* text = TextOf(item, path, "a text");
    if (text != nullptr && CheckText(item, path, *text, kind)) texts.push_back(*text);
  }
  out = std::move(texts);
  Set(key, *list);
}

void Section::ChooseSome(std::string_view key, std::span<const Choice> choices, std::vector<std::string>& out) {
  const Value* list = TakeList(key, "a list");
  if (list == nullptr) return;
  std::vector<std::string> texts;
  for (size_t i = 0; i < list->items.size(); ++i) {
    const Value& item = list->items[i];
    const std::string path = fmt::format("{}[{}]", PathOf(key), i);
    const std::string* text = TextOf(item, path, "a word");
    if (text == nullptr || FindChoice(item, path, *text, choices) == std::string::npos) continue;
    if (std::find(texts.begin(), texts.end(), *text) == texts.end()) texts.push_back(*text);
  }
  out = std::move(texts);
  Set(key, *list);
}

void Section::Ints(std::string_view key, std::vector<int64_t>& out, int64_t least, int64_t most) {
  const Value* list = TakeList(key, "a list");
  if (list == nullptr) return;
  std::vector<int64_t> numbers;
  for (size_t i = 0; i < list->items.size(); ++i) {
    const Value& item = list->items[i];
    const auto number = item.kind == Value::Kind::kScalar && !item.quoted ? ParseInt(item.text) : std::nullopt;
    if (number && *number >= least && *number <= most) {
      numbers.push_back(*number);
    } else {
      report_.Error(item.place, fmt::format("{}[{}]", PathOf(key), i),
                    fmt::format("{} is not a whole number from {} to {}", Describe(item), least, most));
    }
  }
  out = std::move(numbers);
  Set(key, *list);
}

void Section::AddPair(const Place& place, const std::string& path, std::string name, std::string text, MapKind kind,
                      std::vector<std::pair<std::string, std::string>>& into) {
  if (kind == MapKind::kHeaders && !IsHeaderName(name)) {
    report_.Error(place, path, fmt::format("{} is no name of a header", Quoted(name)));
  } else if (kind == MapKind::kHeaders && HasControlCharacter(text)) {
    report_.Error(place, path, "a header's value holds no line ends and no control characters");
  } else {
    into.emplace_back(std::move(name), std::move(text));
  }
}

void Section::Map(std::string_view key, std::vector<std::pair<std::string, std::string>>& out, MapKind kind) {
  const Value* value = Take(key);
  if (value == nullptr) return;
  std::vector<std::pair<std::string, std::string>> pairs;
  if (value->kind == Value::Kind::kMap) {
    for (const Member& member : value->members) {
      const std::string path = fmt::format("{}.{}", PathOf(key), member.key);
      static const std::string kNothing;
      const std::string* text =
          member.value.kind == Value::Kind::kNull ? &kNothing : TextOf(member.value, path, "a text");
      if (text != nullptr) AddPair(member.place, path, member.key, *text, kind, pairs);
    }
  } else if (value->kind == Value::Kind::kList && kind == MapKind::kHeaders) {
    for (size_t i = 0; i < value->items.size(); ++i) {
      std::string name, text;
      Item(key, i, [&](Fields& f) {
        f.Text("name", name);
        f.Text("value", text, TextKind::kSecret);
        if (name.empty()) f.Error("name", "name is missing");
      });
      if (!name.empty()) {
        AddPair(value->items[i].place, fmt::format("{}[{}]", PathOf(key), i), name, text, kind, pairs);
      }
    }
  } else {
    report_.Error(value->place, PathOf(key), fmt::format("{} is not a map of names and texts", Describe(*value)));
    return;
  }
  out = std::move(pairs);
  Set(key, *value);
}

}  // namespace kiln::agent::config
