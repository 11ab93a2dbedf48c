// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/demangled_names.h"

#include <algorithm>
#include <string>

#include "symbolizer/demangle.h"

namespace kiln::symbolizer {

std::string_view DemangledNames::Add(std::string_view mangled) {
  const std::string text = Demangle(mangled);
  const std::string_view kept = mangled.starts_with(text) ? mangled.substr(0, text.size()) : Keep(text);
  names_.emplace(mangled.data(), kept);
  return kept;
}

std::string_view DemangledNames::Keep(std::string_view text) {
  if (free_.size() < text.size()) {
    const size_t bytes = std::max(text.size(), kChunkBytes);
    chunks_.push_back(std::make_unique_for_overwrite<char[]>(bytes));
    free_ = {chunks_.back().get(), bytes};
    chunk_bytes_ += bytes;
  }
  const std::span<char> place = free_.first(text.size());
  std::ranges::copy(text, place.begin());
  free_ = free_.subspan(text.size());
  return {place.data(), place.size()};
}

void DemangledNames::Trim() {
  if (bytes() <= max_bytes_) return;
  names_ = {};
  chunks_.clear();
  free_ = {};
  chunk_bytes_ = 0;
}

}  // namespace kiln::symbolizer
