// SPDX-License-Identifier: Apache-2.0
// The client against servers on loopback: answers, faults, HTTP/2, reuse, limits.
#include "base/net/http_client.h"

#include <gmock/gmock.h>

#include <thread>

#include "base/net/testing/test_server.h"

namespace kiln {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pair;
using testing::TestAnswer;
using testing::TestRequest;
using testing::TestServer;
using Fault = TestAnswer::Fault;

std::unique_ptr<HttpTransport> MakeClient(const HttpClientSettings& settings = {}) {
  auto client = MakeHttpTransport(settings, "kiln-test/1");
  EXPECT_TRUE(client.ok()) << client.status();
  return *std::move(client);
}

TestServer::Handler Always(TestAnswer answer) {
  return [answer](const TestRequest&) { return answer; };
}

TEST(HttpClient, SendsTheRequestAsItIs) {
  TestServer server({.handler = Always({.headers = {{"X-Answer", "yes "}}, .body = "hello"})});
  const auto client = MakeClient({.headers = {{"X-Scope-OrgID", "one"}, {"X-Other", "1"}}});
  const std::string body("a\0b", 3);
  const auto response = client->Send({.url = server.Url("/v1/traces?x=1"),
                                      .headers = {{"content-type", "application/x-protobuf"}, {"x-other", "2"}},
                                      .body = body});
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->status, 200);
  EXPECT_EQ(response->body, "hello");
  EXPECT_EQ(response->Header("x-answer"), "yes");
  EXPECT_THAT(response->trailers, ElementsAre());
  ASSERT_EQ(server.requests().size(), 1u);
  const TestRequest request = server.requests()[0];
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.path, "/v1/traces?x=1");
  EXPECT_EQ(request.body, body);
  EXPECT_EQ(request.Header("user-agent"), "kiln-test/1");
  EXPECT_EQ(request.Header("content-type"), "application/x-protobuf");
  EXPECT_EQ(request.Header("x-scope-orgid"), "one");
  EXPECT_EQ(request.Header("x-other"), "2");
  EXPECT_EQ(request.Header("expect"), "");
  EXPECT_EQ(request.Header("accept"), "");
}

TEST(HttpClient, NeitherWaitsFor100ContinueNorInventsAContentType) {
  TestServer server({});
  const std::string body(3 << 20, 'x');
  ASSERT_TRUE(MakeClient()->Send({.url = server.Url(), .body = body}).ok());
  EXPECT_EQ(server.requests()[0].Header("expect"), "");
  EXPECT_EQ(server.requests()[0].Header("content-type"), "");
  EXPECT_EQ(server.requests()[0].body.size(), body.size());
}

TEST(HttpClient, SendsOtherMethods) {
  TestServer server({});
  const auto client = MakeClient();
  ASSERT_TRUE(client->Send({.method = "GET", .url = server.Url()}).ok());
  ASSERT_TRUE(client->Send({.method = "PUT", .url = server.Url(), .body = "x"}).ok());
  ASSERT_TRUE(client->Send({.url = server.Url()}).ok());
  EXPECT_EQ(server.requests()[0].method, "GET");
  EXPECT_EQ(server.requests()[0].body, "");
  EXPECT_EQ(server.requests()[1].method, "PUT");
  EXPECT_EQ(server.requests()[1].body, "x");
  EXPECT_EQ(server.requests()[2].method, "POST");
}

TEST(HttpClient, GivesAnyStatusAsAnAnswerAndFollowsNoRedirect) {
  TestServer server({.handler = [](const TestRequest& request) {
    if (request.path == "/moved") return TestAnswer{.status = 307, .headers = {{"location", "/there"}}};
    return TestAnswer{.status = 503, .body = "later"};
  }});
  const auto client = MakeClient();
  EXPECT_EQ(client->Send({.url = server.Url("/moved")})->status, 307);
  EXPECT_EQ(client->Send({.url = server.Url("/")})->status, 503);
  EXPECT_EQ(server.requests().size(), 2u);
}

TEST(HttpClient, ReusesConnectionsAlsoBetweenThreads) {
  TestServer server({});
  const auto client = MakeClient();
  ASSERT_TRUE(client->Send({.url = server.Url()}).ok());
  std::thread([&] { ASSERT_TRUE(client->Send({.url = server.Url()}).ok()); }).join();
  std::thread([&] { ASSERT_TRUE(client->Send({.url = server.Url()}).ok()); }).join();
  EXPECT_EQ(server.connections(), 1);
}

TEST(HttpClient, SendsFromManyThreadsAtOnce) {
  TestServer server({.handler = [](const TestRequest& request) { return TestAnswer{.body = request.body}; }});
  const auto client = MakeClient();
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; i++) {
    threads.emplace_back([&, i] {
      for (int round = 0; round < 20; round++) {
        const std::string body = std::to_string(i * 100 + round);
        const auto response = client->Send({.url = server.Url(), .body = body});
        ASSERT_TRUE(response.ok()) << response.status();
        EXPECT_EQ(response->body, body);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(server.requests().size(), 160u);
  EXPECT_LE(server.connections(), 8);
}

TEST(HttpClient, ConnectsAnewWhenTheServerClosedTheConnection) {
  TestServer server({.handler = Always({.fault = Fault::kClose})});
  const auto client = MakeClient();
  for (int i = 0; i < 3; i++) {
    const auto response = client->Send({.url = server.Url(), .body = "x"});
    ASSERT_TRUE(response.ok()) << response.status();
  }
  EXPECT_EQ(server.connections(), 3);
}

TEST(HttpClient, ConnectsAnewByHttp2AfterTheServerClosedAllConnections) {
  TestServer server({.http2 = true});
  const auto client = MakeClient();
  const auto send = [&] { return client->Send({.url = server.Url(), .body = "x", .http2_only = true}); };
  ASSERT_TRUE(send().ok());
  for (int i = 0; i < 3; i++) {
    server.CloseConnections();
    const auto response = send();
    ASSERT_TRUE(response.ok()) << response.status();
  }
  EXPECT_EQ(server.connections(), 4);
  EXPECT_EQ(server.requests().size(), 4u);
}

TEST(HttpClient, SendsByHttp2FromManyThreadsAtOnce) {
  TestServer server(
      {.handler = [](const TestRequest& request) { return TestAnswer{.body = request.body}; }, .http2 = true});
  const auto client = MakeClient();
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; i++) {
    threads.emplace_back([&, i] {
      for (int round = 0; round < 20; round++) {
        const std::string body(1 + i * 50'000 + round, 'x');
        const auto response = client->Send({.url = server.Url(), .body = body, .http2_only = true});
        ASSERT_TRUE(response.ok()) << response.status();
        EXPECT_EQ(response->body, body);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(server.requests().size(), 80u);
  EXPECT_LE(server.connections(), 4);
}

TEST(HttpClient, TellsOfRefusedConnections) {
  int port = 0;
  { port = TestServer({}).port(); }
  const auto response = MakeClient()->Send({.url = fmt::format("http://127.0.0.1:{}/v1/traces", port)});
  EXPECT_EQ(response.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(Message(response.status()), HasSubstr(fmt::format("POST to 127.0.0.1:{}", port)));
}

TEST(HttpClient, TellsOfFaultsAsUnavailable) {
  for (const bool http2 : {false, true}) {
    for (const Fault fault : {Fault::kReset, Fault::kCut}) {
      TestServer server({.handler = Always({.body = "part", .fault = fault}), .http2 = http2});
      const auto response = MakeClient()->Send({.url = server.Url(), .body = "x", .http2_only = http2});
      EXPECT_EQ(response.status().code(), absl::StatusCode::kUnavailable) << response.status();
    }
  }
  for (const char* garbage :
       {"", "\r\n\r\n", "SSH-2.0-OpenSSH\r\n", "HTTP/1.1 \x1b[31m\r\n\r\n", "HTTP/9.9 200 OK\r\n\r\n"}) {
    TestServer server({.handler = Always({.body = garbage, .fault = Fault::kRaw})});
    const auto response = MakeClient()->Send({.url = server.Url(), .body = "x"});
    EXPECT_EQ(response.status().code(), absl::StatusCode::kUnavailable) << garbage << " " << response.status();
    EXPECT_THAT(Message(response.status()), Not(HasSubstr("\x1b")));
  }
}

TEST(HttpClient, SurvivesAResetWhileItSends) {
  // Without SIGPIPE, which would end this process.
  TestServer server({.handler = Always({.fault = Fault::kReset}), .http2 = true, .answer_early = true});
  const std::string body(30 << 20, 'x');
  const auto response = MakeClient()->Send({.url = server.Url(), .body = body, .http2_only = true});
  EXPECT_EQ(response.status().code(), absl::StatusCode::kUnavailable) << response.status();
}

TEST(HttpClient, EndsAtItsTimeout) {
  for (const bool http2 : {false, true}) {
    TestServer server({.handler = Always({.fault = Fault::kHang}), .http2 = http2});
    const auto client = MakeClient();
    const auto response =
        client->Send({.url = server.Url(), .body = "x", .timeout = absl::Milliseconds(50), .http2_only = http2});
    EXPECT_EQ(response.status().code(), absl::StatusCode::kDeadlineExceeded) << response.status();
    EXPECT_THAT(Message(response.status()), HasSubstr("127.0.0.1"));
    EXPECT_EQ(client->Send({.url = server.Url(), .timeout = absl::ZeroDuration()}).status().code(),
              absl::StatusCode::kDeadlineExceeded);
    EXPECT_EQ(server.connections(), 1);  // the second was not even tried
  }
}

TEST(HttpClient, IsCancelledFromAnotherThread) {
  for (const bool http2 : {false, true}) {
    TestServer server({.handler = Always({.fault = Fault::kHang}), .http2 = http2});
    const auto client = MakeClient();
    const auto send = [&] { return client->Send({.url = server.Url(), .http2_only = http2}).status().code(); };
    std::vector<std::thread> senders;
    for (int i = 0; i < 3; i++) senders.emplace_back([&] { EXPECT_EQ(send(), absl::StatusCode::kCancelled); });
    server.WaitForRequests(3);
    client->Cancel();
    for (std::thread& sender : senders) sender.join();
    EXPECT_EQ(send(), absl::StatusCode::kCancelled);
    EXPECT_EQ(server.requests().size(), 3u);
  }
}

TEST(HttpClient, StopsReadingAnAnswerThatIsTooLarge) {
  for (const bool http2 : {false, true}) {
    TestServer server({.handler = Always({.fault = Fault::kEndless}), .http2 = http2});
    const auto response = MakeClient()->Send({.url = server.Url(), .http2_only = http2});
    EXPECT_EQ(response.status().code(), absl::StatusCode::kResourceExhausted) << response.status();
    EXPECT_THAT(Message(response.status()), HasSubstr("4194304"));
  }
  TestServer exact({.handler = Always({.body = std::string(4 << 20, 'x')})});
  const auto response = MakeClient()->Send({.url = exact.Url()});
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->body.size(), size_t{4} << 20);
}

TEST(HttpClient, StopsReadingHeadersThatAreTooLarge) {
  testing::TestHeaders many;
  for (int i = 0; i < 100; i++) many.emplace_back(fmt::format("x-{}", i), std::string(8000, 'y'));
  TestServer server({.handler = Always({.headers = many})});
  EXPECT_EQ(MakeClient()->Send({.url = server.Url()}).status().code(), absl::StatusCode::kResourceExhausted);
}

TEST(HttpClient, SkipsInterimAnswers) {
  TestServer server({.handler = Always({.body = "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n"
                                                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nx-real: 1\r\n\r\n"
                                                "2\r\nab\r\n0\r\nx-trailer: t\r\n\r\n",
                                        .fault = Fault::kRaw})});
  const auto response = MakeClient()->Send({.url = server.Url()});
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->status, 200);
  EXPECT_EQ(response->body, "ab");
  EXPECT_EQ(response->Header("link"), std::nullopt);
  EXPECT_THAT(response->trailers, ElementsAre(Pair("x-trailer", "t")));
}

TEST(HttpClient, SpeaksHttp2FromTheFirstByteAndKeepsTrailersApart) {
  TestServer server({.handler = Always({.headers = {{"content-type", "application/grpc"}},
                                        .body = std::string(5, '\0'),
                                        .trailers = {{"grpc-status", "0"}, {"grpc-message", "x"}}}),
                     .http2 = true});
  const auto client = MakeClient();
  for (int i = 0; i < 3; i++) {
    const auto response = client->Send({.url = server.Url("/Service/Export"),
                                        .headers = {{"te", "trailers"}, {"content-type", "application/grpc"}},
                                        .body = "abc",
                                        .http2_only = true});
    ASSERT_TRUE(response.ok()) << response.status();
    EXPECT_EQ(response->status, 200);
    EXPECT_EQ(response->body, std::string(5, '\0'));
    EXPECT_THAT(response->headers, ElementsAre(Pair("content-type", "application/grpc")));
    EXPECT_THAT(response->trailers, ElementsAre(Pair("grpc-status", "0"), Pair("grpc-message", "x")));
    EXPECT_EQ(response->Header("grpc-status"), "0");
  }
  EXPECT_EQ(server.connections(), 1);
  const TestRequest request = server.requests()[0];
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.path, "/Service/Export");
  EXPECT_EQ(request.body, "abc");
  EXPECT_EQ(request.Header("te"), "trailers");
  EXPECT_EQ(request.Header("host"), fmt::format("127.0.0.1:{}", server.port()));
}

TEST(HttpClient, TakesAnAnswerOfHeadersOnly) {
  TestServer server({.handler = Always({.headers = {{"grpc-status", "14"}}}), .http2 = true});
  const auto response = MakeClient()->Send({.url = server.Url(), .http2_only = true});
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->Header("grpc-status"), "14");
  EXPECT_THAT(response->trailers, ElementsAre());
}

TEST(HttpClient, SendsLargeBodiesByHttp2) {
  TestServer server({.handler = [](const TestRequest& r) { return TestAnswer{.body = std::to_string(r.body.size())}; },
                     .http2 = true});
  const std::string body(20 << 20, 'x');
  const auto response = MakeClient()->Send({.url = server.Url(), .body = body, .http2_only = true});
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->body, std::to_string(body.size()));
}

// grpc-go refuses a message that is too large by its first bytes, and reads no further.
TEST(HttpClient, TakesAnAnswerThatComesBeforeTheBodyIsSent) {
  TestServer server({.handler = Always({.headers = {{"content-type", "application/grpc"}, {"grpc-status", "8"}}}),
                     .http2 = true,
                     .answer_early = true});
  const auto client = MakeClient();
  const std::string body(20 << 20, 'x');
  for (int i = 0; i < 5; i++) {
    const auto response =
        client->Send({.url = server.Url(), .body = body, .timeout = absl::Seconds(60), .http2_only = true});
    ASSERT_TRUE(response.ok()) << response.status();
    EXPECT_EQ(response->Header("grpc-status"), "8");
  }
}

TEST(HttpClient, SaysSoWhenTheServerDoesNotSpeakHttp2) {
  TestServer server({});
  const auto response = MakeClient()->Send({.url = server.Url(), .body = "x", .http2_only = true});
  EXPECT_EQ(response.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(Message(response.status()), HasSubstr("HTTP/2"));
}

TEST(HttpClient, RefusesUrlsWithoutShowingThem) {
  const auto client = MakeClient();
  for (const char* url :
       {"", "ftp://u:secret@h/", "unix:///run/secret", "http://", "http://u:secret@[::1/", "secret"}) {
    const Status status = client->Send({.url = url}).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << url;
    EXPECT_THAT(Message(status), Not(HasSubstr("secret")));
  }
}

TEST(HttpClient, RefusesHeadersThatWouldBreakTheRequest) {
  for (const auto& header :
       {std::pair<std::string, std::string>{"a b", "x"}, {"", "x"}, {"a", "se\r\ncret"}, {"a:", "x"}}) {
    const Status status = MakeHttpTransport({.headers = {header}}, "x").status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(Message(status), Not(HasSubstr("cret")));
    EXPECT_EQ(MakeClient()->Send({.url = "http://127.0.0.1:1/", .headers = {header}}).status().code(),
              absl::StatusCode::kInvalidArgument);
  }
}

}  // namespace
}  // namespace kiln
