// SPDX-License-Identifier: Apache-2.0
// A search index over requests, and the reports that are made from it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tests/programs/demo/text.h"

namespace demo {

// FNV-1a.
struct TokenHash {
  size_t operator()(const std::string& token) const;
};

// The `count` entries with the largest `key`, largest first.
template <typename Entry, typename Key>
std::vector<Entry> LargestBy(std::vector<Entry> entries, size_t count, Key key) {
  std::sort(entries.begin(), entries.end(),
            [&key](const Entry& left, const Entry& right) { return key(left) > key(right); });
  entries.resize(std::min(count, entries.size()));
  return entries;
}

// Not thread-safe.
class SearchIndex {
 public:
  void Add(const std::vector<Request>& requests);
  // The slowest requests whose path has `token`.
  std::vector<Request> Slowest(const std::string& token, size_t count) const;
  // Seconds below which the share `quantile` of all requests lies.
  double LatencyQuantile(double quantile) const;
  void Clear();

 private:
  std::vector<Request> requests_;
  std::unordered_map<std::string, std::vector<size_t>, TokenHash> by_token_;
};

}  // namespace demo
