// SPDX-License-Identifier: Apache-2.0
// The client through proxies on loopback. Only they know the name collector.test.
#include <absl/strings/escaping.h>
#include <gmock/gmock.h>
#include <stdlib.h>

#include "base/net/http_client.h"
#include "base/net/testing/test_server.h"

namespace kiln {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using testing::TestAnswer;
using testing::TestAuthority;
using testing::TestRequest;
using testing::TestServer;
using testing::TestTls;

class HttpClientProxy : public ::testing::Test {
 protected:
  // Of the environment, until the test is over.
  void SetVariable(const char* name, const std::string& value) {
    ::setenv(name, value.c_str(), 1);
    variables_.push_back(name);
  }
  void TearDown() override {
    for (const char* name : variables_) ::unsetenv(name);
  }

  std::unique_ptr<HttpTransport> MakeClient(const std::string& proxy_url) {
    auto client = MakeHttpTransport({.tls = {.ca_pem = authority_.cert_pem()},
                                     .proxy_url = proxy_url,
                                     .auth = {.bearer = BearerTokenSettings{.token = "t0ken"}}},
                                    "kiln-test/1");
    EXPECT_TRUE(client.ok()) << client.status();
    return *std::move(client);
  }

  const TestAuthority authority_;
  std::vector<const char*> variables_;
};

TEST_F(HttpClientProxy, LetsAProxyForwardPlainHttp) {
  TestServer proxy({});
  const auto response = MakeClient(fmt::format("http://me:pass@127.0.0.1:{}", proxy.port()))
                            ->Send({.url = "http://collector.test:4318/v1/traces", .body = "x"});
  ASSERT_TRUE(response.ok()) << response.status();
  const TestRequest request = proxy.requests()[0];
  EXPECT_EQ(request.path, "http://collector.test:4318/v1/traces");
  EXPECT_EQ(request.Header("host"), "collector.test:4318");
  EXPECT_EQ(request.Header("proxy-authorization"), "Basic " + absl::Base64Escape("me:pass"));
  EXPECT_EQ(request.Header("authorization"), "Bearer t0ken");
}

TEST_F(HttpClientProxy, TunnelsTlsAndHttp2ThroughHttpAndHttpsProxies) {
  for (const bool proxy_tls : {false, true}) {
    for (const bool http2 : {false, true}) {
      for (const bool tls : {false, true}) {
        if (!http2 && !tls) continue;  // forwarded, see above
        const auto certificate = authority_.Issue("server", {"collector.test", "127.0.0.1"});
        TestServer server(
            {.tls = tls ? std::optional(TestTls{.certificate = certificate}) : std::nullopt, .http2 = http2});
        TestServer proxy({.tls = proxy_tls ? std::optional(TestTls{.certificate = certificate}) : std::nullopt,
                          .tunnel_port = server.port()});
        const auto client =
            MakeClient(fmt::format("{}://me:pass@127.0.0.1:{}", proxy_tls ? "https" : "http", proxy.port()));
        for (int i = 0; i < 2; i++) {
          const auto response = client->Send({.url = fmt::format("{}://collector.test:4317/x", tls ? "https" : "http"),
                                              .body = "x",
                                              .http2_only = http2});
          ASSERT_TRUE(response.ok()) << response.status() << proxy_tls << http2 << tls;
        }
        ASSERT_EQ(proxy.requests().size(), 1u);  // one tunnel for both
        const TestRequest connect = proxy.requests()[0];
        EXPECT_EQ(connect.method, "CONNECT");
        EXPECT_EQ(connect.path, "collector.test:4317");
        EXPECT_EQ(connect.Header("proxy-authorization"), "Basic " + absl::Base64Escape("me:pass"));
        EXPECT_EQ(connect.Header("authorization"), "");
        ASSERT_EQ(server.requests().size(), 2u);
        EXPECT_EQ(server.requests()[0].Header("proxy-authorization"), "");
        EXPECT_EQ(server.requests()[0].Header("authorization"), "Bearer t0ken");
      }
    }
  }
}

TEST_F(HttpClientProxy, TellsOfRefusalsWithoutCredentials) {
  TestServer proxy({.handler = [](const TestRequest&) { return TestAnswer{.status = 407}; }});
  for (const bool http2 : {false, true}) {
    const Status status = MakeClient(fmt::format("http://me:s3cret@127.0.0.1:{}", proxy.port()))
                              ->Send({.url = "https://collector.test/", .http2_only = http2})
                              .status();
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
    EXPECT_THAT(Message(status), HasSubstr("407"));
    EXPECT_THAT(Message(status), HasSubstr("through a proxy"));
    EXPECT_THAT(Message(status), Not(HasSubstr("s3cret")));
  }
}

TEST_F(HttpClientProxy, TakesTheOneOfTheEnvironment) {
  TestServer proxy({});
  SetVariable("HTTP_PROXY", fmt::format("http://127.0.0.1:{}", proxy.port()));
  SetVariable("NO_PROXY", "internal.test");
  TestServer server({});
  const auto client = MakeClient("");
  ASSERT_TRUE(client->Send({.url = "http://collector.test/"}).ok());
  EXPECT_EQ(proxy.requests().size(), 1u);
  ASSERT_TRUE(client->Send({.url = server.Url()}).ok());  // loopback: not through the proxy
  EXPECT_EQ(proxy.requests().size(), 1u);
  EXPECT_EQ(server.requests().size(), 1u);
}

// grpc-go looks at HTTPS_PROXY even where it does not use TLS.
TEST_F(HttpClientProxy, TakesHttpsProxyForGrpc) {
  TestServer server({.http2 = true});
  TestServer proxy({.tunnel_port = server.port()});
  SetVariable("HTTPS_PROXY", fmt::format("127.0.0.1:{}", proxy.port()));
  const auto response = MakeClient("")->Send({.url = "http://collector.test:4317/", .http2_only = true});
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(proxy.requests()[0].path, "collector.test:4317");
}

TEST_F(HttpClientProxy, TellsOfAProxyThatIsNotThere) {
  int port = 0;
  { port = TestServer({}).port(); }
  const Status status =
      MakeClient(fmt::format("http://127.0.0.1:{}", port))->Send({.url = "http://collector.test/"}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(Message(status), HasSubstr("through a proxy"));
}

}  // namespace
}  // namespace kiln
