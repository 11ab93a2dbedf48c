// SPDX-License-Identifier: Apache-2.0
// What others' files and hostile ones do to DecodePprof; the messages are built here, field by field.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "base/gzip.h"
#include "pprof/pprof.h"
#include "pprof/pprof.pb.h"
#include "profile/dump.h"
#include "profile/validate.h"

namespace kiln::pprof {
namespace {

namespace pb = ::perftools::profiles;
using profile::Dump;
using ::testing::HasSubstr;

int64_t AddText(pb::Profile& message, const std::string& text) {
  message.add_string_table(text);
  return message.string_table_size() - 1;
}

// One heap sample, ids that are no table positions.
pb::Profile HeapMessage() {
  pb::Profile m;
  m.add_string_table("");
  for (const char* name : {"alloc_objects", "alloc_space"}) {
    auto& type = *m.add_sample_type();
    type.set_type(AddText(m, name));
    type.set_unit(AddText(m, name == std::string("alloc_space") ? "bytes" : "count"));
  }
  auto& mapping = *m.add_mapping();
  mapping.set_id(77);
  mapping.set_filename(AddText(m, "/bin/server"));
  auto& function = *m.add_function();
  function.set_id(1ull << 60);
  function.set_name(AddText(m, "Allocate"));
  auto& location = *m.add_location();
  location.set_id(5000);
  location.set_mapping_id(77);
  location.set_address(0x400);
  location.add_line()->set_function_id(1ull << 60);
  auto& sample = *m.add_sample();
  sample.add_location_id(5000);
  sample.add_value(3);
  sample.add_value(4096);
  return m;
}

pb::Label& AddLabel(pb::Profile& m, const std::string& key) {
  auto& label = *m.mutable_sample(0)->add_label();
  label.set_key(AddText(m, key));
  return label;
}

std::string DumpOf(const pb::Profile& message) {
  const auto profile = DecodePprof(message.SerializeAsString());
  EXPECT_TRUE(profile.ok()) << profile.status();
  if (!profile.ok()) return "";
  EXPECT_EQ(Validate(*profile), absl::OkStatus());
  return Dump(*profile);
}

TEST(DecodePprof, TakesAnyIdsAndSampleTypes) {
  EXPECT_EQ(DumpOf(HeapMessage()),
            "sample types: alloc_objects/count alloc_space/bytes\n"
            "period: 0 /\n"
            "time: 0 + 0 ns\n"
            "properties:\n"
            "mappings:\n"
            "  M1 \"/bin/server\" 0x0-0x0 offset 0x0\n"
            "frames:\n"
            "  F1 native M1 0x400\n"
            "    \"Allocate\"\n"
            "samples:\n"
            "  resource\n"
            "    attributes\n"
            "      F1 \"Allocate\": 3 4096\n");
}

TEST(DecodePprof, SortsLabelsIntoResourceSampleAndLink) {
  pb::Profile m = HeapMessage();
  AddLabel(m, "service.name").set_str(AddText(m, "shop"));
  AddLabel(m, "k8s.pod.name").set_str(AddText(m, "shop-1"));
  auto& bytes = AddLabel(m, "bytes");
  bytes.set_num(64);
  bytes.set_num_unit(AddText(m, "bytes"));
  AddLabel(m, "number zero");
  AddLabel(m, "empty text").set_str(AddText(m, ""));
  AddLabel(m, "trace_id").set_str(AddText(m, "0102030405060708090A0b0c0d0e0f10"));
  AddLabel(m, "span_id").set_str(AddText(m, "00000000000000ff"));
  EXPECT_THAT(DumpOf(m), HasSubstr("  resource k8s.pod.name=\"shop-1\" service.name=\"shop\"\n"
                                   "    attributes bytes=64[bytes] \"empty text\"=\"\" \"number zero\"=0\n"
                                   "      F1 \"Allocate\" link 0102030405060708090a0b0c0d0e0f10/00000000000000ff: "));
}

TEST(DecodePprof, KeepsIdsThatAreNoneAsLabels) {
  pb::Profile m = HeapMessage();
  AddLabel(m, "trace_id").set_str(AddText(m, "0000000000000000000000000000000"));
  AddLabel(m, "span_id").set_str(AddText(m, "zz00000000000001"));
  EXPECT_THAT(DumpOf(m), HasSubstr("attributes span_id=\"zz00000000000001\" trace_id=\"0"));
}

TEST(DecodePprof, AddsSamplesOfEqualIdentity) {
  pb::Profile m = HeapMessage();
  *m.add_sample() = m.sample(0);
  EXPECT_THAT(DumpOf(m), HasSubstr("F1 \"Allocate\": 6 8192\n"));
}

TEST(DecodePprof, FindsANameForEveryFunction) {
  pb::Profile m = HeapMessage();
  m.mutable_function(0)->set_name(0);
  EXPECT_THAT(DumpOf(m), HasSubstr("[unknown]"));
  m.mutable_function(0)->set_system_name(AddText(m, "_Z1fv"));
  EXPECT_THAT(DumpOf(m), HasSubstr("\"_Z1fv\""));
}

TEST(DecodePprof, ReplacesTextThatIsNotUtf8) {
  pb::Profile m = HeapMessage();
  m.mutable_function(0)->set_name(AddText(m, "bad\xff"));
  EXPECT_THAT(DumpOf(m), HasSubstr("bad\xef\xbf\xbd"));
}

TEST(DecodePprof, IsGenerousWithoutSamples) {
  pb::Profile m = HeapMessage();
  m.clear_sample();
  EXPECT_THAT(DumpOf(m), HasSubstr("samples:\n"));
}

struct Fault {
  const char* message;
  std::function<void(pb::Profile&)> make;
};

TEST(DecodePprof, NamesEachFault) {
  const Fault faults[] = {
      {"the string table is empty", [](pb::Profile& m) { m.clear_string_table(); }},
      {"string 0 is not empty", [](pb::Profile& m) { m.set_string_table(0, "x"); }},
      {"there is no sample type", [](pb::Profile& m) { m.clear_sample_type(); }},
      {"sample type 1: unit 999 is out of range", [](pb::Profile& m) { m.mutable_sample_type(1)->set_unit(999); }},
      {"period type: type -1 is out of range", [](pb::Profile& m) { m.mutable_period_type()->set_type(-1); }},
      {"mapping 0: filename 999", [](pb::Profile& m) { m.mutable_mapping(0)->set_filename(999); }},
      {"mapping 0: build id 999", [](pb::Profile& m) { m.mutable_mapping(0)->set_build_id(999); }},
      {"mapping 0 has the id 0", [](pb::Profile& m) { m.mutable_mapping(0)->set_id(0); }},
      {"mapping 1 has the id 77 of an earlier one", [](pb::Profile& m) { *m.add_mapping() = m.mapping(0); }},
      {"function 0: name 999", [](pb::Profile& m) { m.mutable_function(0)->set_name(999); }},
      {"function 0: system name", [](pb::Profile& m) { m.mutable_function(0)->set_system_name(INT64_MIN); }},
      {"function 0: filename", [](pb::Profile& m) { m.mutable_function(0)->set_filename(INT64_MAX); }},
      {"function 0 has the id 0", [](pb::Profile& m) { m.mutable_function(0)->set_id(0); }},
      {"location 0: mapping id 3 does not exist", [](pb::Profile& m) { m.mutable_location(0)->set_mapping_id(3); }},
      {"location 0: function id 3 does not exist",
       [](pb::Profile& m) { m.mutable_location(0)->mutable_line(0)->set_function_id(3); }},
      {"location 1 has the id 5000", [](pb::Profile& m) { *m.add_location() = m.location(0); }},
      {"sample 0: location id 9 does not exist", [](pb::Profile& m) { m.mutable_sample(0)->set_location_id(0, 9); }},
      {"sample 0 has 3 values instead of 2", [](pb::Profile& m) { m.mutable_sample(0)->add_value(1); }},
      {"sample 0: label: key 999", [](pb::Profile& m) { m.mutable_sample(0)->add_label()->set_key(999); }},
      {"sample 0: label: text 999", [](pb::Profile& m) { m.mutable_sample(0)->add_label()->set_str(999); }},
      {"sample 0: label: unit 999", [](pb::Profile& m) { m.mutable_sample(0)->add_label()->set_num_unit(999); }},
      {"profile: comment 999", [](pb::Profile& m) { m.add_comment(999); }},
      {"profile: pprof.profile.drop_frames 999", [](pb::Profile& m) { m.set_drop_frames(999); }},
      {"profile: default sample type 999", [](pb::Profile& m) { m.set_default_sample_type(999); }},
  };
  for (const Fault& fault : faults) {
    pb::Profile message = HeapMessage();
    fault.make(message);
    const auto profile = DecodePprof(message.SerializeAsString());
    ASSERT_EQ(profile.status().code(), absl::StatusCode::kInvalidArgument) << fault.message;
    EXPECT_THAT(std::string(Message(profile.status())), HasSubstr(fault.message));
  }
}

TEST(DecodePprof, RefusesWhatIsNoPprof) {
  const std::string packed = GzipCompress(HeapMessage().SerializeAsString());
  EXPECT_EQ(DecodePprof("").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(Message(DecodePprof("hello, world").status())), HasSubstr("not a pprof file"));
  EXPECT_THAT(std::string(Message(DecodePprof(packed.substr(0, 40)).status())), HasSubstr("gzip data"));
}

}  // namespace
}  // namespace kiln::pprof
