// SPDX-License-Identifier: Apache-2.0
#include "profile/dump.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "profile/merge.h"
#include "profile/testing.h"

namespace kiln::profile {
namespace {

// The example with its samples, and so all tables that the builder fills, in reverse order.
Profile ReversedExample() {
  Profile example = ExampleProfile();
  std::reverse(example.samples.begin(), example.samples.end());
  ProfileBuilder b;
  b.String("vfs_read");  // shifts every string
  b.SetSampleTypes({b.Type("samples", "count")});
  b.SetPeriod(b.Type("cpu", "nanoseconds"), example.period);
  b.SetTime(example.time_unix_nano, example.duration_nano);
  EXPECT_TRUE(Merge(example, b).ok());
  b.SetProperties(
      b.AddAttributeSet(std::vector{b.AddAttribute("kiln.version", "0.1.0"), b.AddAttribute("kiln.samples.lost", 0)}));
  return std::move(b).Finish();
}

TEST(Dump, IsIndependentOfTheOrderOfTables) { EXPECT_EQ(Dump(ReversedExample()), Dump(ExampleProfile())); }

TEST(Dump, ShowsEveryDifference) {
  const std::function<void(Profile&)> changes[] = {
      [](Profile& p) { p.sample_types[0].unit = p.sample_types[0].type; },
      [](Profile& p) { ++p.period; },
      [](Profile& p) { ++p.time_unix_nano; },
      [](Profile& p) { ++p.duration_nano; },
      [](Profile& p) { p.properties = AttributeSetIndex(0); },
      [](Profile& p) { ++p.mappings[MappingIndex(0)].memory_limit; },
      [](Profile& p) { p.mappings[MappingIndex(0)].build_id = StringIndex(0); },
      [](Profile& p) { ++p.functions[FunctionIndex(0)].start_line; },
      [](Profile& p) { p.functions[FunctionIndex(1)].system_name = StringIndex(0); },
      [](Profile& p) { p.locations[LocationIndex(0)].type = FrameType::kGo; },
      [](Profile& p) { ++p.locations[LocationIndex(0)].address; },
      [](Profile& p) { p.locations[LocationIndex(0)].mapping.reset(); },
      [](Profile& p) { ++p.locations[LocationIndex(0)].lines[0].column; },
      [](Profile& p) { p.locations[LocationIndex(1)].lines.pop_back(); },
      [](Profile& p) { ++p.samples[0].values[0]; },
      [](Profile& p) { p.samples[0].key.resource = AttributeSetIndex(0); },
      [](Profile& p) { p.samples[0].key.attributes = AttributeSetIndex(0); },
      [](Profile& p) { p.samples[0].key.link = p.links.Add(Link{}); },
      [](Profile& p) { p.attributes[AttributeIndex(0)].value = true; },
      [](Profile& p) { p.attributes[AttributeIndex(0)].unit = StringIndex(1); },
      [](Profile& p) { p.samples.pop_back(); },
  };
  const std::string before = Dump(ExampleProfile());
  for (size_t i = 0; i < std::size(changes); ++i) {
    Profile profile = ExampleProfile();
    changes[i](profile);
    EXPECT_NE(Dump(profile), before) << "change " << i;
  }
}

TEST(Dump, EscapesControlCharacters) {
  ProfileBuilder b;
  b.SetSampleTypes({b.Type("samples", "count")});
  b.SetProperties(b.AddAttributeSet(std::vector{b.AddAttribute("key", "a\"b\\c\nd")}));
  EXPECT_THAT(Dump(b.profile()), testing::HasSubstr("properties: key=\"a\\\"b\\\\c\\x0ad\"\n"));
}

}  // namespace
}  // namespace kiln::profile
