// SPDX-License-Identifier: Apache-2.0
#include "agent/config/expand.h"

#include <absl/strings/ascii.h>
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "agent/config/yaml.h"

namespace kiln::agent::config {
namespace {

constexpr size_t kMaxRounds = 10'000;          // ${…} in one configuration
constexpr size_t kMaxBytes = kMaxConfigBytes;  // that all of them bring in
constexpr int kMaxNesting = 16;                // of ${…} in each other
constexpr size_t kMaxNameLength = 200;

// Where the ${ at `start` is closed (index of its }); npos if it never is.
size_t ClosingBrace(std::string_view text, size_t start) {
  int depth = 0;
  for (size_t i = start; i < text.size(); ++i) {
    if (text[i] == '$' && i + 1 < text.size() && text[i + 1] == '{') {
      ++depth;
      ++i;
    } else if (text[i] == '}' && --depth == 0) {
      return i;
    }
  }
  return std::string_view::npos;
}

// The first `what` that is in no inner ${…}.
size_t FindOutside(std::string_view text, std::string_view what) {
  for (size_t i = 0; i < text.size(); ++i) {
    if (text.substr(i).starts_with("${")) {
      i = ClosingBrace(text, i);
      if (i == std::string_view::npos) return i;
    } else if (text.substr(i).starts_with(what)) {
      return i;
    }
  }
  return std::string_view::npos;
}

bool IsVariableName(std::string_view name) {
  return !name.empty() && name.size() <= kMaxNameLength && !absl::ascii_isdigit(static_cast<unsigned char>(name[0])) &&
         std::all_of(name.begin(), name.end(), [](unsigned char c) { return absl::ascii_isalnum(c) || c == '_'; });
}

// "env" of "env:NAME"; "" if there is none.
std::string_view Scheme(std::string_view expression) {
  const size_t colon = expression.find(':');
  if (colon == std::string_view::npos) return "";
  const std::string_view scheme = expression.substr(0, colon);
  const bool is_scheme = scheme.size() >= 2 && absl::ascii_isalpha(static_cast<unsigned char>(scheme[0])) &&
                         std::all_of(scheme.begin(), scheme.end(), [](unsigned char c) {
                           return absl::ascii_isalnum(c) || c == '+' || c == '.' || c == '-';
                         });
  return is_scheme ? scheme : "";
}

// "a: x" → kind map would be a surprise for a variable that holds a text with a colon, but is what the Collector does.
Value Typed(const std::string& text, const Place& place) {
  if (std::optional<Value> value = ParseInlineYaml(text, place)) {
    value->source = text;
    return *std::move(value);
  }
  return {.kind = Value::Kind::kScalar, .quoted = true, .text = text, .source = text, .place = place};
}

}  // namespace

void Expander::ExpandValue(Value& value, const std::string& path, int depth) {
  for (size_t i = 0; i < value.items.size(); ++i) {
    ExpandValue(value.items[i], fmt::format("{}[{}]", path, i), depth);
  }
  for (Member& member : value.members) {
    ExpandValue(member.value, path.empty() ? member.key : path + "." + member.key, depth);
  }
  if (value.kind != Value::Kind::kScalar || value.text.find('$') == std::string::npos) return;
  const Place place = value.place;
  const Where where{.place = place, .path = path, .depth = depth};
  const std::string text = std::move(value.text);
  if (text.starts_with("${") && ClosingBrace(text, 0) == text.size() - 1) {
    ExpandWhole(value, std::string_view(text).substr(2, text.size() - 3), where);
  } else {
    value.text = ExpandText(text, where);
  }
}

void Expander::ExpandWhole(Value& value, std::string_view expression, const Where& where) {
  const Replacement replacement = Replace(expression, where);
  value = Typed(replacement.text, where.place);
  if (!replacement.is_config) return;
  ExpandValue(value, where.path, where.depth + 1);
  // The text, as a text, holds the replacements too; `value` has spoken of all that is wrong with them.
  if (value.kind == Value::Kind::kScalar && replacement.text.find('$') != std::string::npos) value.source = value.text;
}

std::string Expander::ExpandText(std::string_view text, const Where& where) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const std::string_view rest = text.substr(i);
    if (rest.starts_with("$$")) {
      out += '$';
      ++i;
      continue;
    }
    if (!rest.starts_with("${")) {
      out += text[i];
      continue;
    }
    const size_t end = ClosingBrace(text, i);
    if (end == std::string_view::npos) {
      report_.Error(where.place, where.path, "${ is never closed; for the characters themselves write $${");
      return out;
    }
    const Replacement replacement = Replace(text.substr(i + 2, end - i - 2), where);
    out += replacement.is_config ? ExpandText(replacement.text, {where.place, where.path, where.depth + 1})
                                 : replacement.text;
    i = end;
  }
  return out;
}

bool Expander::Spend(size_t bytes, const Where& where) {
  bytes_ += bytes;
  if (is_exhausted_) return false;
  if (bytes_ <= kMaxBytes && rounds_ <= kMaxRounds && where.depth <= kMaxNesting) return true;
  is_exhausted_ = true;
  report_.Error(where.place, where.path,
                fmt::format("${{…}} without end: more than {} of them, {} in each other, or {} KiB", kMaxRounds,
                            kMaxNesting, kMaxBytes / 1024));
  return false;
}

Expander::Replacement Expander::Replace(std::string_view expression, const Where& where) {
  ++rounds_;
  if (!Spend(0, where)) return {};
  const Where inner{.place = where.place, .path = where.path, .depth = where.depth + 1};
  const std::string_view scheme = Scheme(expression);
  const std::string_view rest = scheme.empty() ? expression : expression.substr(scheme.size() + 1);
  Replacement replacement;
  // ${A:-x} looks like a scheme "A" at first sight.
  const bool is_variable = scheme.empty() || scheme == "env" || rest.starts_with("-");
  if (is_variable) {
    const std::string_view body = scheme == "env" ? rest : expression;
    const size_t otherwise = FindOutside(body, ":-");
    const std::string name = ExpandText(body.substr(0, otherwise), inner);
    replacement = Variable(
        name, otherwise == std::string_view::npos ? std::nullopt : std::optional(body.substr(otherwise + 2)), inner);
  } else if (scheme == "yaml") {
    replacement = {.text = std::string(rest), .is_config = true};
  } else if (scheme == "file") {
    const std::string path = ExpandText(rest, inner);
    if (std::find(files_.begin(), files_.end(), path) == files_.end()) files_.push_back(path);
    StatusOr<std::string> content = read_file_(path);
    if (!content.ok()) {
      report_.Error(where.place, where.path, std::string(Message(content.status())));
      return {};
    }
    if (content->ends_with('\n')) content->pop_back();
    if (content->ends_with('\r')) content->pop_back();
    replacement = {.text = *std::move(content), .is_config = true};
  } else {
    report_.Error(where.place, where.path,
                  fmt::format("{} is not known; ${{env:NAME}}, ${{file:PATH}} and ${{yaml:TEXT}} are",
                              Quoted(fmt::format("${{{}:…}}", scheme))));
    return {};
  }
  if (!Spend(replacement.text.size(), where)) return {};
  return replacement;
}

Expander::Replacement Expander::Variable(const std::string& name, std::optional<std::string_view> otherwise,
                                         const Where& where) {
  if (!IsVariableName(name)) {
    report_.Error(
        where.place, where.path,
        fmt::format("{} is no name of a variable: letters, digits and _, at most {}", Quoted(name), kMaxNameLength));
    return {};
  }
  const auto found = environment_.find(name);
  if (found != environment_.end() && (!found->second.empty() || !otherwise)) return {.text = found->second};
  if (otherwise) return {.text = ExpandText(*otherwise, where)};
  report_.Warning(where.place, where.path,
                  fmt::format("the environment variable {} is not set; it counts as empty", name));
  return {};
}

}  // namespace kiln::agent::config
