// SPDX-License-Identifier: Apache-2.0
#include "agent/config/yaml_writer.h"

#include <fmt/format.h>

#include <algorithm>

#include "agent/config/scalars.h"
#include "agent/config/yaml_text.h"

namespace kiln::agent::config {
namespace {

constexpr size_t kMaxFlow = 90;  // characters of a list on one line

// Headers that say nothing secret; all others are hidden, whatever their name.
bool IsOpenHeader(std::string_view name) {
  std::string lower(name);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
  return lower == "x-scope-orgid" || lower == "user-agent" || lower == "content-type" || lower == "accept";
}

}  // namespace

std::string YamlWriter::PathOf(std::string_view key) const {
  return path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key);
}

void YamlWriter::Line(std::string_view key, std::string_view value) {
  text_ += fmt::format("{:{}}{}:{}{}", "", 2 * depth_, YamlText(key), value.empty() ? "" : " ", value);
  const auto origin = origins_.find(PathOf(key));
  if (origin != origins_.end()) text_ += "  # " + origin->second;
  text_ += '\n';
}

std::string YamlWriter::Shown(const std::string& text, TextKind kind) const {
  if (secrets_ == Secrets::kHidden && kind == TextKind::kSecret && !text.empty()) return YamlText(kRedacted);
  if (secrets_ == Secrets::kHidden && kind == TextKind::kUrl) return YamlText(RedactUrl(text));
  return YamlText(text);
}

void YamlWriter::Bool(std::string_view key, bool& value) { Line(key, value ? "true" : "false"); }
void YamlWriter::Int(std::string_view key, int64_t& value, int64_t, int64_t) { Line(key, std::to_string(value)); }
void YamlWriter::Number(std::string_view key, double& value, double, double) { Line(key, NumberText(value)); }
void YamlWriter::Duration(std::string_view key, absl::Duration& value, absl::Duration, absl::Duration) {
  Line(key, DurationText(value));
}
void YamlWriter::Bytes(std::string_view key, int64_t& value, int64_t, int64_t) { Line(key, BytesText(value)); }

void YamlWriter::Text(std::string_view key, std::string& value, TextKind kind) {
  if (!value.empty() || HasOrigin(key)) Line(key, Shown(value, kind));
}

size_t YamlWriter::Choose(std::string_view key, std::span<const Choice> choices, size_t current) {
  if (current < choices.size() && (!choices[current].name.empty() || HasOrigin(key))) {
    // Versions look like numbers.
    Line(key, YamlText(choices[current].name));
  }
  return current;
}

void YamlWriter::Texts(std::string_view key, std::vector<std::string>& values, TextKind kind) {
  if (values.empty()) {
    if (HasOrigin(key)) Line(key, "[]");
    return;
  }
  std::string flow;
  for (const std::string& value : values) flow += (flow.empty() ? "" : ", ") + Shown(value, kind);
  if (flow.size() <= kMaxFlow) return Line(key, fmt::format("[{}]", flow));
  Line(key, "");
  for (const std::string& value : values) {
    text_ += fmt::format("{:{}}- {}\n", "", 2 * depth_ + 2, Shown(value, kind));
  }
}

void YamlWriter::ChooseSome(std::string_view key, std::span<const Choice>, std::vector<std::string>& values) {
  Texts(key, values, TextKind::kPlain);
}

void YamlWriter::Ints(std::string_view key, std::vector<int64_t>& values, int64_t, int64_t) {
  if (!values.empty() || HasOrigin(key)) Line(key, fmt::format("[{}]", fmt::join(values, ", ")));
}

void YamlWriter::Map(std::string_view key, std::vector<std::pair<std::string, std::string>>& values, MapKind kind) {
  if (values.empty()) {
    if (HasOrigin(key)) Line(key, "{}");
    return;
  }
  Line(key, "");
  for (const auto& [name, value] : values) {
    const bool is_secret =
        kind == MapKind::kHeaders ? !IsOpenHeader(name) : kind == MapKind::kParams && SoundsSecret(name);
    text_ += fmt::format("{:{}}{}: {}\n", "", 2 * depth_ + 2, YamlText(name),
                         Shown(value, is_secret ? TextKind::kSecret : TextKind::kPlain));
  }
}

void YamlWriter::Sub(std::string_view key, absl::FunctionRef<void(Fields&)> table) {
  YamlWriter inner(origins_, secrets_, PathOf(key), depth_ + 1);
  table(inner);
  if (inner.text_.empty()) return;
  Line(key, "");
  text_ += inner.text_;
}

void YamlWriter::Named(std::string_view key, const std::vector<std::string>& ids,
                       absl::FunctionRef<void(Fields&, const std::string& id)> table) {
  if (ids.empty()) return;
  Line(key, "");
  for (const std::string& id : ids) {
    YamlWriter inner(origins_, secrets_, fmt::format("{}.{}", PathOf(key), id), depth_ + 2);
    table(inner, id);
    text_ += fmt::format("{:{}}{}:\n", "", 2 * depth_ + 2, YamlText(id)) + inner.text_;
  }
}

size_t YamlWriter::Count(std::string_view key, size_t current) {
  if (current > 0 || HasOrigin(key)) Line(key, current > 0 ? "" : "[]");
  return current;
}

void YamlWriter::Item(std::string_view key, size_t index, absl::FunctionRef<void(Fields&)> table) {
  YamlWriter inner(origins_, secrets_, fmt::format("{}[{}]", PathOf(key), index), depth_ + 2);
  table(inner);
  // The first key of the item stands behind the dash.
  const size_t indent = 2 * static_cast<size_t>(depth_) + 4;
  text_ += fmt::format("{:{}}- ", "", indent - 2) + inner.text_.substr(std::min(indent, inner.text_.size()));
}

}  // namespace kiln::agent::config
