// SPDX-License-Identifier: Apache-2.0
// A small HTTP/1.1 server for pages that a program shows of itself: few readers, short answers, all of them made in
// memory. Everything that a peer may use up is bounded: connections, bytes and time.
//
//   KILN_ASSIGN_OR_RETURN(auto server, HttpServer::Start({.address = "127.0.0.1:8888"},
//                         [](const HttpServerRequest& request) {
//                           return HttpServerResponse{.body = "hello from " + request.path + "\n"};
//                         }));
#pragma once

#include <absl/time/time.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"

namespace kiln {

struct HttpServerRequest {
  std::string method;  // "GET" …
  std::string path;    // begins with '/', as it came: percent signs are not resolved
  std::string query;   // behind '?', as it came
  // Names in lower case, in the order they came.
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;

  // The first header of this name (lower case).
  std::optional<std::string_view> Header(std::string_view name) const;
  // The first value of this name in the query, percent signs and '+' resolved; "" for a name without value.
  std::optional<std::string> QueryParameter(std::string_view name) const;
};

struct HttpServerResponse {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
  // Instead of `body`: sent without a copy, to any number of readers.
  std::shared_ptr<const std::string> shared_body;
  bool compressible = true;  // by gzip, if the reader takes that and it is worth it
  // Content-Type and Content-Length, Date, Connection, Cache-Control: no-store, X-Content-Type-Options and
  // Referrer-Policy come by themselves.
  std::vector<std::pair<std::string, std::string>> headers;
};

struct HttpServerSettings {
  // "HOST:PORT" with an IPv4 address, an IPv6 address in brackets, or a name ("localhost"); ":8888" listens on all
  // interfaces; port 0 takes a free one.
  std::string address;
  std::vector<std::string> methods = {"GET", "HEAD"};  // others are answered 405
  // On a loopback address: requests are refused (421) whose Host header is neither localhost nor a loopback address,
  // for a page of the web may reach this server through a name that its owner lets point here (DNS rebinding).
  bool check_host = true;
  int max_connections = 32;                          // more are closed as they come
  size_t max_header_bytes = 16 * 1024;               // else 431
  size_t max_body_bytes = 64 * 1024;                 // else 413
  size_t min_gzip_bytes = 1024;                      // shorter answers are sent as they are
  bool keep_alive = true;                            // more than one request per connection
  absl::Duration read_timeout = absl::Seconds(20);   // from the first wait for a request to its last byte
  absl::Duration write_timeout = absl::Seconds(60);  // of a whole answer
};

// Runs on one thread of its own, which takes no signals. Start, Stop and the destructor from any thread but that one.
class HttpServer {
 public:
  // Called on the server's thread, one request at a time, so it should be quick. A HEAD request may be answered like a
  // GET: the server leaves the body out. An exception that it lets through is answered 500.
  using Handler = std::function<HttpServerResponse(const HttpServerRequest&)>;

  // Listens and serves. kInvalidArgument: the address can't be read; kUnavailable: it can't be listened on.
  static StatusOr<std::unique_ptr<HttpServer>> Start(HttpServerSettings settings, Handler handler);
  ~HttpServer();

  int port() const;             // that it became, with port 0
  std::string address() const;  // "127.0.0.1:8888", "[::1]:8888": what it became
  bool loopback() const;        // only this machine can reach it

  // Closes everything. After it has returned, no handler is under way and none will be called. Idempotent.
  void Stop();

 private:
  class Impl;
  explicit HttpServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Host and port of "HOST:PORT"; the host without brackets, "" = all interfaces. kInvalidArgument says what it should
// be.
StatusOr<std::pair<std::string, int>> ParseListenAddress(std::string_view address);

// True if a Host header ("localhost:8888", "127.0.0.1", "[::1]:80") names this machine's loopback.
bool IsLoopbackHost(std::string_view host);

// True if an Accept-Encoding header lets an answer be gzip (RFC 9110 section 12.5.3).
bool AcceptsGzip(std::string_view accept_encoding);

}  // namespace kiln
