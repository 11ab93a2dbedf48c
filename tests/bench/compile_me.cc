// SPDX-License-Identifier: Apache-2.0
// Input of a compiler that is itself the load (loads.py): templates enough for some seconds of work. Never linked.
#include <algorithm>
#include <map>
#include <regex>
#include <string>
#include <unordered_map>
#include <vector>

template <int N>
struct Table {
  std::map<std::string, std::vector<int>> rows;
  std::unordered_map<int, std::string> names;

  void Add(const std::string& key) {
    rows[key].push_back(N);
    names.emplace(static_cast<int>(rows.size()), key);
    std::sort(rows[key].begin(), rows[key].end(), [](int a, int b) { return a % (N + 1) > b % (N + 1); });
    previous.Add(key + std::to_string(N));
  }
  Table<N - 1> previous;
};

template <>
struct Table<0> {
  void Add(const std::string& key) { matches += std::regex_search(key, std::regex("k[0-9]+(ln|rn)?")); }
  int matches = 0;
};

int Fill(const std::string& key) {
  static Table<24> table;
  table.Add(key);
  return static_cast<int>(table.rows.size());
}
