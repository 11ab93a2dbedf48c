// SPDX-License-Identifier: Apache-2.0
#include "base/net/http_server.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <atomic>
#include <chrono>
#include <future>
#include <stdexcept>
#include <thread>

#include "base/fd.h"
#include "base/gzip.h"

namespace kiln {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

// A client of plain bytes; gives up after a minute.
class Client {
 public:
  explicit Client(int port, bool v6 = false)
      : socket_(::socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const timeval limit{.tv_sec = 60, .tv_usec = 0};
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    if (v6) {
      sockaddr_in6 address{};
      address.sin6_family = AF_INET6;
      address.sin6_port = htons(static_cast<uint16_t>(port));
      address.sin6_addr = in6addr_loopback;
      connected_ = ::connect(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
    } else {
      sockaddr_in address{};
      address.sin_family = AF_INET;
      address.sin_port = htons(static_cast<uint16_t>(port));
      address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      connected_ = ::connect(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
    }
  }
  bool connected() const { return connected_; }
  void Send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;  // the server may close while we send
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
  }
  // What comes until the server closes, or until `end` has come.
  std::string Receive(std::string_view end = "") {
    std::string answer;
    char buffer[4096];
    while (end.empty() || answer.find(end) == std::string::npos) {
      const ssize_t count = ::recv(socket_.get(), buffer, sizeof(buffer), 0);
      if (count <= 0) break;
      answer.append(buffer, static_cast<size_t>(count));
    }
    return answer;
  }

 private:
  UniqueFd socket_;
  bool connected_ = false;
};

std::string Body(const std::string& answer) { return answer.substr(answer.find("\r\n\r\n") + 4); }

class HttpServerTest : public testing::Test {
 protected:
  void Start(HttpServerSettings settings = {}) {
    if (settings.address.empty()) settings.address = "127.0.0.1:0";
    auto server = HttpServer::Start(settings, [this](const HttpServerRequest& request) { return Handle(request); });
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }
  HttpServerResponse Handle(const HttpServerRequest& request) {
    ++handled_;
    last_ = request;
    if (request.path == "/large") return {.body = std::string(100'000, 'x')};
    if (request.path == "/shared") return {.shared_body = shared_, .compressible = false};
    if (request.path == "/throw") throw std::runtime_error("out of cheese");
    if (request.path == "/teapot") return {.status = 418, .headers = {{"X-Spout", "short"}}};
    return {.body = "you asked for " + request.path + "\n"};
  }
  std::string Exchange(std::string_view bytes) {
    Client client(server_->port());
    client.Send(bytes);
    return client.Receive();
  }
  std::string Get(std::string_view target, std::string_view more = "") {
    return Exchange(fmt::format("GET {} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{}\r\n", target, more));
  }

  std::shared_ptr<const std::string> shared_ = std::make_shared<const std::string>(std::string(50'000, 's'));
  std::atomic<int> handled_ = 0;
  HttpServerRequest last_;  // read after an answer came
  std::unique_ptr<HttpServer> server_;
};

TEST_F(HttpServerTest, AnswersWithHeadersThatKeepBrowsersCareful) {
  Start();
  const std::string answer = Get("/page?a=1");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(answer, HasSubstr("\r\nContent-Type: text/plain; charset=utf-8\r\n"));
  EXPECT_THAT(answer, HasSubstr("\r\nX-Content-Type-Options: nosniff\r\n"));
  EXPECT_THAT(answer, HasSubstr("\r\nCache-Control: no-store\r\n"));
  EXPECT_THAT(answer, HasSubstr(" GMT\r\n"));
  EXPECT_THAT(answer, EndsWith("\r\n\r\nyou asked for /page\n"));
  EXPECT_EQ(last_.query, "a=1");
  EXPECT_THAT(Get("/teapot"), HasSubstr("X-Spout: short\r\n"));
}

TEST_F(HttpServerTest, ServesSeveralRequestsOverOneConnection) {
  Start();
  Client client(server_->port());
  client.Send("GET /1 HTTP/1.1\r\nHost: localhost\r\n\r\nGET /2 HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const std::string answer = client.Receive("for /2\n");
  EXPECT_THAT(answer, HasSubstr("for /1\n"));
  EXPECT_THAT(answer, HasSubstr("for /2\n"));
  client.Send("GET /3 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(client.Receive(), EndsWith("for /3\n"));
}

TEST_F(HttpServerTest, ClosesAfterOneRequestWhereKeepAliveIsOff) {
  Start({.keep_alive = false});
  const std::string answer = Exchange("GET /1 HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_THAT(answer, HasSubstr("Connection: close\r\n"));
  EXPECT_THAT(answer, EndsWith("for /1\n"));
}

TEST_F(HttpServerTest, LeavesTheBodyOutForHead) {
  Start();
  const std::string answer = Exchange("HEAD /abc HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(answer, HasSubstr("\r\nContent-Length: 19\r\n"));
  EXPECT_THAT(answer, EndsWith("\r\n\r\n"));
  EXPECT_EQ(last_.method, "HEAD");
}

TEST_F(HttpServerTest, CompressesLargeAnswersForThoseWhoAsk) {
  Start();
  const std::string packed = Get("/large", "Accept-Encoding: br, gzip\r\n");
  EXPECT_THAT(packed, HasSubstr("Content-Encoding: gzip\r\n"));
  EXPECT_THAT(packed, HasSubstr("Vary: Accept-Encoding\r\n"));
  const auto body = GzipDecompress(Body(packed), 1 << 20);
  ASSERT_TRUE(body.ok()) << body.status();
  EXPECT_EQ(*body, std::string(100'000, 'x'));
  const std::string plain = Get("/large");
  EXPECT_THAT(plain, Not(HasSubstr("Content-Encoding")));
  EXPECT_THAT(plain, HasSubstr("Vary: Accept-Encoding\r\n"));
  EXPECT_EQ(Body(plain).size(), 100'000u);
  EXPECT_THAT(Get("/large", "Accept-Encoding: gzip;q=0\r\n"), Not(HasSubstr("Content-Encoding")));
  EXPECT_THAT(Get("/small", "Accept-Encoding: gzip\r\n"), EndsWith("for /small\n"));
  EXPECT_EQ(Body(Get("/shared", "Accept-Encoding: gzip\r\n")), *shared_);
}

TEST_F(HttpServerTest, RefusesOtherMethodsAndSaysWhich) {
  Start();
  const std::string answer = Exchange("DELETE / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 405"));
  EXPECT_THAT(answer, HasSubstr("\r\nAllow: GET, HEAD\r\n"));
  EXPECT_EQ(handled_, 0);
}

TEST_F(HttpServerTest, TakesBodiesUpToTheLimit) {
  Start({.methods = {"POST"}});
  const std::string body(64 * 1024, 'b');
  EXPECT_THAT(
      Exchange(fmt::format("POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{}",
                           body.size(), body)),
      StartsWith("HTTP/1.1 200"));
  EXPECT_EQ(last_.body, body);
  EXPECT_THAT(Exchange(fmt::format("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{}x",
                                   body.size() + 1, body)),
              StartsWith("HTTP/1.1 413"));
  EXPECT_EQ(handled_, 1);
}

TEST_F(HttpServerTest, RefusesHeadersAboveTheLimit) {
  Start();
  EXPECT_THAT(Get("/", "X: " + std::string(20 * 1024, 'x') + "\r\n"), StartsWith("HTTP/1.1 431"));
  EXPECT_THAT(Get("/" + std::string(200 * 1024, 'x')), StartsWith("HTTP/1.1 431"));
  EXPECT_THAT(Get("/", "X: " + std::string(8 * 1024, 'x') + "\r\n"), StartsWith("HTTP/1.1 200"));
}

TEST_F(HttpServerTest, RefusesWhatIsNoRequest) {
  Start();
  EXPECT_THAT(Exchange("\x16\x03\x01 hello\r\n\r\n"), StartsWith("HTTP/1.1 400"));
  EXPECT_THAT(Exchange("GET / HTTP/1.1\r\n\r\n"), StartsWith("HTTP/1.1 400"));
  EXPECT_THAT(Get("*"), StartsWith("HTTP/1.1 400"));
  EXPECT_EQ(handled_, 0);
  EXPECT_THAT(Get("http://localhost/x"), EndsWith("for /x\n"));
}

TEST_F(HttpServerTest, AnswersToLoopbackNamesOnly) {
  Start();
  for (const char* host : {"evil.example", "localhost.evil.example", "127.0.0.1.evil.example:80", "1.2.3.4", ""}) {
    EXPECT_THAT(Exchange(fmt::format("GET / HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", host)),
                StartsWith("HTTP/1.1 421"))
        << host;
  }
  EXPECT_THAT(Exchange("GET / HTTP/1.0\r\n\r\n"), StartsWith("HTTP/1.0 421"));
  EXPECT_EQ(handled_, 0);
  EXPECT_THAT(Exchange("GET / HTTP/1.0\r\nHost: 127.0.0.1:9\r\n\r\n"), StartsWith("HTTP/1.0 200"));
}

TEST_F(HttpServerTest, TurnsAnExceptionIntoAnAnswer) {
  Start();
  EXPECT_THAT(Get("/throw"), StartsWith("HTTP/1.1 500"));
  EXPECT_THAT(Get("/next"), StartsWith("HTTP/1.1 200"));
}

TEST_F(HttpServerTest, ClosesConnectionsAboveItsLimit) {
  Start({.max_connections = 2});
  Client first(server_->port());
  Client second(server_->port());
  Client third(server_->port());
  EXPECT_EQ(third.Receive(), "");
  second.Send("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(second.Receive(), StartsWith("HTTP/1.1 200"));
}

TEST_F(HttpServerTest, ClosesConnectionsThatSayNothing) {
  Start({.read_timeout = absl::Milliseconds(20)});
  Client silent(server_->port());
  EXPECT_EQ(silent.Receive(), "");
  Client slow(server_->port());
  slow.Send("GET / HT");
  EXPECT_EQ(slow.Receive(), "");
}

TEST_F(HttpServerTest, ListensOnIpV6AndOnAllInterfaces) {
  Start({.address = ":0"});
  EXPECT_FALSE(server_->loopback());
  EXPECT_THAT(Exchange("GET / HTTP/1.1\r\nHost: any.example\r\nConnection: close\r\n\r\n"), StartsWith("HTTP/1.1 200"));
  if (!Client(server_->port(), true).connected()) return;  // this machine has no IPv6
  Start({.address = "[::1]:0"});
  EXPECT_TRUE(server_->loopback());
  EXPECT_EQ(server_->address(), fmt::format("[::1]:{}", server_->port()));
  Client client(server_->port(), true);
  client.Send(fmt::format("GET / HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", server_->address()));
  EXPECT_THAT(client.Receive(), StartsWith("HTTP/1.1 200"));
}

TEST_F(HttpServerTest, SaysWhyItCannotListen) {
  Start();
  const auto handler = [](const HttpServerRequest&) { return HttpServerResponse{}; };
  const auto taken = HttpServer::Start({.address = server_->address()}, handler);
  EXPECT_EQ(taken.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(Message(taken.status())),
              HasSubstr(server_->address() + ": Address already in use; another"));
  EXPECT_EQ(HttpServer::Start({.address = "8888"}, handler).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(HttpServer::Start({.address = "192.0.2.1:0"}, handler).status().code(), absl::StatusCode::kUnavailable);
}

TEST_F(HttpServerTest, WaitsForTheHandlerWhenItStops) {
  std::promise<void> entered;
  std::promise<void> go_on;
  std::atomic<bool> done = false;
  auto server = HttpServer::Start({.address = "localhost:0"}, [&](const HttpServerRequest&) {
    entered.set_value();
    go_on.get_future().wait();
    done = true;
    return HttpServerResponse{};
  });
  ASSERT_TRUE(server.ok()) << server.status();
  Client client((*server)->port());
  client.Send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  entered.get_future().wait();
  std::thread stopper([&] {
    (*server)->Stop();
    EXPECT_TRUE(done);
  });
  go_on.set_value();
  stopper.join();
  (*server)->Stop();
  EXPECT_FALSE(Client((*server)->port()).connected());
}

TEST_F(HttpServerTest, StopsWithOpenConnections) {
  Start();
  Client idle(server_->port());
  Client served(server_->port());
  served.Send("GET /1 HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_THAT(served.Receive("for /1\n"), HasSubstr("for /1\n"));
  server_.reset();
  EXPECT_EQ(served.Receive(), "");
}

TEST(ListenAddress, IsReadOrRefusedWithTheFormThatIsWanted) {
  const auto parse = [](std::string_view text) { return ParseListenAddress(text).value_or(std::pair("bad", -1)); };
  EXPECT_EQ(parse("localhost:8888"), std::pair(std::string("localhost"), 8888));
  EXPECT_EQ(parse(":0"), std::pair(std::string(), 0));
  EXPECT_EQ(parse("[::1]:65535"), std::pair(std::string("::1"), 65535));
  for (const char* bad : {"", "localhost", "8888", "::1:8888", "[::1:8888", "[x]:1", "h:65536", "h:-1", "h:+1",
                          "h:", "h:1x", "a b:1", "http://h:1"}) {
    EXPECT_EQ(ParseListenAddress(bad).status().code(), absl::StatusCode::kInvalidArgument) << bad;
    EXPECT_THAT(std::string(Message(ParseListenAddress(bad).status())), HasSubstr("write HOST:PORT")) << bad;
  }
}

TEST(LoopbackHost, IsANameThatNobodyElseOwns) {
  for (const char* host : {"localhost", "LocalHost:1", "127.0.0.1", "127.9.9.9:80", "[::1]", "[::1]:443"}) {
    EXPECT_TRUE(IsLoopbackHost(host)) << host;
  }
  for (const char* host : {"", "localhost.", "localhost:x", "127.0.0.1.", "127.1", "0x7f.0.0.1", "128.0.0.1", "::1",
                           "[::1", "[::2]", "[::1]x", "[::1]:"}) {
    EXPECT_FALSE(IsLoopbackHost(host)) << host;
  }
}

TEST(GzipAcceptance, FollowsTheWeights) {
  for (const char* yes : {"gzip", "br, GZIP;q=0.5", "*", "identity, *;q=0.1"}) EXPECT_TRUE(AcceptsGzip(yes)) << yes;
  for (const char* no : {"", "br", "gzip;q=0", "gzip; q=0.000, *", "*;q=0", "gzip;q=x", "xgzip"})
    EXPECT_FALSE(AcceptsGzip(no)) << no;
}

TEST(HttpRequestText, FindsHeadersAndParameters) {
  const HttpServerRequest request{.query = "format=json&q=a%2Fb+c%&empty&format=2",
                                  .headers = {{"x", "1"}, {"x", "2"}}};
  EXPECT_EQ(request.Header("x"), "1");
  EXPECT_EQ(request.Header("y"), std::nullopt);
  EXPECT_EQ(request.QueryParameter("format"), "json");
  EXPECT_EQ(request.QueryParameter("q"), "a/b c%");
  EXPECT_EQ(request.QueryParameter("empty"), "");
  EXPECT_EQ(request.QueryParameter("none"), std::nullopt);
}

}  // namespace
}  // namespace kiln
