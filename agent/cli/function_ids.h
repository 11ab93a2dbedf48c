// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <absl/container/flat_hash_map.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "profile/profile.h"

namespace kiln::agent {

// A function is a name in a module: equal names of two modules are two functions.
struct FunctionName {
  std::string name;    // as in the profile; pprof::BareFrameName for code without one. Not yet safe to print
  std::string module;  // last part of the file's path, or perf's name in brackets; empty if not known
};

// Numbers the functions of a profile from 0 and knows which of them each location holds. Keeps nothing of the profile.
class FunctionIds {
 public:
  explicit FunctionIds(const profile::Profile& profile);

  // Innermost first, never empty.
  const std::vector<size_t>& At(profile::LocationIndex location) const { return by_location_[location.value()]; }
  const std::vector<FunctionName>& functions() const { return functions_; }

 private:
  size_t IdOf(std::string_view name, std::string_view module);

  absl::flat_hash_map<std::pair<std::string, std::string>, size_t> ids_;
  std::vector<FunctionName> functions_;
  std::vector<std::vector<size_t>> by_location_;
};

}  // namespace kiln::agent
