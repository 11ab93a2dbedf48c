// SPDX-License-Identifier: Apache-2.0
#include "base/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace kiln {
namespace {

TEST(Metrics, RendersFamiliesWithHelpTypeAndSeriesInOrder) {
  MetricRegistry registry;
  registry.GetCounter("kiln_samples_total", "Samples.", {{"kind", "cpu"}, {"host", "a"}}).Add(3);
  registry.GetCounter("kiln_samples_total", "Samples.", {{"host", "a"}, {"kind", "cpu"}}).Add(4);
  registry.GetGauge("kiln_a", "First by name.").Set(0.5);
  EXPECT_EQ(registry.RenderPrometheus(),
            "# HELP kiln_a First by name.\n# TYPE kiln_a gauge\nkiln_a 0.5\n"
            "# HELP kiln_samples_total Samples.\n# TYPE kiln_samples_total counter\n"
            "kiln_samples_total{host=\"a\",kind=\"cpu\"} 7\n");
}

TEST(Metrics, EscapesLabelsAndHelp) {
  MetricRegistry registry;
  registry.GetGauge("g", "a\\b\nc\"d", {{"l", "x\"y\\z\n"}}).Set(1);
  EXPECT_EQ(registry.RenderPrometheus(), "# HELP g a\\\\b\\nc\"d\n# TYPE g gauge\ng{l=\"x\\\"y\\\\z\\n\"} 1\n");
}

TEST(Metrics, AsksCallbacksUntilTheyAreGoneAndKeepsCounters) {
  MetricRegistry registry;
  double value = 2;
  {
    const auto registration = registry.AddCallback(MetricKind::kGauge, "g", "h", {}, [&] { return value; });
    const auto moved = registry.AddCallback(MetricKind::kGauge, "g", "h", {}, [&] { return 40.0; });
    EXPECT_THAT(registry.RenderPrometheus(), testing::HasSubstr("g 42\n"));
  }
  EXPECT_EQ(registry.RenderPrometheus(), "");
  Counter& counter = registry.GetCounter("c_total", "h");
  counter.Add();
  EXPECT_EQ(&counter, &registry.GetCounter("c_total", "h"));
}

}  // namespace
}  // namespace kiln
