// SPDX-License-Identifier: Apache-2.0
#include "agent/cli/view_server.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <string_view>
#include <thread>

#include "base/fd.h"

namespace kiln::agent {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

class ViewServerTest : public testing::Test {
 protected:
  ViewServerTest() : server_(*ViewServer::Start("<p>page</p>")), thread_([this] { server_->RunUntilSignal(); }) {}
  ~ViewServerTest() override {
    server_->Stop();
    thread_.join();
  }

  std::string path() const { return server_->url().substr(server_->url().find('/', 7)); }
  std::string host() const { return fmt::format("127.0.0.1:{}", server_->port()); }

  // Sends `bytes` and returns all that comes back until the server closes.
  std::string Exchange(std::string_view bytes) const {
    const UniqueFd client = Connect();
    EXPECT_EQ(::send(client.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL), std::ssize(bytes));
    std::string answer;
    char buffer[4096];
    for (ssize_t count = 0; (count = ::recv(client.get(), buffer, sizeof(buffer), 0)) > 0;) {
      answer.append(buffer, static_cast<size_t>(count));
    }
    return answer;
  }
  std::string Request(std::string_view method, std::string_view target, std::string_view host_header) const {
    return Exchange(fmt::format("{} {} HTTP/1.1\r\nHost: {}\r\n\r\n", method, target, host_header));
  }
  UniqueFd Connect() const {
    UniqueFd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{.sin_family = AF_INET,
                        .sin_port = htons(static_cast<uint16_t>(server_->port())),
                        .sin_addr = {htonl(INADDR_LOOPBACK)},
                        .sin_zero = {}};
    EXPECT_EQ(::connect(client.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    return client;
  }

  std::unique_ptr<ViewServer> server_;
  std::thread thread_;
};

TEST_F(ViewServerTest, ServesThePageUnderItsToken) {
  EXPECT_THAT(server_->url(), testing::MatchesRegex("http://127.0.0.1:[0-9]+/[0-9a-f]+/"));
  const std::string answer = Request("GET", path(), host());
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(answer, HasSubstr("Content-Type: text/html"));
  EXPECT_THAT(answer, testing::EndsWith("\r\n\r\n<p>page</p>"));
  EXPECT_THAT(Request("GET", path(), fmt::format("localhost:{}", server_->port())), StartsWith("HTTP/1.1 200"));
}

TEST_F(ViewServerTest, GivesNothingWithoutTheToken) {
  std::string wrong = path();
  wrong[1] = wrong[1] == '0' ? '1' : '0';
  for (const std::string& target :
       {std::string("/"), std::string("/favicon.ico"), wrong, path() + "x", path().substr(1)}) {
    const std::string answer = Request("GET", target, host());
    EXPECT_THAT(answer, testing::Not(HasSubstr("<p>page</p>"))) << target;
  }
  EXPECT_THAT(Request("GET", wrong, host()), StartsWith("HTTP/1.1 404"));
}

TEST_F(ViewServerTest, RefusesNamesThatOthersMayLetPointHere) {
  EXPECT_THAT(Request("GET", path(), "evil.example"), StartsWith("HTTP/1.1 421"));
  EXPECT_THAT(Request("GET", path(), fmt::format("evil.example:{}", server_->port())), StartsWith("HTTP/1.1 421"));
  EXPECT_THAT(Exchange("GET " + path() + " HTTP/1.0\r\n\r\n"), StartsWith("HTTP/1.0 421"));
}

TEST_F(ViewServerTest, OnlyReads) {
  EXPECT_THAT(Request("DELETE", path(), host()), StartsWith("HTTP/1.1 405"));
  const std::string head = Request("HEAD", path(), host());
  EXPECT_THAT(head, StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(head, HasSubstr("Content-Length: 11\r\n"));
  EXPECT_THAT(head, testing::EndsWith("\r\n\r\n"));
}

TEST_F(ViewServerTest, SurvivesNonsense) {
  Exchange("\x16\x03\x01 not http at all\r\n\r\n");
  Exchange(fmt::format("GET {} HTTP/1.1\r\nX: {}\r\n\r\n", path(), std::string(64 * 1024, 'x')));
  Exchange(fmt::format("POST {} HTTP/1.1\r\nHost: {}\r\nContent-Length: 100000000\r\n\r\n", path(), host()));
  EXPECT_THAT(Request("GET", path(), host()), StartsWith("HTTP/1.1 200"));
}

TEST_F(ViewServerTest, ClosesConnectionsAboveItsLimit) {
  std::vector<UniqueFd> idle;
  for (int i = 0; i < 64; ++i) idle.push_back(Connect());
  // The server accepts in order, so once one of the late ones was closed all before it were looked at.
  char byte = 0;
  EXPECT_LE(::recv(idle.back().get(), &byte, 1, 0), 0);
  idle.clear();
}

TEST(ViewServerTokens, AreDifferentEachTime) {
  const auto a = ViewServer::Start("");
  const auto b = ViewServer::Start("");
  EXPECT_NE((*a)->url().substr((*a)->url().rfind(':') + 6), (*b)->url().substr((*b)->url().rfind(':') + 6));
}

TEST(ViewServerSignals, EndTheServer) {
  const auto server = ViewServer::Start("x");
  std::thread thread([&] { (*server)->RunUntilSignal(); });
  // The handler stands once the server answers.
  const UniqueFd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{.sin_family = AF_INET,
                      .sin_port = htons(static_cast<uint16_t>((*server)->port())),
                      .sin_addr = {htonl(INADDR_LOOPBACK)},
                      .sin_zero = {}};
  ASSERT_EQ(::connect(client.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  constexpr std::string_view kRequest = "GET / HTTP/1.0\r\n\r\n";
  ASSERT_EQ(::send(client.get(), kRequest.data(), kRequest.size(), MSG_NOSIGNAL), std::ssize(kRequest));
  char byte = 0;
  ASSERT_EQ(::recv(client.get(), &byte, 1, 0), 1);
  ::kill(::getpid(), SIGTERM);
  thread.join();
}

}  // namespace
}  // namespace kiln::agent
