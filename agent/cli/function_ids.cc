// SPDX-License-Identifier: Apache-2.0
#include "agent/cli/function_ids.h"

#include "agent/cli/hot_functions.h"
#include "pprof/labels.h"

namespace kiln::agent {
namespace {

std::string_view ModuleOf(const profile::Profile& profile, const profile::Location& location) {
  if (!location.mapping) return "";
  return BaseName(profile.strings[profile.mappings[*location.mapping].filename]);
}

}  // namespace

FunctionIds::FunctionIds(const profile::Profile& profile) {
  by_location_.reserve(profile.locations.size());
  for (const profile::Location& location : profile.locations) {
    const std::string_view module = ModuleOf(profile, location);
    std::vector<size_t>& ids = by_location_.emplace_back();
    for (const profile::Line& line : location.lines) {
      ids.push_back(IdOf(profile.strings[profile.functions[line.function].name], module));
    }
    if (ids.empty()) ids.push_back(IdOf(pprof::BareFrameName(profile, location), module));
  }
}

size_t FunctionIds::IdOf(std::string_view name, std::string_view module) {
  const auto [entry, is_new] = ids_.try_emplace({std::string(name), std::string(module)}, functions_.size());
  if (is_new) functions_.push_back({.name = std::string(name), .module = std::string(module)});
  return entry->second;
}

}  // namespace kiln::agent
