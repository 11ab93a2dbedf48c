// SPDX-License-Identifier: Apache-2.0
#include "agent/top/rows.h"

#include <absl/container/flat_hash_map.h>
#include <absl/strings/ascii.h>
#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <tuple>
#include <utility>

#include "agent/cli/function_ids.h"
#include "agent/cli/hot_functions.h"
#include "pprof/labels.h"

namespace kiln::agent {
namespace {

using profile::AttributeSetIndex;
using profile::FrameType;
using profile::Profile;
using profile::Sample;

constexpr std::string_view kThreadId = "thread.id";
constexpr std::string_view kThreadName = "thread.name";

int64_t NumberOf(const Profile& profile, AttributeSetIndex set, std::string_view key) {
  const profile::AttributeValue* value = pprof::FindAttribute(profile, set, key);
  const auto* number = value == nullptr ? nullptr : std::get_if<int64_t>(value);
  return number == nullptr ? 0 : *number;
}

std::string TextOf(const Profile& profile, AttributeSetIndex set, std::string_view key) {
  const profile::AttributeValue* value = pprof::FindAttribute(profile, set, key);
  return value == nullptr ? "" : pprof::ValueText(profile, *value);
}

// Samples by something.
using Shares = absl::flat_hash_map<uint32_t, int64_t>;

void Count(Shares& shares, uint32_t of, int64_t samples) {
  int64_t& count = shares[of];
  count = SaturatingAdd(count, samples);
}

// Of several with most, the first: the order of a hash table is by chance.
std::optional<uint32_t> Largest(const Shares& shares) {
  std::optional<std::pair<int64_t, uint32_t>> best;
  for (const auto& [of, samples] : shares) {
    if (!best || std::pair(-samples, of) < *best) best = {-samples, of};
  }
  return best ? std::optional(best->second) : std::nullopt;
}

void NameProcess(const Profile& profile, AttributeSetIndex resource, TopRow& row) {
  row.process = pprof::ProcessName(profile, resource);
  row.pid = NumberOf(profile, resource, pprof::kProcessPid);
}

std::vector<TopRow> CountFunctions(const Profile& profile) {
  const FunctionIds ids(profile);
  std::vector<TopRow> rows(ids.functions().size());
  std::vector<Shares> self(rows.size());   // by resource
  std::vector<Shares> total(rows.size());  // by resource
  std::vector<size_t> counted_for(rows.size(), 0);
  size_t sample_number = 0;
  for (const Sample& sample : profile.samples) {
    ++sample_number;
    const int64_t value = sample.values.at(0);
    const uint32_t resource = sample.key.resource.value();
    const auto& locations = profile.stacks[sample.key.stack].locations;
    for (size_t depth = 0; depth < locations.size(); ++depth) {
      if (depth > 0 && profile.locations[locations[depth]].type == FrameType::kTruncated) continue;
      const std::vector<size_t>& functions = ids.At(locations[depth]);
      if (depth == 0) {
        TopRow& leaf = rows[functions.front()];
        leaf.self = SaturatingAdd(leaf.self, value);
        Count(self[functions.front()], resource, value);
      }
      for (const size_t id : functions) {
        if (std::exchange(counted_for[id], sample_number) == sample_number) continue;
        rows[id].total = SaturatingAdd(rows[id].total, value);
        Count(total[id], resource, value);
      }
    }
  }
  for (size_t id = 0; id < rows.size(); ++id) {
    TopRow& row = rows[id];
    row.function = ids.functions()[id].name;
    row.module = ids.functions()[id].module;
    const auto main = Largest(self[id].empty() ? total[id] : self[id]);
    if (!main) continue;
    NameProcess(profile, AttributeSetIndex(*main), row);
    row.more_processes = total[id].size() - 1;
  }
  return rows;
}

// Processes, or threads.
std::vector<TopRow> CountTasks(const Profile& profile, bool by_thread) {
  const FunctionIds ids(profile);
  std::vector<TopRow> rows;
  std::vector<Shares> functions;  // of each row
  absl::flat_hash_map<std::pair<uint32_t, uint32_t>, size_t> row_of;
  for (const Sample& sample : profile.samples) {
    const int64_t value = sample.values.at(0);
    const std::pair key(sample.key.resource.value(), by_thread ? sample.key.attributes.value() : 0);
    const auto [entry, is_new] = row_of.try_emplace(key, rows.size());
    if (is_new) {
      functions.emplace_back();
      TopRow& row = rows.emplace_back();
      NameProcess(profile, sample.key.resource, row);
      if (by_thread) {
        row.thread = TextOf(profile, sample.key.attributes, kThreadName);
        row.tid = NumberOf(profile, sample.key.attributes, kThreadId);
      }
    }
    TopRow& row = rows[entry->second];
    row.self = row.total = SaturatingAdd(row.self, value);
    const auto& locations = profile.stacks[sample.key.stack].locations;
    if (locations.empty()) continue;
    Count(functions[entry->second], static_cast<uint32_t>(ids.At(locations.front()).front()), value);
  }
  for (size_t i = 0; i < rows.size(); ++i) {
    const auto hottest = Largest(functions[i]);
    if (!hottest) continue;
    rows[i].function = ids.functions()[*hottest].name;
    rows[i].module = ids.functions()[*hottest].module;
  }
  return rows;
}

}  // namespace

std::vector<TopRow> CountRows(const Profile& profile, TopGrouping by, TopSort sort) {
  const bool by_function = by == TopGrouping::kFunction;
  std::vector<TopRow> rows = by_function ? CountFunctions(profile) : CountTasks(profile, by == TopGrouping::kThread);
  std::erase_if(rows, [](const TopRow& row) { return row.self == 0 && row.total == 0; });
  const auto key = [&](const TopRow& row) {
    const auto [first, second] =
        sort == TopSort::kTotal ? std::pair(row.total, row.self) : std::pair(row.self, row.total);
    // What is hottest in a process may change while its share does not: the process's own name keeps it in its place.
    const std::string_view name = by_function ? row.function : row.process;
    return std::tuple(-first, -second, name, std::string_view(by_function ? row.module : row.thread), row.pid, row.tid);
  };
  std::ranges::sort(rows, [&](const TopRow& a, const TopRow& b) { return key(a) < key(b); });
  return rows;
}

bool RowMatches(const TopRow& row, std::string_view text) {
  if (text.empty()) return true;
  const auto equal = [](char a, char b) {
    return absl::ascii_tolower(static_cast<unsigned char>(a)) == absl::ascii_tolower(static_cast<unsigned char>(b));
  };
  const auto holds = [&](std::string_view part) { return !std::ranges::search(part, text, equal).empty(); };
  return holds(row.function) || holds(row.module) || holds(row.process) || holds(row.thread) ||
         (row.pid != 0 && holds(fmt::format("{}", row.pid))) || (row.tid != 0 && holds(fmt::format("{}", row.tid)));
}

Profile SamplesWith(const Profile& profile, std::string_view text) {
  Profile result = profile;
  if (text.empty()) return result;
  const FunctionIds ids(profile);
  std::vector<bool> function_matches;
  for (const FunctionName& function : ids.functions()) {
    function_matches.push_back(RowMatches({.function = function.name, .module = function.module}, text));
  }
  std::vector<bool> location_matches;
  for (uint32_t i = 0; i < profile.locations.size(); ++i) {
    location_matches.push_back(
        std::ranges::any_of(ids.At(profile::LocationIndex(i)), [&](size_t id) { return function_matches[id]; }));
  }
  std::erase_if(result.samples, [&](const Sample& sample) {
    TopRow who{.thread = TextOf(profile, sample.key.attributes, kThreadName),
               .tid = NumberOf(profile, sample.key.attributes, kThreadId)};
    NameProcess(profile, sample.key.resource, who);
    return !RowMatches(who, text) &&
           std::ranges::none_of(profile.stacks[sample.key.stack].locations,
                                [&](profile::LocationIndex location) { return location_matches[location.value()]; });
  });
  return result;
}

}  // namespace kiln::agent
