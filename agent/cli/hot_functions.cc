// SPDX-License-Identifier: Apache-2.0
#include "agent/cli/hot_functions.h"

#include <absl/container/flat_hash_map.h>

#include <algorithm>
#include <limits>
#include <tuple>
#include <utility>

#include "pprof/labels.h"

namespace kiln::agent {
namespace {

using profile::FrameType;
using profile::Location;
using profile::LocationIndex;
using profile::Profile;

std::string_view ModuleOf(const Profile& profile, const Location& location) {
  if (!location.mapping) return "";
  return BaseName(profile.strings[profile.mappings[*location.mapping].filename]);
}

// Numbers the functions of a profile from 0 and knows which of them each location holds.
class FunctionIds {
 public:
  explicit FunctionIds(const Profile& profile) {
    by_location_.reserve(profile.locations.size());
    for (const Location& location : profile.locations) {
      const std::string_view module = ModuleOf(profile, location);
      std::vector<size_t>& ids = by_location_.emplace_back();
      for (const profile::Line& line : location.lines) {
        ids.push_back(IdOf(profile.strings[profile.functions[line.function].name], module));
      }
      if (ids.empty()) ids.push_back(IdOf(pprof::BareFrameName(profile, location), module));
    }
  }

  // Innermost first, never empty.
  const std::vector<size_t>& At(LocationIndex location) const { return by_location_[location.value()]; }
  std::vector<HotFunction> TakeFunctions() && { return std::move(functions_); }
  std::vector<HotFunction>& functions() { return functions_; }

 private:
  size_t IdOf(std::string_view name, std::string_view module) {
    const auto [entry, is_new] = ids_.try_emplace({std::string(name), std::string(module)}, functions_.size());
    if (is_new) functions_.push_back({.name = std::string(name), .module = std::string(module)});
    return entry->second;
  }

  absl::flat_hash_map<std::pair<std::string, std::string>, size_t> ids_;
  std::vector<HotFunction> functions_;
  std::vector<std::vector<size_t>> by_location_;
};

}  // namespace

int64_t SaturatingAdd(int64_t a, int64_t b) {
  int64_t sum = 0;
  if (!__builtin_add_overflow(a, b, &sum)) return sum;
  return b < 0 ? std::numeric_limits<int64_t>::min() : std::numeric_limits<int64_t>::max();
}

std::string_view BaseName(std::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == std::string_view::npos || slash + 1 == path.size() ? path : path.substr(slash + 1);
}

HotFunctions FindHotFunctions(const Profile& profile) {
  FunctionIds ids(profile);
  HotFunctions result;
  std::vector<size_t> counted_for(ids.functions().size(), 0);  // the last sample, from 1, that was added to the total
  size_t sample_number = 0;
  for (const profile::Sample& sample : profile.samples) {
    ++sample_number;
    const int64_t value = sample.values.at(0);
    result.samples = SaturatingAdd(result.samples, value);
    const auto& locations = profile.stacks[sample.key.stack].locations;
    for (size_t depth = 0; depth < locations.size(); ++depth) {
      if (depth > 0 && profile.locations[locations[depth]].type == FrameType::kTruncated) continue;
      const std::vector<size_t>& functions = ids.At(locations[depth]);
      if (depth == 0) {
        HotFunction& leaf = ids.functions()[functions.front()];
        leaf.self = SaturatingAdd(leaf.self, value);
      }
      for (const size_t id : functions) {
        if (std::exchange(counted_for[id], sample_number) == sample_number) continue;
        ids.functions()[id].total = SaturatingAdd(ids.functions()[id].total, value);
      }
    }
  }
  result.functions = std::move(ids).TakeFunctions();
  std::erase_if(result.functions, [](const HotFunction& f) { return f.self == 0 && f.total == 0; });
  std::sort(result.functions.begin(), result.functions.end(), [](const HotFunction& a, const HotFunction& b) {
    return std::tie(b.self, b.total, a.name, a.module) < std::tie(a.self, a.total, b.name, b.module);
  });
  return result;
}

}  // namespace kiln::agent
