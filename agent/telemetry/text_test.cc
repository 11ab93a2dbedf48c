// SPDX-License-Identifier: Apache-2.0
#include "agent/telemetry/text.h"

#include <gtest/gtest.h>

namespace kiln::agent {
namespace {

TEST(VisibleText, WritesEscapesForWhatShowsNothing) {
  EXPECT_EQ(VisibleText("a\nb\tc\x1b[2Jd\x7f"), "a\\nb\\tc\\x1b[2Jd\\x7f");
  EXPECT_EQ(VisibleText("x\xe2\x80\xaey\xc2\x85z"), "x\\u{202e}y\\u{85}z");
  EXPECT_EQ(VisibleText("Grüße 漢字 😀"), "Grüße 漢字 😀");
  EXPECT_EQ(VisibleText("\xff\xfe"), "\xef\xbf\xbd\xef\xbf\xbd");
  EXPECT_EQ(VisibleText(std::string_view("a\0b", 3)), "a\\x00b");
  EXPECT_EQ(VisibleText("\xe2\x80\xa8"), "\\u{2028}");
}

TEST(HtmlText, IsNoMarkup) {
  EXPECT_EQ(HtmlText("<script>alert('x & \"y\"')</script>\n"),
            "&lt;script&gt;alert(&#39;x &amp; &quot;y&quot;&#39;)&lt;/script&gt;\\n");
}

TEST(TextTable, AlignsColumnsByWhatIsSeen) {
  EXPECT_EQ(TextTable({"name", ">count", "note"}, {{"Grüße", "7", ""}, {"a\nb", "12345", "x"}}),
            "name   count  note\n"
            "Grüße      7\n"
            "a\\nb   12345  x\n");
  EXPECT_EQ(TextTable({"a"}, {}), "a\n");
}

TEST(BytesText, UsesBinaryUnits) {
  EXPECT_EQ(BytesText(1023), "1023 B");
  EXPECT_EQ(BytesText(1536), "1.5 KiB");
  EXPECT_EQ(BytesText(uint64_t{64} << 20), "64.0 MiB");
  EXPECT_EQ(BytesText(UINT64_MAX), "16.0 EiB");
}

TEST(RedactSecrets, TakesUsersAndPasswordsOutOfUrls) {
  EXPECT_EQ(RedactSecrets("cannot reach https://user:p%40ss@host:4318/v1: refused"),
            "cannot reach https://[redacted]@host:4318/v1: refused");
  EXPECT_EQ(RedactSecrets("http://a@b@c/d@e"), "http://[redacted]@c/d@e");
  EXPECT_EQ(RedactSecrets("http://host/path@x mail me@example"), "http://host/path@x mail me@example");
  EXPECT_EQ(RedactSecrets("x://"), "x://");
}

TEST(RedactSecrets, TakesTokensOut) {
  EXPECT_EQ(RedactSecrets("sent Authorization: bearer abc.def-1, then"), "sent Authorization: bearer [redacted], then");
  EXPECT_EQ(RedactSecrets("Basic dXNlcg=="), "Basic [redacted]");
  EXPECT_EQ(RedactSecrets("xbasic y"), "xbasic y");
  EXPECT_EQ(RedactSecrets("Basic authentication was refused: no bearer token"),
            "Basic authentication was refused: no bearer token");
  EXPECT_EQ(RedactSecrets("Bearer "), "Bearer ");
}

TEST(SecretNames, AreKnownInAllSpellings) {
  for (const char* name :
       {"Authorization", "client_secret", "X-Api-Key", "bearer_token", "db.password", "Set-Cookie"}) {
    EXPECT_TRUE(IsSecretName(name)) << name;
  }
  for (const char* name : {"exporter", "endpoint", "key", "X-Scope-OrgID"}) EXPECT_FALSE(IsSecretName(name)) << name;
}

}  // namespace
}  // namespace kiln::agent
