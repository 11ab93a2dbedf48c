// SPDX-License-Identifier: Apache-2.0
#include "viewer/html.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/sha.h>

#include <array>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "base/gzip.h"
#include "profile/testing.h"
#include "profile/validate.h"
#include "viewer/base64.h"

namespace kiln::viewer {
namespace {

using profile::AttributeIndex;
using profile::FrameType;
using profile::Profile;
using profile::ProfileBuilder;
using profile::StringIndex;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::string_view kDataStart = "<script type=\"application/octet-stream\" id=\"data\">";

// What stands between the first `before` and the next `after`.
std::string Between(const std::string& text, std::string_view before, std::string_view after) {
  const size_t start = text.find(before);
  EXPECT_NE(start, std::string::npos) << before;
  const size_t from = start + before.size();
  const size_t to = text.find(after, from);
  EXPECT_NE(to, std::string::npos) << after;
  return text.substr(from, to - from);
}

size_t Count(const std::string& text, std::string_view part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

std::string Base64Decode(const std::string& text) {
  std::string out;
  uint32_t group = 0;
  int bits = 0;
  for (const char c : text) {
    if (c == '=') break;
    const char* alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    group = group << 6 | static_cast<uint32_t>(std::strchr(alphabet, c) - alphabet);
    bits += 6;
    if (bits >= 8) out += static_cast<char>(group >> (bits -= 8) & 0xff);
  }
  return out;
}

nlohmann::json EmbeddedData(const std::string& html) {
  const auto unpacked = GzipDecompress(Base64Decode(Between(html, kDataStart, "<")), 1 << 26);
  EXPECT_TRUE(unpacked.ok()) << unpacked.status();
  return nlohmann::json::parse(*unpacked);
}

// The same map as profile::TotalsByStack, from the page's data.
std::map<std::string, int64_t> TotalsByStackOf(const nlohmann::json& data) {
  const auto& depths = data["stacks"]["depth"];
  std::vector<std::string> stacks;
  size_t at = 0;
  for (const size_t depth : depths) {
    std::string text;
    for (size_t i = depth; i > 0; --i) {
      const size_t frame = data["stacks"]["frames"][at + i - 1];
      const std::string name = data["strings"][data["frames"]["name"][frame].get<size_t>()];
      text += (text.empty() ? "" : ";") + (name.empty() ? "?" : name);
    }
    at += depth;
    stacks.push_back(text);
  }
  EXPECT_EQ(at, data["stacks"]["frames"].size());
  std::map<std::string, int64_t> totals;
  for (size_t i = 0; i < data["samples"]["stack"].size(); ++i) {
    totals[stacks[data["samples"]["stack"][i].get<size_t>()]] += data["samples"]["values"][0][i].get<int64_t>();
  }
  return totals;
}

TEST(RenderHtml, CarriesAllStacksWithTheirValues) {
  const Profile profile = profile::ExampleProfile();
  EXPECT_EQ(TotalsByStackOf(EmbeddedData(RenderHtml(profile))), profile::TotalsByStack(profile));
}

TEST(RenderHtml, CarriesFramesProcessesThreadsAndTimes) {
  const auto data = EmbeddedData(RenderHtml(profile::ExampleProfile()));
  const auto& frames = data["frames"];
  const auto text = [&](const nlohmann::json& index) {
    return data["strings"][index.get<size_t>()].get<std::string>();
  };
  size_t found = 0;
  for (size_t i = 0; i < frames["name"].size(); ++i) {
    if (text(frames["name"][i]) == "add(int)") {
      ++found;
      EXPECT_EQ(text(frames["system"][i]), "_Z3addi");
      EXPECT_EQ(text(frames["file"][i]), "work.h");
      EXPECT_EQ(frames["line"][i], 1);
      EXPECT_EQ(frames["inlined"][i], 1);
      EXPECT_EQ(frames["address"][i], "2345");
      EXPECT_EQ(text(data["modules"]["file"][frames["module"][i].get<size_t>()]), "/usr/bin/app");
    }
    if (text(frames["name"][i]) == "vfs_read") {
      ++found;
      EXPECT_EQ(data["frameTypes"][frames["type"][i].get<size_t>()], "kernel");
      EXPECT_EQ(frames["address"][i], "ffffffff81234567");
    }
  }
  EXPECT_EQ(found, 2u);
  ASSERT_EQ(data["processes"].size(), 2u);
  EXPECT_EQ(data["processes"][0][0], 42);
  EXPECT_EQ(text(data["processes"][0][1]), "app");
  ASSERT_EQ(data["threads"].size(), 3u);
  EXPECT_EQ(data["threads"][1], nlohmann::json::array({0, 44, data["threads"][1][2]}));
  EXPECT_EQ(text(data["threads"][1][2]), "worker");
  EXPECT_EQ(data["time"], 1'700'000'000'000);
  EXPECT_EQ(data["duration"], 10'000'000'000);
  EXPECT_EQ(data["period"][2], 10'101'010);
  EXPECT_EQ(data["properties"], nlohmann::json::parse(R"([["kiln.samples.lost",0,""],["kiln.version","0.1.0",""]])"));
}

TEST(RenderHtml, EqualProfilesGiveEqualPages) {
  EXPECT_EQ(RenderHtml(profile::ExampleProfile()), RenderHtml(profile::ExampleProfile()));
}

// A profile whose every text is `hostile`.
Profile HostileProfile(const std::string& hostile) {
  ProfileBuilder b;
  const StringIndex text = b.String(hostile);
  b.SetSampleTypes({{text, text}});
  b.SetPeriod({text, text}, 1);
  b.SetTime(0, 0);
  const auto mapping = b.AddMapping({0, 0, 0, text, text});
  const auto function = b.AddFunction({text, text, text, 1});
  const auto location = b.AddLocation({mapping, 1, FrameType::kNative, {{function, 1, 1}}});
  const auto set = [&](std::vector<AttributeIndex> attributes) { return b.AddAttributeSet(attributes); };
  const auto process = set({b.AddAttribute("process.executable.name", hostile)});
  const auto thread = set({b.AddAttribute("thread.name", hostile)});
  b.AddSample({b.AddStack({location}), process, thread, std::nullopt}, {{1}});
  b.SetProperties(set({b.AddAttribute("kiln.command", hostile), b.AddAttribute(hostile, hostile)}));
  return std::move(b).Finish();
}

TEST(RenderHtml, HostileNamesNeverBecomeMarkup) {
  const std::string plain = RenderHtml(HostileProfile("harmless"));
  for (const std::string hostile :
       {"</script><script>alert(1)</script>", "<!--<script>", "</title><img src=x onerror=alert(1)>", "\"'&<>",
        "{{DATA}}", "{{TITLE}}", "]]>", "\u2028\u2029\n\r\t\x01"}) {
    const Profile profile = HostileProfile(hostile);
    ASSERT_TRUE(profile::Validate(profile).ok());
    const std::string html = RenderHtml(profile);
    for (const std::string_view mark : {"<script", "</script", "<!--", "<img", "</title"}) {
      EXPECT_EQ(Count(html, mark), Count(plain, mark)) << hostile << " changes the number of " << mark;
    }
    const auto data = EmbeddedData(html);
    EXPECT_EQ(data["strings"][data["frames"]["name"][0].get<size_t>()], hostile);
    EXPECT_EQ(data["properties"][0][1], hostile);
  }
}

TEST(RenderHtml, TitleNamesCommandAndHost) {
  ProfileBuilder b;
  b.SetSampleTypes({b.Type("samples", "count")});
  b.SetProperties(b.AddAttributeSet(
      std::vector{b.AddAttribute("kiln.command", "make -j8 && echo <done>"), b.AddAttribute("host.name", "oven-3")}));
  const std::string html = RenderHtml(std::move(b).Finish());
  EXPECT_THAT(html, HasSubstr("<title>make -j8 &amp;&amp; echo &lt;done&gt; on oven-3 · kiln</title>"));
}

TEST(RenderHtml, ProfileWithoutSamplesGivesAPage) {
  ProfileBuilder b;
  b.SetSampleTypes({b.Type("samples", "count")});
  const std::string html = RenderHtml(std::move(b).Finish());
  EXPECT_THAT(html, HasSubstr("<title>kiln</title>"));
  EXPECT_TRUE(EmbeddedData(html)["samples"]["stack"].empty());
}

TEST(RenderHtml, PageRefersToNothingOutside) {
  const std::string html = RenderHtml(profile::ExampleProfile());
  EXPECT_THAT(html, HasSubstr("default-src 'none'"));
  for (const std::string_view link : {" src=", "href=\"http", "@import", "url(", "fetch(", "XMLHttpRequest",
                                      "innerHTML", "insertAdjacentHTML", "outerHTML", "document.write"}) {
    EXPECT_THAT(html, Not(HasSubstr(std::string(link))));
  }
}

std::string Sha256Source(const std::string& text) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest;
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
  return "'sha256-" + Base64Encode({reinterpret_cast<const char*>(digest.data()), digest.size()}) + "'";
}

TEST(RenderHtml, SecurityPolicyNamesTheScriptAndStyleByTheirHash) {
  const std::string html = RenderHtml(profile::ExampleProfile());
  const std::string policy = Between(html, "Content-Security-Policy\" content=\"", "\"");
  EXPECT_THAT(policy,
              HasSubstr("script-src " + Sha256Source(Between(html, "<script type=\"module\">", "</script>")) + ";"));
  EXPECT_THAT(policy, HasSubstr("style-src " + Sha256Source(Between(html, "<style>", "</style>")) + ";"));
}

}  // namespace
}  // namespace kiln::viewer
