// SPDX-License-Identifier: Apache-2.0
#include "base/net/proxy.h"

#include <gmock/gmock.h>

#include <map>

namespace kiln {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

ProxyChooser::Environment Variables(std::map<std::string, std::string> variables) {
  return [variables](const char* name) {
    const auto found = variables.find(name);
    return found == variables.end() ? std::string() : found->second;
  };
}

TEST(ProxyChooser, TakesTheConfiguredOneAlways) {
  const auto chooser =
      ProxyChooser::Make("http://proxy:3128", Variables({{"HTTPS_PROXY", "http://other"}, {"NO_PROXY", "*"}}));
  ASSERT_TRUE(chooser.ok());
  EXPECT_EQ(chooser->For(true, "collector", 4317), "http://proxy:3128");
  EXPECT_EQ(chooser->For(false, "127.0.0.1", 4318), "http://proxy:3128");
}

TEST(ProxyChooser, TakesTheEnvironmentByScheme) {
  const auto chooser = ProxyChooser::Make(
      "", Variables({{"HTTPS_PROXY", "https://s:1"}, {"http_proxy", "p:2"}, {"no_proxy", "internal"}}));
  ASSERT_TRUE(chooser.ok());
  EXPECT_EQ(chooser->For(true, "collector", 443), "https://s:1");
  EXPECT_EQ(chooser->For(false, "collector", 80), "http://p:2");
  EXPECT_EQ(chooser->For(true, "a.internal", 443), "");
}

TEST(ProxyChooser, ReachesLoopbackDirectly) {
  const auto chooser = ProxyChooser::Make("", Variables({{"HTTP_PROXY", "p:2"}}));
  ASSERT_TRUE(chooser.ok());
  for (const char* host : {"localhost", "LocalHost", "127.0.0.1", "127.3.2.1", "::1"})
    EXPECT_EQ(chooser->For(false, host, 80), "") << host;
  EXPECT_NE(chooser->For(false, "128.0.0.1", 80), "");
}

TEST(ProxyChooser, RefusesOthersWithoutShowingCredentials) {
  for (const char* url : {"ftp://user:secret@proxy", "user:secret@proxy:1", "http://user:secret@"}) {
    const Status status = ProxyChooser::Make(url, Variables({})).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << url;
    EXPECT_THAT(Message(status), HasSubstr("proxy_url"));
    EXPECT_THAT(Message(status), Not(HasSubstr("secret")));
  }
}

TEST(MatchesNoProxy, FollowsGosRules) {
  struct Case {
    const char* list;
    const char* host;
    int port;
    bool matches;
  };
  const Case cases[] = {
      {"", "a", 80, false},
      {"*", "a", 80, true},
      {"example.com", "example.com", 80, true},
      {"example.com", "x.example.com", 80, true},
      {"example.com", "badexample.com", 80, false},
      {".example.com", "example.com", 80, false},
      {".example.com", "x.example.com", 80, true},
      {"*.example.com", "x.example.com", 80, true},
      {"*.example.com", "example.com", 80, false},
      {"Example.COM", "X.example.com", 80, true},
      {" a , b ", "b", 80, true},
      {"a:4317", "a", 4317, true},
      {"a:4317", "a", 4318, false},
      {"10.0.0.0/8", "10.200.3.4", 80, true},
      {"10.0.0.0/8", "11.0.0.1", 80, false},
      {"10.0.0.0/8", "10.example.com", 80, false},
      {"192.168.1.128/25", "192.168.1.200", 80, true},
      {"192.168.1.128/25", "192.168.1.100", 80, false},
      {"10.0.0.1", "10.0.0.1", 80, true},
      {"10.0.0.1:81", "10.0.0.1", 80, false},
      {"fd00::/8", "fd12::1", 80, true},
      {"fd00::/8", "fe12::1", 80, false},
      {"[fd12::1]:80", "fd12::1", 80, true},
      {"fd12::1", "FD12:0::1", 80, true},
      {"10.0.0.0/x", "10.0.0.1", 80, false},
      {"10.0.0.0/99", "10.0.0.1", 80, false},
      {",,:80,[", "", 80, false},
  };
  for (const Case& c : cases) EXPECT_EQ(MatchesNoProxy(c.list, c.host, c.port), c.matches) << c.list << " " << c.host;
}

}  // namespace
}  // namespace kiln
