// SPDX-License-Identifier: Apache-2.0
#include "pprof/folded.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "profile/dump.h"
#include "profile/synthetic.h"
#include "profile/testing.h"
#include "profile/validate.h"

namespace kiln::pprof {
namespace {

using profile::ExampleProfile;

TEST(Folded, ExampleLooksAsReviewed) {
  const auto golden = ReadFile("tests/formats/golden/example.folded", 1 << 20);
  ASSERT_TRUE(golden.ok()) << golden.status();
  EXPECT_EQ(EncodeFolded(ExampleProfile()), *golden);
}

TEST(Folded, ReadsBackWhatItWrites) {
  for (const auto& profile : {ExampleProfile(), profile::SyntheticProfile(500)}) {
    const std::string text = EncodeFolded(profile);
    const auto decoded = DecodeFolded(text);
    ASSERT_TRUE(decoded.ok()) << decoded.status();
    EXPECT_EQ(Validate(*decoded), absl::OkStatus());
    EXPECT_EQ(EncodeFolded(*decoded), text);
  }
}

TEST(Folded, ReadsStacksRootFirst) {
  const auto profile = DecodeFolded("a;b c;vfs_read_[k] 3\r\n\na;b c;vfs_read_[k] 4\nalone 1");
  ASSERT_TRUE(profile.ok()) << profile.status();
  EXPECT_EQ(Dump(*profile),
            "sample types: samples/count\nperiod: 0 /\ntime: 0 + 0 ns\nproperties:\nmappings:\nframes:\n"
            "  F1 kernel - 0x0\n    \"vfs_read\"\n"
            "  F2 unknown - 0x0\n    \"a\"\n"
            "  F3 unknown - 0x0\n    \"alone\"\n"
            "  F4 unknown - 0x0\n    \"b c\"\n"
            "samples:\n  resource\n    attributes\n"
            "      F1 \"vfs_read\" F4 \"b c\" F2 \"a\": 7\n"
            "      F3 \"alone\": 1\n");
}

TEST(Folded, ControlCharactersBecomeBlanks) {
  const auto profile = DecodeFolded(
      "a\x1b[31m\r\x7f;\xc2\x9b"
      "2J\xc3\x9b\xc2\xa0\xc2 1\n");
  ASSERT_TRUE(profile.ok());
  EXPECT_EQ(EncodeFolded(*profile).find_first_of("\x1b\r\x7f"), std::string::npos);
  EXPECT_THAT(EncodeFolded(*profile), testing::StartsWith("a [31m  ; 2J\xc3\x9b\xc2\xa0"));
}

TEST(Folded, SumsSaturate) {
  const auto profile = DecodeFolded("a 9223372036854775807\na 9223372036854775807\n");
  ASSERT_TRUE(profile.ok());
  EXPECT_EQ(EncodeFolded(*profile), "a 9223372036854775807\n");
}

TEST(Folded, NamesTheLineWithoutACount) {
  for (const char* bad :
       {"a;b 1\nno count\n", "a 1\nb \n", "a 1\n 1x\n", "a 1\nb 1.5\n", "a 1\nb 9223372036854775808\n", "a 1\n7\n"}) {
    const auto profile = DecodeFolded(bad);
    ASSERT_EQ(profile.status().code(), absl::StatusCode::kInvalidArgument) << bad;
    EXPECT_THAT(std::string(Message(profile.status())), testing::HasSubstr("line 2")) << bad;
  }
}

}  // namespace
}  // namespace kiln::pprof
