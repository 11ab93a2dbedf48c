// SPDX-License-Identifier: Apache-2.0
#include "tests/programs/demo/index.h"

namespace demo {

size_t TokenHash::operator()(const std::string& token) const {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char letter : token) hash = (hash ^ static_cast<unsigned char>(letter)) * 0x100000001b3;
  return hash;
}

void SearchIndex::Add(const std::vector<Request>& requests) {
  for (const Request& request : requests) {
    for (const std::string& token : Tokenize(request.path)) by_token_[token].push_back(requests_.size());
    requests_.push_back(request);
  }
}

std::vector<Request> SearchIndex::Slowest(const std::string& token, size_t count) const {
  const auto found = by_token_.find(token);
  if (found == by_token_.end()) return {};
  const auto slowest = LargestBy(found->second, count, [this](size_t index) { return requests_[index].seconds; });
  std::vector<Request> requests;
  for (const size_t index : slowest) requests.push_back(requests_[index]);
  return requests;
}

double SearchIndex::LatencyQuantile(double quantile) const {
  std::vector<double> seconds;
  for (const Request& request : requests_) seconds.push_back(request.seconds);
  if (seconds.empty()) return 0;
  std::sort(seconds.begin(), seconds.end());
  return seconds[static_cast<size_t>(quantile * static_cast<double>(seconds.size() - 1))];
}

void SearchIndex::Clear() {
  requests_.clear();
  by_token_.clear();
}

}  // namespace demo
