// SPDX-License-Identifier: Apache-2.0
// docs/agent-configuration.md and docs/examples/agent.yaml against what the parser knows. A table of the page begins
// with
// "<!-- keys: TABLE -->" and has rows "| `key` | `default` | meaning |".
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "agent/config/render.h"
#include "agent/config/testing.h"
#include "base/file.h"

namespace kiln::agent::config {
namespace {

constexpr char kPage[] = "docs/agent-configuration.md";

using Table = std::map<std::string, std::string>;  // default by key

std::string WithoutBackticks(std::string text) {
  std::erase(text, '`');
  const size_t first = text.find_first_not_of(' ');
  const size_t last = text.find_last_not_of(' ');
  return first == std::string::npos ? "" : text.substr(first, last - first + 1);
}

std::map<std::string, Table> ReadTables(const std::string& page) {
  constexpr std::string_view kMark = "<!-- keys: ";
  std::map<std::string, Table> tables;
  Table* table = nullptr;
  std::istringstream lines(page);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(kMark)) {
      table = &tables[line.substr(kMark.size(), line.find(" -->") - kMark.size())];
    } else if (!line.starts_with("|")) {
      if (line.empty() && table != nullptr && !table->empty()) table = nullptr;
    } else if (table != nullptr && line.starts_with("| `")) {
      const size_t second = line.find('|', 1), third = line.find('|', second + 1);
      (*table)[WithoutBackticks(line.substr(1, second - 1))] =
          WithoutBackticks(line.substr(second + 1, third - second - 1));
    }
  }
  return tables;
}

TEST(Documentation, HasEveryKeyWithItsDefaultAndNoOther) {
  const StatusOr<std::string> page = ReadFile(kPage, 1 << 20);
  ASSERT_TRUE(page.ok()) << page.status();
  std::map<std::string, Table> expected;
  for (const KnownKey& key : ListKeys()) {
    // Other names of the same components.
    if (key.table.starts_with("exporters.otlp_")) continue;
    if (key.is_used) {
      expected[key.table][key.key] = key.default_text;
    } else {
      const bool is_there =
          page->find("`" + key.key + "`") != std::string::npos || page->find("`" + key.key + ": ") != std::string::npos;
      EXPECT_TRUE(is_there) << key.table << " " << key.key;
    }
  }
  const std::map<std::string, Table> tables = ReadTables(*page);
  for (const auto& [name, table] : expected) {
    ASSERT_TRUE(tables.contains(name)) << "no table " << name;
    EXPECT_EQ(tables.at(name), table) << name;
  }
  for (const auto& [name, table] : tables) EXPECT_TRUE(expected.contains(name)) << name;
}

TEST(Documentation, ExamplesAreRight) {
  const Environment environment = {{"PYROSCOPE_TOKEN", "x"}, {"NODE_NAME", "n"}};
  const LoadResult result = LoadConfig({"docs/examples/agent.yaml"}, environment);
  EXPECT_EQ(RenderErrors(result), "");
  // Those in the page too.
  const StatusOr<std::string> page = ReadFile(kPage, 1 << 20);
  ASSERT_TRUE(page.ok()) << page.status();
  constexpr std::string_view kBegin = "```yaml\n";
  int count = 0;
  for (size_t at = page->find(kBegin); at != std::string::npos; at = page->find(kBegin, at + 1)) {
    const size_t start = at + kBegin.size();
    const std::string text = page->substr(start, page->find("```", start) - start);
    std::vector<std::string> texts = {text};
    // Pieces show one key: the rest is the shortest configuration.
    if (text.find("pipelines:") == std::string::npos) texts.insert(texts.begin(), kBasic);
    EXPECT_EQ(RenderErrors(Load(texts, environment)), "") << text;
    ++count;
  }
  EXPECT_GE(count, 5);
}

}  // namespace
}  // namespace kiln::agent::config
