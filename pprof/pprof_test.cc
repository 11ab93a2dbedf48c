// SPDX-License-Identifier: Apache-2.0
#include "pprof/pprof.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "base/file.h"
#include "base/gzip.h"
#include "pprof/pprof.pb.h"
#include "profile/dump.h"
#include "profile/synthetic.h"
#include "profile/testing.h"
#include "profile/validate.h"

namespace kiln::pprof {
namespace {

namespace pb = ::perftools::profiles;
using profile::Dump;
using profile::ExampleProfile;
using profile::Profile;
using ::testing::ElementsAre;

profile::Profile Decoded(std::string_view bytes) {
  auto profile = DecodePprof(bytes);
  EXPECT_TRUE(profile.ok()) << profile.status();
  EXPECT_EQ(Validate(*profile), absl::OkStatus());
  return *std::move(profile);
}

pb::Profile Message(const Profile& profile) {
  pb::Profile message;
  EXPECT_TRUE(message.ParseFromString(*GzipDecompress(EncodePprof(profile), kMaxPprofBytes)));
  return message;
}

const std::string& Text(const pb::Profile& message, int64_t index) {
  return message.string_table(static_cast<int>(index));
}

TEST(Pprof, KeepsEverythingOfAProfile) {
  for (const Profile& profile : {ExampleProfile(), profile::SyntheticProfile(3000)}) {
    EXPECT_EQ(Dump(Decoded(EncodePprof(profile))), Dump(profile));
  }
}

TEST(Pprof, ExampleLooksAsReviewed) {
  const auto golden = ReadFile("tests/formats/golden/example.txt", 1 << 20);
  ASSERT_TRUE(golden.ok()) << golden.status();
  EXPECT_EQ(Dump(Decoded(EncodePprof(ExampleProfile()))), *golden);
}

TEST(Pprof, EqualProfilesGiveEqualBytes) {
  EXPECT_EQ(EncodePprof(profile::SyntheticProfile(500)), EncodePprof(profile::SyntheticProfile(500)));
}

TEST(Pprof, ReadsUncompressedData) {
  const std::string raw = Message(ExampleProfile()).SerializeAsString();
  EXPECT_EQ(Dump(Decoded(raw)), Dump(ExampleProfile()));
}

TEST(Pprof, AddsCpuTimeToASampleCount) {
  const pb::Profile message = Message(ExampleProfile());
  ASSERT_EQ(message.sample_type_size(), 2);
  EXPECT_EQ(Text(message, message.sample_type(0).type()), "samples");
  EXPECT_EQ(Text(message, message.sample_type(1).type()), "cpu");
  EXPECT_EQ(Text(message, message.sample_type(1).unit()), "nanoseconds");
  EXPECT_EQ(Text(message, message.default_sample_type()), "cpu");
  EXPECT_THAT(message.sample(0).value(), ElementsAre(70, 70 * 10'101'010LL));
}

TEST(Pprof, AddsNoCpuTimeWhereItWouldOverflowOrMeanNothing) {
  Profile overflow = ExampleProfile();
  overflow.samples[0].values[0] = int64_t{1} << 50;
  EXPECT_EQ(Message(overflow).sample_type_size(), 1);
  EXPECT_EQ(Dump(Decoded(EncodePprof(overflow))), Dump(overflow));
  Profile no_period = ExampleProfile();
  no_period.period = 0;
  EXPECT_EQ(Message(no_period).sample_type_size(), 1);
}

TEST(Pprof, KeepsBothTypesIfTimeIsNotCountTimesPeriod) {
  pb::Profile message = Message(ExampleProfile());
  message.mutable_sample(0)->set_value(1, 5);
  const Profile profile = Decoded(message.SerializeAsString());
  ASSERT_EQ(profile.sample_types.size(), 2u);
  EXPECT_THAT(profile.samples[0].values, ElementsAre(70, 5));
  EXPECT_EQ(Dump(Decoded(EncodePprof(profile))), Dump(profile));
}

TEST(Pprof, NumbersFromOneAndPutsTheMainExecutableFirst) {
  Profile profile = ExampleProfile();
  std::swap(profile.mappings[profile::MappingIndex(0)], profile.mappings[profile::MappingIndex(1)]);
  for (profile::LocationIndex i(0); profile.locations.Contains(i); i = profile::LocationIndex(i.value() + 1)) {
    auto& mapping = profile.locations[i].mapping;
    if (mapping && mapping->value() < 2) mapping = profile::MappingIndex(1 - mapping->value());
  }
  const pb::Profile message = Message(profile);
  EXPECT_EQ(Text(message, message.mapping(0).filename()), "/usr/bin/app");
  for (int i = 0; i < message.mapping_size(); ++i) EXPECT_EQ(message.mapping(i).id(), static_cast<uint64_t>(i + 1));
  EXPECT_EQ(message.location(0).id(), 1u);
  EXPECT_EQ(message.function(0).id(), 1u);
  EXPECT_EQ(Dump(Decoded(EncodePprof(profile))), Dump(ExampleProfile()));
}

TEST(Pprof, SaysWhatIsKnownOfAMapping) {
  const pb::Profile message = Message(ExampleProfile());
  const pb::Mapping& app = message.mapping(0);
  EXPECT_TRUE(app.has_functions() && app.has_filenames() && app.has_line_numbers() && app.has_inline_frames());
  const pb::Mapping& libc = message.mapping(1);  // one of its two frames has no name
  EXPECT_FALSE(libc.has_functions() || libc.has_filenames() || libc.has_line_numbers() || libc.has_inline_frames());
  const pb::Mapping& kernel = message.mapping(2);
  EXPECT_TRUE(kernel.has_functions());
  EXPECT_FALSE(kernel.has_filenames() || kernel.has_line_numbers());
}

TEST(Pprof, FrameWithoutMappingHasMappingIdZero) {
  const pb::Profile message = Message(ExampleProfile());
  EXPECT_EQ(message.location(6).mapping_id(), 0u);
}

TEST(Pprof, WritesNameAsSystemNameWhereThereIsNone) {
  const pb::Profile message = Message(ExampleProfile());
  for (const pb::Function& function : message.function()) EXPECT_NE(function.system_name(), 0);
}

TEST(Pprof, BoolAndDoubleBecomeText) {
  profile::ProfileBuilder b;
  b.SetSampleTypes({b.Type("samples", "count")});
  const auto set = b.AddAttributeSet(std::vector{b.AddAttribute({b.String("yes"), true, profile::StringIndex(0)}),
                                                 b.AddAttribute({b.String("ratio"), 0.1, profile::StringIndex(0)})});
  b.AddSample({b.AddStack({}), profile::AttributeSetIndex(0), set, std::nullopt}, {{1}});
  b.SetProperties(set);
  const std::string dump = Dump(Decoded(EncodePprof(std::move(b).Finish())));
  EXPECT_THAT(dump, testing::HasSubstr("attributes ratio=\"0.1\" yes=\"true\""));
  EXPECT_THAT(dump, testing::HasSubstr("properties: ratio=\"0.1\" yes=\"true\""));
}

TEST(Pprof, KeepsForeignCommentsAndPprofsOwnFields) {
  pb::Profile message = Message(ExampleProfile());
  const auto add = [&](std::string_view text) {
    message.add_string_table(std::string(text));
    return message.string_table_size() - 1;
  };
  message.clear_comment();
  for (const char* text :
       {"made by hand", "a b=c", "n=12", "n=13", "zeros=007", "min=-9223372036854775808", "empty="}) {
    message.add_comment(add(text));
  }
  message.set_drop_frames(add("malloc|free"));
  message.set_doc_url(add("https://example.org/doc"));
  message.set_default_sample_type(add("samples"));
  const Profile profile = Decoded(message.SerializeAsString());
  EXPECT_THAT(Dump(profile),
              testing::HasSubstr("properties: empty=\"\" kiln.comment=\"made by hand\\x0aa b=c\\x0an=13\" "
                                 "min=-9223372036854775808 n=12 pprof.profile.doc_url=\"https://example.org/doc\" "
                                 "pprof.profile.drop_frames=\"malloc|free\" "
                                 "pprof.scope.default_sample_type=\"samples\" zeros=\"007\"\n"));
  EXPECT_EQ(Dump(Decoded(EncodePprof(profile))), Dump(profile));
}

// What looks like a property only from its second line on, and what bears the name of one of pprof's own fields.
TEST(Pprof, ForeignCommentsStayForeign) {
  pb::Profile message = Message(ExampleProfile());
  message.clear_comment();
  for (const char* text : {"made by hand\nratio=2", "pprof.profile.drop_frames=a", "n=1", "n=2\nm=3"}) {
    message.add_string_table(text);
    message.add_comment(message.string_table_size() - 1);
  }
  const std::string dump = Dump(Decoded(message.SerializeAsString()));
  EXPECT_THAT(dump, testing::HasSubstr("properties: kiln.comment=\"made by hand\\x0aratio=2\\x0a"
                                       "pprof.profile.drop_frames=a\\x0an=2\\x0am=3\" n=1\n"));
  EXPECT_EQ(Dump(Decoded(EncodePprof(Decoded(message.SerializeAsString())))), dump);
}

}  // namespace
}  // namespace kiln::pprof
