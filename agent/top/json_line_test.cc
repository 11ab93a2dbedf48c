// SPDX-License-Identifier: Apache-2.0
#include "agent/top/json_line.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "agent/top/testing.h"

namespace kiln::agent {
namespace {

using Json = nlohmann::json;

TEST(JsonLine, HasTheHeaderAndTheRows) {
  const std::string line = RenderJsonLine(ExampleInterval(), {}, 2);
  EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1);
  const Json json = Json::parse(line);
  EXPECT_EQ(json["time"], "2023-11-15T10:00:00.000Z");
  EXPECT_EQ(json["host"], "box");
  EXPECT_TRUE(json["target"].is_null());
  EXPECT_EQ(json["interval_seconds"], 2.0);
  EXPECT_EQ(json["frequency_hz"], 100);
  EXPECT_EQ(json["samples"], 200);
  EXPECT_EQ(json["complete_percent"], 99.5);
  EXPECT_EQ(json["cpus"], 2);
  EXPECT_EQ(json["cpus_busy"], 1.0);
  EXPECT_EQ(json["lost"], 0);
  EXPECT_EQ(json["kiln_cpu_percent"], 1.25);
  EXPECT_EQ(json["by"], "function");
  EXPECT_EQ(json["more_rows"], 4);
  ASSERT_EQ(json["rows"].size(), 2u);
  EXPECT_EQ(json["rows"][0], Json::parse(R"({"function": "add", "module": "app", "self_percent": 65.0,
      "total_percent": 65.0, "cpu": 0.65, "process": "app", "pid": 42, "more_processes": 1})"));
}

TEST(JsonLine, HasProcessesAndThreads) {
  const Json processes = Json::parse(RenderJsonLine(ExampleInterval(), {.by = TopGrouping::kProcess}, 1));
  EXPECT_EQ(processes["rows"][0], Json::parse(R"({"process": "app", "pid": 42, "percent": 75.0, "cpu": 0.75,
      "hottest_function": "add", "hottest_module": "app"})"));
  const Json threads = Json::parse(RenderJsonLine(ExampleInterval(), {.by = TopGrouping::kThread}, 9));
  EXPECT_EQ(threads["rows"][1]["thread"], "worker-77");
  EXPECT_EQ(threads["rows"][1]["tid"], 77);
}

TEST(JsonLine, OfAnIdleIntervalHasNoPercentages) {
  const Json json = Json::parse(RenderJsonLine(IntervalOf({}), {}, 20));
  EXPECT_TRUE(json["complete_percent"].is_null());
  EXPECT_EQ(json["rows"], Json::array());
  EXPECT_EQ(json["samples"], 0);
}

TEST(JsonLine, IsValidWhateverTheNamesAre) {
  TopInterval interval = IntervalOf({{{"evil\x1b\n\"\xff"}, 10}});
  interval.host = "\xff";
  interval.target = "threads named \xfe";
  EXPECT_TRUE(Json::accept(RenderJsonLine(interval, {}, 20)));
}

}  // namespace
}  // namespace kiln::agent
