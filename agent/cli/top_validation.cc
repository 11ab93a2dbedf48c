// SPDX-License-Identifier: Apache-2.0
#include "agent/cli/top_validation.h"

#include <array>
#include <string_view>
#include <utility>

#include "agent/cli/sampling_validation.h"
#include "agent/cli/values.h"

namespace kiln::agent {
namespace {

constexpr absl::Duration kLeastInterval = absl::Milliseconds(500);
constexpr absl::Duration kMostInterval = absl::Seconds(60);
constexpr absl::Duration kMostOnce = absl::Hours(24);
constexpr int64_t kMostLines = 1'000'000;

Failure Usage(std::string sentence) { return {ExitCode::kUsage, std::move(sentence)}; }
Failure Usage(const Status& status) { return Usage(std::string(Message(status))); }

template <typename T, size_t N>
std::optional<T> Choose(std::string_view text, const std::array<std::pair<std::string_view, T>, N>& choices) {
  for (const auto& [name, value] : choices) {
    if (name == text) return value;
  }
  return std::nullopt;
}

constexpr std::array<std::pair<std::string_view, TopSort>, 3> kSorts = {
    {{"self", TopSort::kSelf}, {"total", TopSort::kTotal}, {"cpu", TopSort::kCpu}}};
constexpr std::array<std::pair<std::string_view, TopGrouping>, 3> kGroupings = {
    {{"function", TopGrouping::kFunction}, {"process", TopGrouping::kProcess}, {"thread", TopGrouping::kThread}}};

// -i, -d and --once: which go together, and what they mean then.
std::optional<Failure> TakeTimes(const TopArguments& arguments, TopOptions& options) {
  if (!arguments.interval.empty()) {
    const auto interval = ParseDuration("--interval", arguments.interval);
    if (!interval.ok()) return Usage(interval.status());
    if (*interval < kLeastInterval || *interval > kMostInterval) {
      return Usage(fmt::format("--interval is '{}': give a time from 0.5s to 60s", arguments.interval));
    }
    options.interval = *interval;
  }
  if (arguments.duration.empty()) return std::nullopt;
  const auto duration = ParseDuration("--duration", arguments.duration);
  if (!duration.ok()) return Usage(duration.status());
  if (!options.once) {
    options.duration = *duration;
    return std::nullopt;
  }
  if (!arguments.interval.empty()) {
    return Usage("--once shows one interval, so --interval and --duration say the same: leave one of them out");
  }
  if (*duration < kLeastInterval || *duration > kMostOnce) {
    return Usage(fmt::format("--duration is '{}': give a time from 0.5s to 24h with --once", arguments.duration));
  }
  options.interval = *duration;
  return std::nullopt;
}

}  // namespace

std::variant<TopOptions, Failure> ValidateTopOptions(const TopArguments& arguments, const std::string& proc_root) {
  TopOptions options;
  options.tree = arguments.tree;
  options.once = arguments.once;
  options.json = arguments.json;
  if (options.json && options.tree) return Usage("--json has no tree: leave --tree or --json out");
  if (auto failure = TakeTimes(arguments, options)) return *failure;
  const auto sort = Choose(arguments.sort, kSorts);
  if (!sort) return Usage(fmt::format("--sort is '{}': give self, total or cpu", arguments.sort));
  options.sort = *sort;
  const auto by = Choose(arguments.by, kGroupings);
  if (!by) return Usage(fmt::format("--by is '{}': give function, process or thread", arguments.by));
  options.by = *by;
  if (!arguments.lines.empty()) {
    const auto lines = ParseWholeNumber("--lines", arguments.lines, 1, kMostLines);
    if (!lines.ok()) return Usage(lines.status());
    options.lines = static_cast<size_t>(*lines);
  }
  if (auto failure = ValidateSampling(arguments, proc_root, options)) return *failure;
  return options;
}

}  // namespace kiln::agent
