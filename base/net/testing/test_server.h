// SPDX-License-Identifier: Apache-2.0
// An HTTP server on a loopback port for tests of clients: HTTP/1.1 or HTTP/2, TLS or not, a proxy too, and all the ways
// in which servers fail. One thread per connection.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "base/net/testing/test_certificates.h"
#include "base/net/testing/test_socket.h"

namespace kiln::testing {

using TestHeaders = std::vector<std::pair<std::string, std::string>>;

struct TestRequest {
  std::string method, path;
  TestHeaders headers;  // names in lower case; HTTP/2's :authority is "host"
  std::string body;
  int connection = 0;     // the first is 1
  std::string peer_name;  // common name of the client's certificate

  // "" if there is none.
  std::string Header(std::string_view name) const;
};

struct TestAnswer {
  int status = 200;
  TestHeaders headers;
  std::string body;
  TestHeaders trailers;  // HTTP/2: none and no body = one frame ("trailers-only")
  enum class Fault {
    kNone,
    kReset,   // the connection is reset instead of an answer
    kHang,    // no answer, ever
    kCut,     // the connection ends in the middle of the body
    kClose,   // a whole answer without a word about closing, then closed
    kRaw,     // `body` is sent as it is, instead of an answer
    kEndless  // the body never ends
  } fault = Fault::kNone;
};

struct TestTls {
  TestCertificate certificate;
  std::string client_ca_pem;  // "" = no client certificate is asked for
  int min_version = TLS1_2_VERSION, max_version = TLS1_3_VERSION;
};

class TestServer {
 public:
  using Handler = std::function<TestAnswer(const TestRequest&)>;
  struct Options {
    Handler handler;  // called on the connections' threads
    std::optional<TestTls> tls;
    bool http2 = false;  // HTTP/2 only: by ALPN, or from the first byte
    bool answer_early =
        false;            // HTTP/2: on the request's headers, without reading its body (grpc-go on large messages)
    int tunnel_port = 0;  // CONNECT that the handler answers by 200 leads to this port, whatever it names
  };

  explicit TestServer(Options options);
  ~TestServer();  // closes all connections

  int port() const { return port_; }
  std::string Url(std::string_view path = "/") const;
  // Closes all connections that there are, as a server does that restarts.
  void CloseConnections();
  // Other certificates for connections to come.
  void SetTls(const TestTls& tls);

  std::vector<TestRequest> requests() const;
  // Those whose TLS handshake failed count too.
  int connections() const { return connections_; }
  // Returns once so many requests have come (their headers, for those that hang).
  void WaitForRequests(size_t count) const;

 private:
  void Accept();
  void Serve(UniqueFd fd, int number);
  void ServeHttp1(TestSocket& socket, int number);
  // False if the connection is to be closed.
  bool AnswerHttp1(TestSocket& socket, const TestRequest& request);
  TestAnswer Handle(const TestRequest& request);

  const Options options_;
  UniqueFd listener_;
  int port_ = 0;
  std::atomic<bool> stopping_ = false;
  std::atomic<int> connections_ = 0;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::shared_ptr<SSL_CTX> context_;  // shared with connections that began before SetTls
  std::vector<TestRequest> requests_;
  std::set<int> open_;  // sockets of connections
  std::vector<std::thread> threads_;
  std::thread acceptor_;
};

// Serves one HTTP/2 connection until it ends.
void ServeHttp2(TestSocket& socket, const std::string& peer_name, int number, bool answer_early,
                const std::function<TestAnswer(const TestRequest&)>& handle);

}  // namespace kiln::testing
