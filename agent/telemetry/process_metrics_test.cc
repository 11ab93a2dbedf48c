// SPDX-License-Identifier: Apache-2.0
#include "agent/telemetry/process_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <sstream>

namespace kiln::agent {
namespace {

using ::testing::HasSubstr;

double ValueOf(const std::string& rendered, const std::string& name) {
  std::istringstream lines(rendered);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(name + " ") || line.starts_with(name + "{")) return std::atof(line.c_str() + line.rfind(' '));
  }
  ADD_FAILURE() << "no " << name;
  return -1;
}

TEST(ProcessMetrics, TellWhatTheProcessCosts) {
  MetricRegistry registry;
  absl::Duration now = absl::Hours(7);
  const ProcessMetrics metrics(registry, "1.2.3", [&] { return now; });
  now += absl::Seconds(90);
  const std::string text = registry.RenderPrometheus();
  EXPECT_EQ(ValueOf(text, "otelcol_process_uptime"), 90);
  EXPECT_THAT(text, HasSubstr("# TYPE otelcol_process_cpu_seconds_total counter\n"));
  EXPECT_GT(ValueOf(text, "otelcol_process_memory_rss"), 1 << 20);
  EXPECT_GE(ValueOf(text, "kiln_process_open_fds"), 3);
  EXPECT_GE(ValueOf(text, "kiln_available_cpus"), 0.01);
  EXPECT_GT(ValueOf(text, "kiln_available_memory_bytes"), 1 << 20);
  EXPECT_THAT(text, HasSubstr(",version=\"1.2.3\"} 1\n"));
}

TEST(ProcessMetrics, TellWhoTheAgentIs) {
  MetricRegistry registry;
  ProcessMetrics metrics(registry, "1", [] { return absl::Duration(); });
  EXPECT_THAT(registry.RenderPrometheus(), testing::Not(HasSubstr("target_info")));
  metrics.SetTarget({{"service.name", "kiln"}, {"7/x", "a \"b\""}, {"a.b", "1"}, {"a_b", "2"}});
  EXPECT_THAT(registry.RenderPrometheus(),
              HasSubstr("\ntarget_info{_7_x=\"a \\\"b\\\"\",a_b=\"1;2\",service_name=\"kiln\"} 1\n"));
  metrics.SetTarget({{"service.name", "other"}});
  EXPECT_THAT(registry.RenderPrometheus(), HasSubstr("target_info{service_name=\"other\"} 1\n"));
  EXPECT_THAT(registry.RenderPrometheus(), testing::Not(HasSubstr("_7_x")));
}

TEST(ProcessMetrics, CountCpuTimeUp) {
  const double before = ProcessCpuSeconds();
  double now = before;
  while (now <= before) now = ProcessCpuSeconds();  // which takes CPU time itself
  EXPECT_GT(now, before);
}

TEST(ProcessMetrics, LeaveTheRegistryWithTheirOwner) {
  MetricRegistry registry;
  {
    const ProcessMetrics metrics(registry, "1", [] { return absl::Duration(); });
  }
  EXPECT_EQ(registry.RenderPrometheus(), "");
}

}  // namespace
}  // namespace kiln::agent
