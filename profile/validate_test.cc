// SPDX-License-Identifier: Apache-2.0
#include "profile/validate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "profile/testing.h"

namespace kiln::profile {
namespace {

using ::testing::HasSubstr;

struct Fault {
  const char* message;
  std::function<void(Profile&)> make;
};

TEST(Validate, NamesEachFault) {
  const Fault faults[] = {
      {"string 0", [](Profile& p) { p.strings[StringIndex(0)] = "x"; }},
      {"not valid UTF-8", [](Profile& p) { p.strings.Add("\xff"); }},
      {"stands twice in its table", [](Profile& p) { p.strings.Add("main"); }},
      {"no sample type", [](Profile& p) { p.sample_types.clear(); }},
      {"value type 0: string 999", [](Profile& p) { p.sample_types[0].unit = StringIndex(999); }},
      {"mapping 0: string 999", [](Profile& p) { p.mappings[MappingIndex(0)].filename = StringIndex(999); }},
      {"mapping 0 ends at 0x1 before it starts", [](Profile& p) { p.mappings[MappingIndex(0)].memory_limit = 1; }},
      {"function 1 has no name", [](Profile& p) { p.functions[FunctionIndex(1)].name = StringIndex(0); }},
      {"location 0: mapping 99", [](Profile& p) { p.locations[LocationIndex(0)].mapping = MappingIndex(99); }},
      {"location 0: function 99",
       [](Profile& p) { p.locations[LocationIndex(0)].lines[0].function = FunctionIndex(99); }},
      {"stack 0: location 99", [](Profile& p) { p.stacks[StackIndex(0)].locations[0] = LocationIndex(99); }},
      {"attribute 0: string 999", [](Profile& p) { p.attributes[AttributeIndex(0)].key = StringIndex(999); }},
      {"attribute set 0 is not empty",
       [](Profile& p) { p.attribute_sets[AttributeSetIndex(0)].attributes = {AttributeIndex(0)}; }},
      {"twice",
       [](Profile& p) {
         p.attribute_sets.Add({{AttributeIndex(0), AttributeIndex(0)}});
       }},
      {"sample 0: stack 99", [](Profile& p) { p.samples[0].key.stack = StackIndex(99); }},
      {"sample 0: link 3", [](Profile& p) { p.samples[0].key.link = LinkIndex(3); }},
      {"sample 1 has 2 values", [](Profile& p) { p.samples[1].values.push_back(1); }},
      {"same key", [](Profile& p) { p.samples.push_back(p.samples[0]); }},
      {"profile 0: attribute set 99", [](Profile& p) { p.properties = AttributeSetIndex(99); }},
  };
  for (const Fault& fault : faults) {
    Profile profile = ExampleProfile();
    fault.make(profile);
    const Status status = Validate(profile);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << fault.message;
    EXPECT_THAT(std::string(Message(status)), HasSubstr(fault.message));
  }
}

}  // namespace
}  // namespace kiln::profile
