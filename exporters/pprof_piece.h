// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <absl/container/flat_hash_map.h>

#include <span>
#include <string>
#include <vector>

#include "profile/builder.h"

namespace kiln::exporters {

// Copies samples of one profile into a smaller one and knows how large that is as pprof. Not movable.
// Thread-compatible.
class PprofPiece {
 public:
  using TextLabels = std::span<const std::pair<std::string, std::string>>;

  // `from` must be valid and outlive the piece.
  explicit PprofPiece(const profile::Profile& from) : from_(from) {}

  profile::ProfileBuilder& builder() { return builder_; }

  // How many bytes the sample would add to the pprof file before compression, at most (files up to some MiB).
  size_t Cost(const profile::Sample& sample, TextLabels labels, std::span<const int64_t> values) const;
  // Adds the stack and link of `sample` with these labels and values. Samples that are equal then are added up.
  void Add(const profile::Sample& sample, TextLabels labels, std::span<const int64_t> values);

  size_t samples() const { return builder_.profile().samples.size(); }

 private:
  size_t LocationCost(profile::LocationIndex index) const;
  size_t MappingCost(profile::MappingIndex index) const;
  size_t FunctionCost(profile::FunctionIndex index) const;
  size_t TextCost(profile::StringIndex index) const;
  profile::StringIndex Text(profile::StringIndex index);
  profile::FunctionIndex Function(profile::FunctionIndex index);
  profile::MappingIndex Mapping(profile::MappingIndex index);
  profile::LocationIndex Location(profile::LocationIndex index);

  const profile::Profile& from_;
  profile::ProfileBuilder builder_;
  // From the profile's indices to the piece's.
  absl::flat_hash_map<profile::StringIndex, profile::StringIndex> texts_;
  absl::flat_hash_map<profile::FunctionIndex, profile::FunctionIndex> functions_;
  absl::flat_hash_map<profile::MappingIndex, profile::MappingIndex> mappings_;
  absl::flat_hash_map<profile::LocationIndex, profile::LocationIndex> locations_;
};

}  // namespace kiln::exporters
