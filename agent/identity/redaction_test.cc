// SPDX-License-Identifier: Apache-2.0
#include "agent/identity/redaction.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace kiln::agent::identity {
namespace {

using ::testing::HasSubstr;

std::string Line(const std::vector<std::string_view>& arguments, const std::vector<std::string>& patterns = {}) {
  const auto redactor = Redactor::Compile(patterns);
  EXPECT_TRUE(redactor.ok()) << redactor.status();
  return redactor.ok() ? redactor->CommandLine(arguments) : "";
}

TEST(Redaction, LeavesWhatIsNoSecret) {
  EXPECT_EQ(Line({"/usr/bin/app", "--listen=:80", "-v", "a b"}), "/usr/bin/app --listen=:80 -v a b");
  EXPECT_EQ(Line({"llm", "--max-tokens=4096", "--tokenizer", "bpe"}), "llm --max-tokens=4096 --tokenizer bpe");
  EXPECT_EQ(Line({"grep", "token", "file"}), "grep token file");
  EXPECT_EQ(Line({"curl", "http://host:8080/path@2"}), "curl http://host:8080/path@2");
  EXPECT_EQ(Line({}), "");
}

TEST(Redaction, HidesValuesOfSecretOptions) {
  EXPECT_EQ(Line({"app", "--password", "pw", "x"}), "app --password [redacted] x");
  EXPECT_EQ(Line({"app", "--password", "two words"}), "app --password [redacted]");
  EXPECT_EQ(Line({"app", "--db-password=pw=x"}), "app --db-password=[redacted]");
  EXPECT_EQ(Line({"env", "API_KEY=k", "PGPASSWORD=p", "app"}), "env API_KEY=[redacted] PGPASSWORD=[redacted] app");
  EXPECT_EQ(Line({"java", "-Dkeystore.password=p", "-jar", "a.jar"}), "java -Dkeystore.password=[redacted] -jar a.jar");
  EXPECT_EQ(Line({"app", "--secret", "-x9"}), "app --secret [redacted]");
  EXPECT_EQ(Line({"app", "--no-password", "--verbose"}), "app --no-password --verbose");
  EXPECT_EQ(Line({"app", "--auth-token", "t", "--accessKey", "k"}),
            "app --auth-token [redacted] --accessKey [redacted]");
}

TEST(Redaction, HidesCredentialsInUrlsAndHeaders) {
  EXPECT_EQ(Line({"app", "postgres://me:p@ss@db/x?y=z"}), "app postgres://me:[redacted]@db/x?y=z");
  EXPECT_EQ(Line({"app", "redis://:pw@h redis://u:pw@i"}), "app redis://:[redacted]@h redis://u:[redacted]@i");
  EXPECT_EQ(Line({"curl", "-H", "Authorization: Bearer abc.def", "http://h"}),
            "curl -H Authorization: [redacted] http://h");
  EXPECT_EQ(Line({"curl", "-H", "X-Api-Key:abc"}), "curl -H X-Api-Key:[redacted]");
}

TEST(Redaction, AppliesPatterns) {
  EXPECT_EQ(Line({"mysql", "-phunter2", "db"}, {"-p(\\S+)"}), "mysql -p[redacted] db");
  EXPECT_EQ(Line({"a", "AKIAIOSFODNN7EXAMPLE"}, {"AKIA[0-9A-Z]{16}"}), "a [redacted]");
  EXPECT_EQ(Line({"k=1", "k=2"}, {"(k)=([0-9])"}), "[redacted]=[redacted] [redacted]=[redacted]");
  EXPECT_EQ(Line({"aXb"}, {"(X)|(Y)"}), "a[redacted]b");
  EXPECT_EQ(Line({"abc"}, {""}), "abc");  // an empty match hides nothing
  EXPECT_EQ(Line({"abc"}, {"(a(b)c)"}), "[redacted]");
  EXPECT_EQ(Line({"b=x;a=y;"}, {"(?:a=(\\w)|b=(\\w)|;)*"}), "b=[redacted];a=[redacted];");
}

TEST(Redaction, NamesWrongPatterns) {
  const auto redactor = Redactor::Compile({"ok", "(", "[a"});
  EXPECT_EQ(redactor.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(Message(redactor.status())), HasSubstr("\"(\""));
  EXPECT_THAT(std::string(Message(redactor.status())), HasSubstr("\"[a\""));
  EXPECT_FALSE(Redactor::Compile(std::vector<std::string>(65, "a")).ok());
  EXPECT_FALSE(Redactor::Compile({std::string(1025, 'a')}).ok());
}

TEST(Redaction, MakesValidUtf8) { EXPECT_EQ(Line({"a\xff", "b"}), "a\xef\xbf\xbd b"); }

TEST(Redaction, HidesVariables) {
  const auto redactor = Redactor::Compile({"internal"});
  ASSERT_TRUE(redactor.ok());
  EXPECT_EQ(redactor->Variable("REGION", "eu-1"), "eu-1");
  EXPECT_EQ(redactor->Variable("DB_PASSWORD", "x"), "[redacted]");
  EXPECT_EQ(redactor->Variable("DB_URL", "pg://u:p@h"), "pg://u:[redacted]@h");
  EXPECT_EQ(redactor->Variable("X", "internal\xff"), "[redacted]\xef\xbf\xbd");
}

TEST(Redaction, BoundsWhatItWrites) {
  EXPECT_LE(Line({std::string_view(std::string(100'000, 'a'))}, {"a"}).size(), size_t{65} << 10);
}

}  // namespace
}  // namespace kiln::agent::identity
