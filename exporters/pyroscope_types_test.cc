// SPDX-License-Identifier: Apache-2.0
#include "exporters/pyroscope_types.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "profile/builder.h"

namespace kiln::exporters {
namespace {

using ::testing::ElementsAre;

using Types = std::vector<std::pair<std::string, std::string>>;

// Each kind as "name type:unit,type:unit period_type:period_unit period".
std::vector<std::string> Kinds(const Types& types, const std::string& period_type = "",
                               const std::string& period_unit = "", int64_t period = 0) {
  profile::ProfileBuilder b;
  std::vector<profile::ValueType> value_types;
  for (const auto& [type, unit] : types) value_types.push_back(b.Type(type, unit));
  b.SetSampleTypes(value_types);
  b.SetPeriod(b.Type(period_type, period_unit), period);
  std::vector<std::string> out;
  for (const PyroscopeKind& kind : PyroscopeKinds(b.profile())) {
    std::string text = kind.name;
    char separator = ' ';
    for (const auto& column : kind.columns) {
      text += fmt::format("{}{}:{}", separator, column.type, column.unit);
      separator = ',';
    }
    out.push_back(text + fmt::format(" {}:{} {}", kind.period_type, kind.period_unit, kind.period));
  }
  return out;
}

TEST(PyroscopeTypes, NamesTheCustomaryKinds) {
  EXPECT_THAT(Kinds({{"samples", "count"}}, "cpu", "nanoseconds", 10'000'000),
              ElementsAre("process_cpu samples:count cpu:nanoseconds 10000000"));
  EXPECT_THAT(Kinds({{"cpu", "nanoseconds"}}, "cpu", "nanoseconds", 10),
              ElementsAre("process_cpu cpu:nanoseconds cpu:nanoseconds 10"));
  EXPECT_THAT(Kinds({{"off_cpu", "nanoseconds"}}), ElementsAre("off_cpu off_cpu:nanoseconds : 0"));
  EXPECT_THAT(Kinds({{"wall", "nanoseconds"}}), ElementsAre("wall wall:nanoseconds wall:nanoseconds 0"));
  EXPECT_THAT(Kinds({{"goroutines", "count"}}), ElementsAre("goroutine goroutine:count goroutine:count 0"));
  EXPECT_THAT(Kinds({{"block_contentions", "count"}, {"block_delay", "nanoseconds"}}),
              ElementsAre("block contentions:count,delay:nanoseconds contentions:count 0"));
}

TEST(PyroscopeTypes, PutsTypesOfOneKindTogether) {
  EXPECT_THAT(
      Kinds({{"alloc_objects", "count"}, {"contentions", "count"}, {"alloc_space", "bytes"}, {"delay", "nanoseconds"}},
            "space", "bytes", 512),
      ElementsAre("memory alloc_objects:count,alloc_space:bytes space:bytes 512",
                  "mutex contentions:count,delay:nanoseconds contentions:count 0"));
}

TEST(PyroscopeTypes, TheSameTypeTwiceIsTwoKinds) {
  EXPECT_THAT(Kinds({{"contentions", "count"}, {"mutex_contentions", "count"}}).size(), 2);
}

TEST(PyroscopeTypes, KeepsUnknownTypesUnderNamesThatPyroscopeTakes) {
  EXPECT_THAT(Kinds({{"page-faults", "count"}}, "events", "count", 3),
              ElementsAre("page_faults page_faults:count events:count 3"));
  EXPECT_THAT(Kinds({{"a.b", "x"}, {"", ""}}, "cpu", "nanoseconds", 3),
              ElementsAre("a_b a_b:x : 0", "unknown unknown: : 0"));
  EXPECT_THAT(Kinds({{"samples", "count"}}), ElementsAre("samples samples:count : 0"));
}

TEST(PyroscopeTypes, OffCpuBesideCpuDoesNotTakeItsPeriod) {
  EXPECT_THAT(Kinds({{"samples", "count"}, {"off_cpu", "nanoseconds"}}, "cpu", "nanoseconds", 7),
              ElementsAre("process_cpu samples:count cpu:nanoseconds 7", "off_cpu off_cpu:nanoseconds : 0"));
}

}  // namespace
}  // namespace kiln::exporters
