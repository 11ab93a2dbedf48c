// SPDX-License-Identifier: Apache-2.0
#include "agent/cli/report_summary.h"

#include <absl/container/flat_hash_set.h>
#include <absl/time/time.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "agent/cli/hot_functions.h"
#include "agent/cli/report_table.h"
#include "agent/cli/terminal.h"
#include "pprof/labels.h"

namespace kiln::agent {
namespace {

using profile::Profile;

constexpr size_t kMinWidth = 40;
constexpr size_t kMaxLabelColumns = 12;
constexpr std::string_view kUnnamedPrefix = "kiln.frames.unnamed: ";
constexpr std::string_view kWithoutLinesPrefix = "kiln.frames.without_lines: ";

// The texts stand below each other, as long as no label is unusually long.
class LabelledLines {
 public:
  void Add(std::string_view label, std::string_view text) {
    lines_.emplace_back(HarmlessText(label), HarmlessText(text));
    const size_t columns = DisplayWidth(lines_.back().first);
    if (columns <= kMaxLabelColumns) label_columns_ = std::max(label_columns_, columns);
  }
  std::string Render(size_t width) const {
    std::string text;
    for (const auto& [label, value] : lines_) {
      const size_t columns = DisplayWidth(label);
      const size_t padding = columns < label_columns_ ? label_columns_ - columns : 0;
      const std::string line = label + std::string(padding + 2, ' ') + value;
      text += (width == 0 ? line : CutToWidth(line, std::max(width, kMinWidth))) + "\n";
    }
    return text;
  }

 private:
  std::vector<std::pair<std::string, std::string>> lines_;
  size_t label_columns_ = 0;
};

// The profile's properties, taken out as they are told; what is left over is told under its key.
class Properties {
 public:
  explicit Properties(const Profile& profile) {
    for (const profile::AttributeIndex index : profile.attribute_sets[profile.properties].attributes) {
      const profile::Attribute& attribute = profile.attributes[index];
      const std::string& key = profile.strings[attribute.key];
      if (const auto* text = std::get_if<profile::StringIndex>(&attribute.value)) texts_[key] = profile.strings[*text];
      if (const auto* number = std::get_if<int64_t>(&attribute.value)) numbers_[key] = *number;
      if (const auto* real = std::get_if<double>(&attribute.value)) texts_[key] = fmt::format("{:.6g}", *real);
      if (const auto* flag = std::get_if<bool>(&attribute.value)) texts_[key] = *flag ? "yes" : "no";
    }
  }

  std::string TakeText(const std::string& key) {
    auto node = texts_.extract(key);
    return node.empty() ? "" : std::move(node.mapped());
  }
  std::optional<int64_t> TakeNumber(const std::string& key) {
    auto node = numbers_.extract(key);
    return node.empty() ? std::nullopt : std::optional(node.mapped());
  }
  // All numbers with this prefix, without it, largest first.
  std::vector<std::pair<int64_t, std::string>> TakeNumbers(std::string_view prefix) {
    std::vector<std::pair<int64_t, std::string>> taken;
    for (auto entry = numbers_.begin(); entry != numbers_.end();) {
      if (!entry->first.starts_with(prefix)) {
        ++entry;
        continue;
      }
      taken.emplace_back(entry->second, entry->first.substr(prefix.size()));
      entry = numbers_.erase(entry);
    }
    std::ranges::sort(taken, std::greater());
    return taken;
  }
  void AddRest(LabelledLines& lines) const {
    for (const auto& [key, text] : texts_) lines.Add(key, text);
    for (const auto& [key, number] : numbers_) {
      if (number != 0) lines.Add(key, WithThousands(number));
    }
  }

 private:
  std::map<std::string, std::string> texts_;
  std::map<std::string, int64_t> numbers_;
};

std::string Recorded(const Profile& profile, Properties& properties) {
  std::string text = properties.TakeText("kiln.command");
  const std::string target = properties.TakeText("kiln.target");
  if (text.empty() || target.starts_with("the whole host")) text = target;
  const auto add = [&text](const std::string& part) {
    if (!part.empty()) text += (text.empty() ? "" : ", ") + part;
  };
  const std::string host = properties.TakeText("kiln.host");
  const std::string kernel = properties.TakeText("kiln.kernel");
  if (!host.empty()) add(fmt::format("on {}{}", host, kernel.empty() ? "" : fmt::format(" (Linux {})", kernel)));
  if (profile.time_unix_nano > 0) {
    add(absl::FormatTime("%Y-%m-%d %H:%M:%S UTC", absl::FromUnixNanos(profile.time_unix_nano), absl::UTCTimeZone()));
  }
  if (profile.duration_nano > 0) add(fmt::format("{:.1f} s", static_cast<double>(profile.duration_nano) / 1e9));
  return text.empty() ? "at an unknown time" : text;
}

std::string Frequency(const Profile& profile, Properties& properties) {
  const std::string event = properties.TakeText("kiln.event");
  const std::string of_event = event.empty() || event == "cpu-clock" ? "" : " of " + event;
  if (profile.period <= 0) return of_event;
  if (profile.strings[profile.period_type.unit] == "nanoseconds") {
    return fmt::format(" at {:.0f} Hz{}", 1e9 / static_cast<double>(profile.period), of_event);
  }
  return fmt::format(", one per {} {}", WithThousands(profile.period), profile.strings[profile.period_type.type]);
}

struct StackTotals {
  int64_t samples = 0;
  int64_t cut = 0;
  std::map<std::string, int64_t> cut_by_reason;
  size_t processes = 0;
};

StackTotals Total(const Profile& profile) {
  StackTotals totals;
  absl::flat_hash_set<uint32_t> processes;
  for (const profile::Sample& sample : profile.samples) {
    const int64_t value = sample.values.at(0);
    totals.samples = SaturatingAdd(totals.samples, value);
    processes.insert(sample.key.resource.value());
    for (const profile::LocationIndex index : profile.stacks[sample.key.stack].locations) {
      const profile::Location& location = profile.locations[index];
      if (location.type != profile::FrameType::kTruncated) continue;
      totals.cut = SaturatingAdd(totals.cut, value);
      std::string reason = location.lines.empty()
                               ? pprof::BareFrameName(profile, location)
                               : profile.strings[profile.functions[location.lines.front().function].name];
      constexpr std::string_view kMark = "[truncated: ";
      if (reason.starts_with(kMark) && reason.ends_with(']'))
        reason = reason.substr(kMark.size(), reason.size() - kMark.size() - 1);
      int64_t& count = totals.cut_by_reason[reason];
      count = SaturatingAdd(count, value);
      break;
    }
  }
  totals.processes = processes.size();
  return totals;
}

// "99.93 % no frame pointer, 0.07 % …", largest first.
std::string Shares(std::vector<std::pair<int64_t, std::string>> parts, int64_t whole) {
  std::ranges::sort(parts, std::greater());
  std::string text;
  for (const auto& [count, name] : parts) {
    text += fmt::format("{}{} % {}", text.empty() ? "" : ", ", Percent(count, whole), name);
  }
  return text;
}

// How many of the frames that `total_key` counts have what those below `missing_prefix` lack, and why.
void AddShare(std::string_view label, std::string_view what, const std::string& total_key,
              std::string_view missing_prefix, Properties& properties, LabelledLines& lines) {
  const std::optional<int64_t> frames = properties.TakeNumber(total_key);
  const auto without = properties.TakeNumbers(missing_prefix);
  if (!frames || *frames <= 0) return;
  int64_t missing = 0;
  for (const auto& [count, reason] : without) missing = SaturatingAdd(missing, count);
  std::string text = fmt::format("{} % of the {}", Percent(*frames - missing, *frames), what);
  if (missing > 0) text += "; the others: " + Shares(without, *frames);
  lines.Add(label, text);
}

// Unwind tables are worth a line when they did not all fit.
void AddUnwinding(Properties& properties, LabelledLines& lines) {
  const auto memory = properties.TakeNumber("kiln.unwind.memory_bytes");
  properties.TakeNumber("kiln.unwind.samples_by_derived_rules");
  const int64_t evicted = properties.TakeNumber("kiln.unwind.evictions").value_or(0);
  const int64_t refused = properties.TakeNumber("kiln.unwind.pages_refused").value_or(0);
  if (evicted <= 0 && refused <= 0) return;
  lines.Add("unwinding",
            fmt::format("{} MiB of unwind tables were too few: {} pages evicted, {} times no room; see --unwind-memory",
                        memory.value_or(0) >> 20, WithThousands(evicted), WithThousands(refused)));
}

}  // namespace

std::string RenderProfileSummary(const Profile& profile, size_t width) {
  const StackTotals totals = Total(profile);
  Properties properties(profile);
  properties.TakeText("kiln.version");
  LabelledLines lines;
  lines.Add("recorded", Recorded(profile, properties));

  const profile::ValueType& type = profile.sample_types.at(0);
  std::string unit = profile.strings[type.type];
  if (profile.strings[type.unit] != "count") unit += " in " + profile.strings[type.unit];
  std::string samples = fmt::format("{} {}{}, {} distinct stacks, {} processes", WithThousands(totals.samples), unit,
                                    Frequency(profile, properties), WithThousands(std::ssize(profile.stacks)),
                                    WithThousands(static_cast<int64_t>(totals.processes)));
  if (const auto lost = properties.TakeNumber("kiln.samples.lost"))
    samples += fmt::format(", {} lost", WithThousands(*lost));
  lines.Add("samples", samples);

  std::string complete = fmt::format("{} % of the stacks", Percent(totals.samples - totals.cut, totals.samples));
  if (totals.cut > 0) {
    std::vector<std::pair<int64_t, std::string>> reasons;
    for (const auto& [reason, count] : totals.cut_by_reason) reasons.emplace_back(count, reason);
    complete += "; the others: " + Shares(std::move(reasons), totals.samples);
  }
  lines.Add("complete", complete);
  AddShare("named", "frames", "kiln.frames", kUnnamedPrefix, properties, lines);
  AddShare("lines", "native frames", "kiln.frames.native", kWithoutLinesPrefix, properties, lines);
  AddUnwinding(properties, lines);
  properties.AddRest(lines);
  return lines.Render(width);
}

}  // namespace kiln::agent
