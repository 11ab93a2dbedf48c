// SPDX-License-Identifier: Apache-2.0
#include "pprof/speedscope.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/file.h"
#include "pprof/folded.h"
#include "profile/dump.h"
#include "profile/synthetic.h"
#include "profile/testing.h"
#include "profile/validate.h"

namespace kiln::pprof {
namespace {

using nlohmann::json;
using profile::Dump;
using profile::ExampleProfile;
using ::testing::HasSubstr;

TEST(Speedscope, ExampleLooksAsReviewed) {
  const auto golden = ReadFile("tests/formats/golden/example.speedscope.json", 1 << 20);
  ASSERT_TRUE(golden.ok()) << golden.status();
  EXPECT_EQ(EncodeSpeedscope(ExampleProfile()), *golden);
}

// The rules of the schema that speedscope relies on.
TEST(Speedscope, IsConsistentJson) {
  for (const auto& profile : {ExampleProfile(), profile::SyntheticProfile(2000), profile::SyntheticProfile(0)}) {
    const json document = json::parse(EncodeSpeedscope(profile), nullptr, false);
    ASSERT_TRUE(document.is_object());
    const size_t frames = document["shared"]["frames"].size();
    int64_t total = 0;
    ASSERT_GT(document["profiles"].size(), 0u);
    for (const json& process : document["profiles"]) {
      ASSERT_EQ(process["samples"].size(), process["weights"].size());
      int64_t sum = 0;
      for (const json& weight : process["weights"]) sum += weight.get<int64_t>();
      EXPECT_EQ(process["endValue"], sum);
      for (const json& stack : process["samples"]) {
        for (const json& frame : stack) ASSERT_LT(frame.get<size_t>(), frames);
      }
      total += sum;
    }
    int64_t expected = 0;
    for (const auto& sample : profile.samples) expected += sample.values[0] * profile.period;
    EXPECT_EQ(total, expected);
  }
}

TEST(Speedscope, ReadsBackWhatItWrites) {
  for (const auto& profile : {ExampleProfile(), profile::SyntheticProfile(500)}) {
    const std::string text = EncodeSpeedscope(profile);
    const auto decoded = DecodeSpeedscope(text);
    ASSERT_TRUE(decoded.ok()) << decoded.status();
    EXPECT_EQ(Validate(*decoded), absl::OkStatus());
    EXPECT_EQ(decoded->period, profile.period);
    EXPECT_EQ(decoded->time_unix_nano, profile.time_unix_nano);
    EXPECT_EQ(EncodeFolded(*decoded), EncodeFolded(profile));  // processes, names, kinds of frame and counts are kept
    const auto again = DecodeSpeedscope(EncodeSpeedscope(*decoded));
    ASSERT_TRUE(again.ok()) << again.status();
    EXPECT_EQ(Dump(*again), Dump(*decoded));
  }
}

TEST(Speedscope, ReadsOthersUnits) {
  const auto decoded = DecodeSpeedscope(R"({"shared": {"frames": [{"name": "f", "file": "f.py", "line": 7}]},
      "profiles": [{"type": "sampled", "name": "CPU", "unit": "milliseconds", "startValue": 0, "endValue": 3,
                    "samples": [[0], []], "weights": [1.5, 2]}]})");
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(Dump(*decoded),
            "sample types: time/nanoseconds\nperiod: 0 /\ntime: 0 + 0 ns\nproperties:\nmappings:\nframes:\n"
            "  F1 unknown - 0x0\n    \"f\" in \"f.py\" from 7\n"
            "samples:\n  resource\n    attributes speedscope.profile.name=\"CPU\"\n"
            "      F1 \"f\": 1500000\n     : 2000000\n");
}

std::string Document(const std::string& samples, const std::string& weights, const std::string& type = "sampled",
                     const std::string& frames = R"([{"name":"f"}])") {
  return R"({"shared":{"frames":)" + frames + R"(},"profiles":[{"type":")" + type +
         R"(","name":"p","unit":"none","samples":)" + samples + R"(,"weights":)" + weights + "}]}";
}

TEST(Speedscope, NamesEachFault) {
  ASSERT_TRUE(DecodeSpeedscope(Document("[[0]]", "[1]")).ok());
  const std::pair<std::string, const char*> faults[] = {
      {"", "no JSON"},
      {"{\"shared\":", "no JSON"},
      {"[]", "no JSON object"},
      {"{}", "shared.frames is missing"},
      {R"({"shared":{"frames":[]}})", "there is no profile"},
      {R"({"shared":{"frames":[]},"profiles":[]})", "there is no profile"},
      {R"({"shared":{"frames":[]},"profiles":[7]})", "profile 0: its type is \"\""},
      {Document("[[0]]", "[1]", "evented"), "profile 0: its type is \"evented\""},
      {Document("[[0]]", "[1]", "sampled", "[{}]"), "frame 0 has no name"},
      {Document("[[0],[0]]", "[1]"), "two lists of one length"},
      {Document("{}", "[1]"), "two lists of one length"},
      {Document("[0]", "[1]"), "profile 0: sample 0: the stack is no list"},
      {Document("[[1]]", "[1]"), "profile 0: sample 0: frame 1 is out of range (1)"},
      {Document("[[-1]]", "[1]"), "a frame is no number"},
      {Document("[[0]]", "[\"1\"]"), "the weight is no number"},
      {Document("[[0]]", "[1e300]"), "the weight is no number or too large"},
      {Document("[[0]]", "[18446744073709551615]"), "the weight is no number or too large"},
  };
  for (const auto& [text, message] : faults) {
    const auto decoded = DecodeSpeedscope(text);
    ASSERT_EQ(decoded.status().code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(std::string(Message(decoded.status())), HasSubstr(message)) << text;
  }
}

TEST(Speedscope, DeepNestingIsNoFaultOfTheReader) {
  EXPECT_FALSE(DecodeSpeedscope(std::string(1'000'000, '[')).ok());
  EXPECT_FALSE(DecodeSpeedscope(std::string(200'000, '[') + std::string(200'000, ']')).ok());
}

}  // namespace
}  // namespace kiln::pprof
