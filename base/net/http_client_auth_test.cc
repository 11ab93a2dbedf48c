// SPDX-License-Identifier: Apache-2.0
// Who the client says it is, against servers on loopback.
#include <absl/strings/escaping.h>
#include <gmock/gmock.h>

#include "base/net/http_client.h"
#include "base/net/testing/test_folder.h"
#include "base/net/testing/test_server.h"

namespace kiln {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using testing::TestAnswer;
using testing::TestFolder;
using testing::TestRequest;
using testing::TestServer;

std::unique_ptr<HttpTransport> MakeClient(const AuthSettings& auth) {
  auto client = MakeHttpTransport({.headers = {{"authorization", "overridden"}}, .auth = auth}, "kiln-test/1");
  EXPECT_TRUE(client.ok()) << client.status();
  return *std::move(client);
}

TEST(HttpClientAuth, SendsABearerToken) {
  TestServer server({});
  ASSERT_TRUE(MakeClient({.bearer = BearerTokenSettings{.token = "abc"}})->Send({.url = server.Url()}).ok());
  ASSERT_TRUE(
      MakeClient({.bearer = BearerTokenSettings{.scheme = "Token", .token = " d "}})->Send({.url = server.Url()}).ok());
  ASSERT_TRUE(
      MakeClient({.bearer = BearerTokenSettings{.scheme = "", .token = "e"}})->Send({.url = server.Url()}).ok());
  EXPECT_EQ(server.requests()[0].Header("authorization"), "Bearer abc");
  EXPECT_EQ(server.requests()[1].Header("authorization"), "Token d");
  EXPECT_EQ(server.requests()[2].Header("authorization"), "e");
}

TEST(HttpClientAuth, ReadsAChangedTokenFile) {
  const TestFolder folder;
  TestServer server({});
  const auto client = MakeClient({.bearer = BearerTokenSettings{.filename = folder.Write("token", "\none\nold\n")}});
  const auto sent = [&] {
    EXPECT_TRUE(client->Send({.url = server.Url()}).ok());
    return server.requests().back().Header("authorization");
  };
  EXPECT_EQ(sent(), "Bearer one");
  folder.Write("token", "two");
  EXPECT_EQ(sent(), "Bearer two");
  folder.Write("token", "");  // somebody is writing it
  EXPECT_EQ(sent(), "Bearer two");
  std::filesystem::remove(folder.Path("token"));
  EXPECT_EQ(sent(), "Bearer two");
  folder.Write("token", "three");
  EXPECT_EQ(sent(), "Bearer three");
}

TEST(HttpClientAuth, SendsBasicAuthentication) {
  const TestFolder folder;
  TestServer server({});
  ASSERT_TRUE(
      MakeClient({.basic = BasicAuthSettings{.username = "me", .password = "a:b"}})->Send({.url = server.Url()}).ok());
  ASSERT_TRUE(MakeClient({.basic = BasicAuthSettings{.username = "me", .password_file = folder.Write("pw", "c\n")}})
                  ->Send({.url = server.Url()})
                  .ok());
  EXPECT_EQ(server.requests()[0].Header("authorization"), "Basic " + absl::Base64Escape("me:a:b"));
  EXPECT_EQ(server.requests()[1].Header("authorization"), "Basic " + absl::Base64Escape("me:c"));
}

// Gives tokens t1, t2 …
TestServer::Handler TokenHandler(std::atomic<int>& issued) {
  return [&issued](const TestRequest&) {
    return TestAnswer{.body = fmt::format(R"({{"access_token":"t{}","expires_in":3600}})", ++issued)};
  };
}

OAuth2Settings ClientOf(const TestServer& tokens) {
  return {.client_id = "me", .client_secret = "s3cret", .token_url = tokens.Url("/token")};
}

TEST(HttpClientAuth, FetchesAnOAuth2TokenOnceAndAgainAfterItWasRefused) {
  for (const bool grpc : {false, true}) {
    std::atomic<int> issued = 0;
    TestServer tokens({.handler = TokenHandler(issued)});
    std::atomic<int> valid = 1;
    TestServer server({.handler =
                           [&](const TestRequest& request) {
                             if (request.Header("authorization") == fmt::format("Bearer t{}", valid.load()))
                               return TestAnswer{};
                             if (grpc) return TestAnswer{.headers = {{"grpc-status", "16"}}};
                             return TestAnswer{.status = 401};
                           },
                       .http2 = grpc});
    const auto client = MakeClient({.oauth2 = ClientOf(tokens)});
    const auto send = [&] { return client->Send({.url = server.Url(), .body = "x", .http2_only = grpc}); };
    ASSERT_TRUE(send().ok());
    ASSERT_TRUE(send().ok());
    EXPECT_EQ(issued, 1);
    valid = 2;  // the first is taken back
    const auto renewed = send();
    ASSERT_TRUE(renewed.ok());
    EXPECT_EQ(renewed->status, 200);
    EXPECT_EQ(renewed->Header("grpc-status"), std::nullopt);
    EXPECT_EQ(issued, 2);
    valid = 0;  // none is any good: asked for once more, then the answer stands
    const auto refused = send();
    ASSERT_TRUE(refused.ok());
    EXPECT_EQ(issued, 3);
    EXPECT_EQ(grpc ? refused->Header("grpc-status") == "16" : refused->status == 401, true);
    EXPECT_EQ(server.requests().size(), 6u);
    EXPECT_EQ(tokens.requests()[0].Header("authorization"), "Basic " + absl::Base64Escape("me:s3cret"));
  }
}

TEST(HttpClientAuth, TellsWhyThereIsNoToken) {
  TestServer tokens({.handler = [](const TestRequest&) {
    return TestAnswer{.status = 401, .body = R"({"error":"invalid_client"})"};
  }});
  TestServer server({});
  const Status status = MakeClient({.oauth2 = ClientOf(tokens)})->Send({.url = server.Url()}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnauthenticated);
  EXPECT_THAT(Message(status), HasSubstr("invalid_client"));
  EXPECT_THAT(Message(status), Not(HasSubstr("s3cret")));
  EXPECT_EQ(server.requests().size(), 0u);
}

TEST(HttpClientAuth, EndsWhenTheTokenServerHangs) {
  TestServer tokens({.handler = [](const TestRequest&) { return TestAnswer{.fault = TestAnswer::Fault::kHang}; }});
  const auto client = MakeClient({.oauth2 = ClientOf(tokens)});
  EXPECT_EQ(client->Send({.url = "http://127.0.0.1:1/", .timeout = absl::Milliseconds(50)}).status().code(),
            absl::StatusCode::kDeadlineExceeded);
  std::thread sender(
      [&] { EXPECT_EQ(client->Send({.url = "http://127.0.0.1:1/"}).status().code(), absl::StatusCode::kCancelled); });
  tokens.WaitForRequests(2);
  client->Cancel();
  sender.join();
}

TEST(HttpClientAuth, FindsMistakesInTheSettingsAtOnce) {
  struct Case {
    AuthSettings auth;
    std::string says;
  };
  const Case cases[] = {
      {{.bearer = BearerTokenSettings{}}, "exactly one of token and filename"},
      {{.bearer = BearerTokenSettings{.token = "x", .filename = "y"}}, "exactly one of token and filename"},
      {{.bearer = BearerTokenSettings{.filename = "/nowhere/token"}}, "/nowhere/token"},
      {{.bearer = BearerTokenSettings{.token = "se\ncret"}}, "control characters"},
      {{.basic = BasicAuthSettings{.password = "x"}}, "username"},
      {{.basic = BasicAuthSettings{.username = "a:b", .password = "x"}}, "colon"},
      {{.basic = BasicAuthSettings{.username = "a"}}, "password"},
      {{.bearer = BearerTokenSettings{.token = "x"}, .basic = BasicAuthSettings{.username = "a", .password = "x"}},
       "only one"},
      {{.oauth2 = OAuth2Settings{.client_id = "a", .client_secret = "b"}}, "token_url"},
  };
  for (const Case& c : cases) {
    const Status status = MakeHttpTransport({.auth = c.auth}, "x").status();
    EXPECT_EQ(status.ok(), false) << c.says;
    EXPECT_THAT(Message(status), HasSubstr(c.says));
    EXPECT_THAT(Message(status), Not(HasSubstr("cret")));
  }
}

}  // namespace
}  // namespace kiln
