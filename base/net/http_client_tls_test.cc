// SPDX-License-Identifier: Apache-2.0
// The client's TLS against servers on loopback: whom it trusts, whom it lets know who it is, changed files.
#include <gmock/gmock.h>

#include "base/net/http_client.h"
#include "base/net/testing/test_folder.h"
#include "base/net/testing/test_server.h"

namespace kiln {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using testing::TestAuthority;
using testing::TestCertificate;
using testing::TestFolder;
using testing::TestServer;
using testing::TestTls;

class HttpClientTls : public ::testing::Test {
 protected:
  // Of one request by a client of its own.
  StatusOr<HttpResponse> Ask(const TestServer& server, const TlsClientSettings& tls, bool http2 = false) {
    auto client = MakeHttpTransport({.tls = tls}, "kiln-test/1");
    if (!client.ok()) return client.status();
    return (*client)->Send({.url = server.Url(), .body = "x", .timeout = absl::Seconds(60), .http2_only = http2});
  }

  const TestAuthority authority_{"one"};
  const TestAuthority other_{"two"};
};

TEST_F(HttpClientTls, TrustsTheGivenAuthorityOnly) {
  for (const bool http2 : {false, true}) {
    TestServer server({.tls = TestTls{.certificate = authority_.Issue("server")}, .http2 = http2});
    const auto response = Ask(server, {.ca_pem = authority_.cert_pem()}, http2);
    ASSERT_TRUE(response.ok()) << response.status();
    EXPECT_EQ(response->status, 200);
    for (const TlsClientSettings& tls : {TlsClientSettings{.ca_pem = other_.cert_pem()}, TlsClientSettings{}}) {
      const Status status = Ask(server, tls, http2).status();
      EXPECT_EQ(status.code(), absl::StatusCode::kUnauthenticated) << status;
      EXPECT_THAT(Message(status), HasSubstr("tls.ca_file"));
    }
    EXPECT_TRUE(Ask(server, {.insecure_skip_verify = true}, http2).ok());
  }
}

TEST_F(HttpClientTls, TakesBundlesOfAuthorities) {
  TestServer server({.tls = TestTls{.certificate = authority_.Issue("server")}});
  EXPECT_TRUE(Ask(server, {.ca_pem = "# two\n" + other_.cert_pem() + authority_.cert_pem()}).ok());
}

TEST_F(HttpClientTls, WantsTheNameOfTheEndpointOrTheOneGiven) {
  for (const bool http2 : {false, true}) {
    TestServer server(
        {.tls = TestTls{.certificate = authority_.Issue("server", {"collector.example"})}, .http2 = http2});
    const Status status = Ask(server, {.ca_pem = authority_.cert_pem()}, http2).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kUnauthenticated) << status;
    EXPECT_THAT(Message(status), HasSubstr("server_name_override"));
    const auto response =
        Ask(server, {.ca_pem = authority_.cert_pem(), .server_name_override = "collector.example"}, http2);
    ASSERT_TRUE(response.ok()) << response.status();
    EXPECT_EQ(server.requests()[0].Header("host"),
              http2 ? "collector.example" : fmt::format("127.0.0.1:{}", server.port()));
    EXPECT_FALSE(Ask(server, {.ca_pem = authority_.cert_pem(), .server_name_override = "other.example"}, http2).ok());
  }
}

TEST_F(HttpClientTls, RefusesAnExpiredCertificate) {
  TestServer server({.tls = TestTls{.certificate = authority_.Issue("server", {"127.0.0.1"}, true)}});
  const Status status = Ask(server, {.ca_pem = authority_.cert_pem()}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnauthenticated);
  EXPECT_THAT(Message(status), HasSubstr("expired"));
}

TEST_F(HttpClientTls, ShowsItsCertificateWhereTheServerWantsOne) {
  const TestCertificate mine = authority_.Issue("agent"), foreign = other_.Issue("stranger");
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    for (const bool http2 : {false, true}) {
      TestServer server({.tls = TestTls{.certificate = authority_.Issue("server"),
                                        .client_ca_pem = authority_.cert_pem(),
                                        .max_version = version},
                         .http2 = http2});
      const auto response =
          Ask(server, {.ca_pem = authority_.cert_pem(), .cert_pem = mine.cert_pem, .key_pem = mine.key_pem}, http2);
      ASSERT_TRUE(response.ok()) << response.status();
      EXPECT_EQ(server.requests()[0].peer_name, "agent");
      for (const TlsClientSettings& tls :
           {TlsClientSettings{.ca_pem = authority_.cert_pem()},
            TlsClientSettings{
                .ca_pem = authority_.cert_pem(), .cert_pem = foreign.cert_pem, .key_pem = foreign.key_pem}}) {
        const Status status = Ask(server, tls, http2).status();
        EXPECT_EQ(status.code(), absl::StatusCode::kUnauthenticated) << status;
        EXPECT_THAT(Message(status), HasSubstr("tls.cert_file"));
      }
      EXPECT_EQ(server.requests().size(), 1u);
    }
  }
}

TEST_F(HttpClientTls, KeepsToItsVersions) {
  TestServer old({.tls = TestTls{.certificate = authority_.Issue("server"), .max_version = TLS1_2_VERSION}});
  TestServer strict({.tls = TestTls{.certificate = authority_.Issue("server"), .min_version = TLS1_3_VERSION}});
  EXPECT_TRUE(Ask(old, {.ca_pem = authority_.cert_pem()}).ok());
  EXPECT_TRUE(Ask(strict, {.ca_pem = authority_.cert_pem(), .min_version = "1.3"}).ok());
  const Status too_old = Ask(old, {.ca_pem = authority_.cert_pem(), .min_version = "1.3"}).status();
  EXPECT_EQ(too_old.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(Message(too_old), HasSubstr("tls.min_version"));
  EXPECT_FALSE(Ask(strict, {.ca_pem = authority_.cert_pem(), .max_version = "1.2"}).ok());
}

TEST_F(HttpClientTls, KeepsToItsCipherSuites) {
  // The server's key is on P-256, so that suites with RSA can't be agreed on.
  TestServer server({.tls = TestTls{.certificate = authority_.Issue("server"), .max_version = TLS1_2_VERSION}});
  TlsClientSettings tls{.ca_pem = authority_.cert_pem()};
  tls.cipher_suites = {"TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"};
  EXPECT_TRUE(Ask(server, tls).ok());
  tls.cipher_suites = {"TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"};
  EXPECT_FALSE(Ask(server, tls).ok());
  tls.cipher_suites = {"TLS_AES_256_GCM_SHA384"};  // TLS 1.3 only
  EXPECT_FALSE(Ask(server, tls).ok());
  TestServer newer({.tls = TestTls{.certificate = authority_.Issue("server")}});
  EXPECT_TRUE(Ask(newer, tls).ok());
}

TEST_F(HttpClientTls, UsesChangedFilesForNewRequests) {
  const TestFolder folder;
  const TestCertificate first = authority_.Issue("first"), second = authority_.Issue("second");
  TestServer server(
      {.tls = TestTls{.certificate = authority_.Issue("server"), .client_ca_pem = authority_.cert_pem()}});
  auto client = MakeHttpTransport({.tls = {.ca_file = folder.Write("ca", authority_.cert_pem()),
                                           .cert_file = folder.Write("cert", first.cert_pem),
                                           .key_file = folder.Write("key", first.key_pem)}},
                                  "kiln-test/1");
  ASSERT_TRUE(client.ok()) << client.status();
  const auto send = [&] { return (*client)->Send({.url = server.Url()}); };
  ASSERT_TRUE(send().ok());
  ASSERT_TRUE(send().ok());
  EXPECT_EQ(server.connections(), 1);
  // In the middle of a change, when the key is not that of the certificate, all goes on as before.
  folder.Write("cert", second.cert_pem);
  ASSERT_TRUE(send().ok());
  EXPECT_EQ(server.connections(), 1);
  folder.Write("key", second.key_pem);
  const auto response = send();
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(server.connections(), 2);
  EXPECT_EQ(server.requests()[2].peer_name, "first");
  EXPECT_EQ(server.requests()[3].peer_name, "second");
}

TEST_F(HttpClientTls, TrustsAnotherAuthorityOnceTheFileSaysSo) {
  const TestFolder folder;
  TestServer server({.tls = TestTls{.certificate = authority_.Issue("server")}});
  auto client = MakeHttpTransport({.tls = {.ca_file = folder.Write("ca", authority_.cert_pem())}}, "kiln-test/1");
  ASSERT_TRUE(client.ok()) << client.status();
  ASSERT_TRUE((*client)->Send({.url = server.Url()}).ok());
  // The server gets a certificate of another authority; its connections end.
  server.SetTls({.certificate = other_.Issue("server")});
  server.CloseConnections();
  EXPECT_EQ((*client)->Send({.url = server.Url()}).status().code(), absl::StatusCode::kUnauthenticated);
  folder.Write("ca", "damaged");
  const Status damaged = (*client)->Send({.url = server.Url()}).status();
  EXPECT_THAT(Message(damaged), HasSubstr("changed certificate files are not in use"));
  EXPECT_THAT(Message(damaged), HasSubstr(folder.Path("ca")));
  folder.Write("ca", other_.cert_pem());
  const auto response = (*client)->Send({.url = server.Url()});
  EXPECT_TRUE(response.ok()) << response.status();
}

TEST_F(HttpClientTls, ReadsFilesNoSoonerThanItsInterval) {
  const TestFolder folder;
  TestServer server({.tls = TestTls{.certificate = authority_.Issue("server")}});
  auto client = MakeHttpTransport(
      {.tls = {.ca_file = folder.Write("ca", authority_.cert_pem()), .reload_interval = absl::Hours(1)}},
      "kiln-test/1");
  ASSERT_TRUE(client.ok()) << client.status();
  folder.Write("ca", other_.cert_pem());
  EXPECT_TRUE((*client)->Send({.url = server.Url()}).ok());
}

TEST_F(HttpClientTls, TellsOfAServerWithoutTls) {
  TestServer server({});
  auto client = MakeHttpTransport({}, "kiln-test/1");
  const Status status = (*client)->Send({.url = fmt::format("https://127.0.0.1:{}/", server.port())}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(Message(status), HasSubstr("tls.insecure"));
}

TEST_F(HttpClientTls, FindsMistakesInTheSettingsAtOnce) {
  const TestFolder folder;
  const TestCertificate one = authority_.Issue("one"), two = authority_.Issue("two");
  struct Case {
    TlsClientSettings tls;
    std::string says;
  };
  const std::string encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIGj\n-----END ENCRYPTED PRIVATE KEY-----\n";
  const Case cases[] = {
      {{.ca_file = folder.Path("none")}, "tls.ca_file"},
      {{.ca_file = folder.Write("empty", "")}, "holds no certificate"},
      {{.ca_pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"}, "can't be read"},
      {{.ca_file = folder.Path("x"), .ca_pem = "x"}, "not both"},
      {{.cert_pem = one.cert_pem}, "needs both"},
      {{.cert_pem = one.cert_pem, .key_pem = two.key_pem}, "does not belong"},
      {{.cert_pem = one.cert_pem, .key_file = folder.Write("key", "secret")}, "no private key"},
      {{.cert_pem = one.cert_pem, .key_pem = encrypted}, "encrypted"},
      {{.min_version = "1.1"}, "allowed are \"1.2\" and \"1.3\""},
      {{.max_version = "2"}, "tls.max_version"},
      {{.min_version = "1.3", .max_version = "1.2"}, "above"},
      {{.cipher_suites = {"AES"}}, "tls.cipher_suites"},
      {{.max_version = "1.2", .cipher_suites = {"TLS_AES_128_GCM_SHA256"}}, "TLS 1.2"},
  };
  for (const Case& c : cases) {
    const Status status = MakeHttpTransport({.tls = c.tls}, "x").status();
    EXPECT_FALSE(status.ok()) << c.says;
    EXPECT_THAT(Message(status), HasSubstr(c.says));
    EXPECT_THAT(Message(status), Not(HasSubstr("secret")));
  }
}

}  // namespace
}  // namespace kiln
