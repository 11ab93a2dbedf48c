// SPDX-License-Identifier: Apache-2.0
#include "agent/cli/hot_functions.h"

#include <algorithm>
#include <limits>
#include <tuple>
#include <utility>

#include "agent/cli/function_ids.h"

namespace kiln::agent {

using profile::FrameType;
using profile::Profile;

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
  const FunctionIds ids(profile);
  HotFunctions result;
  for (const FunctionName& function : ids.functions()) {
    result.functions.push_back({.name = function.name, .module = function.module});
  }
  std::vector<size_t> counted_for(result.functions.size(), 0);  // the last sample, from 1, that was added to the total
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
        HotFunction& leaf = result.functions[functions.front()];
        leaf.self = SaturatingAdd(leaf.self, value);
      }
      for (const size_t id : functions) {
        if (std::exchange(counted_for[id], sample_number) == sample_number) continue;
        result.functions[id].total = SaturatingAdd(result.functions[id].total, value);
      }
    }
  }
  std::erase_if(result.functions, [](const HotFunction& f) { return f.self == 0 && f.total == 0; });
  std::sort(result.functions.begin(), result.functions.end(), [](const HotFunction& a, const HotFunction& b) {
    return std::tie(b.self, b.total, a.name, a.module) < std::tie(a.self, a.total, b.name, b.module);
  });
  return result;
}

}  // namespace kiln::agent
