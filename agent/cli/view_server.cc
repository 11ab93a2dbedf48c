// SPDX-License-Identifier: Apache-2.0
#include "agent/cli/view_server.h"

#include <sys/random.h>

#include <array>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <csignal>
#include <optional>
#include <string_view>
#include <utility>

namespace kiln::agent {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using tcp = asio::ip::tcp;

constexpr std::chrono::seconds kRequestTime(20);
constexpr std::chrono::seconds kResponseTime(300);      // a big page through a slow tunnel
constexpr std::chrono::milliseconds kAcceptPause(200);  // after an error such as "too many open files"
constexpr uint32_t kMaxHeaderBytes = 16 * 1024;
constexpr int kMaxConnections = 32;

StatusOr<std::string> RandomToken() {
  std::array<unsigned char, 16> bytes{};
  if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
    return ErrnoError(errno, "cannot get random bytes");
  }
  std::string token;
  for (const unsigned char byte : bytes) token += fmt::format("{:02x}", byte);
  return token;
}

// In time that does not tell how far the texts agree.
bool EqualSecret(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  unsigned difference = 0;
  for (size_t i = 0; i < a.size(); ++i) difference |= static_cast<unsigned char>(a[i] ^ b[i]);
  return difference == 0;
}

std::string_view ToStd(beast::string_view text) { return {text.data(), text.size()}; }

// What is served, shared by all connections of one server.
struct Site {
  std::string page;
  std::string path;                  // "/TOKEN/"
  std::array<std::string, 2> hosts;  // the Host headers that are let in
  int connections = 0;
};

using Request = http::request<http::empty_body>;
// The body is a view of Site::page: nothing is copied per request.
using Response = http::response<http::span_body<const char>>;

Response Answer(const Site& site, const Request& request) {
  const std::string_view host = ToStd(request[http::field::host]);
  const bool is_ours = host == site.hosts[0] || host == site.hosts[1];
  const bool is_read = request.method() == http::verb::get || request.method() == http::verb::head;
  std::string_view body;
  http::status status = http::status::ok;
  if (!is_ours) {
    status = http::status::misdirected_request;
    body = "this server answers on 127.0.0.1 only\n";
  } else if (!EqualSecret(ToStd(request.target()), site.path)) {
    status = http::status::not_found;
    body = "not found: open the whole address that kiln view printed\n";
  } else if (!is_read) {
    status = http::status::method_not_allowed;
    body = "only GET\n";
  } else {
    body = site.page;
  }
  Response response{status, request.version()};
  response.set(http::field::content_type, status == http::status::ok ? "text/html; charset=utf-8" : "text/plain");
  response.set(http::field::cache_control, "no-store");
  response.set("Content-Security-Policy", "frame-ancestors 'none'");
  response.set("X-Content-Type-Options", "nosniff");
  response.set("Referrer-Policy", "no-referrer");
  response.keep_alive(false);
  response.content_length(body.size());
  if (request.method() != http::verb::head) response.body() = {body.data(), body.size()};
  return response;
}

// One connection: one request, one answer. Owns itself through the handlers that are pending.
class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(tcp::socket socket, Site& site) : stream_(std::move(socket)), site_(site) { ++site_.connections; }
  ~Session() { --site_.connections; }

  void Start() {
    parser_.header_limit(kMaxHeaderBytes);
    parser_.body_limit(0);
    stream_.expires_after(kRequestTime);
    http::async_read(stream_, buffer_, parser_, [self = shared_from_this()](beast::error_code error, size_t) {
      if (!error) self->Write();
    });
  }

 private:
  void Write() {
    response_ = Answer(site_, parser_.get());
    serializer_.emplace(response_);
    stream_.expires_after(kResponseTime);
    const auto done = [self = shared_from_this()](beast::error_code, size_t) {
      beast::error_code ignored;
      self->stream_.socket().shutdown(tcp::socket::shutdown_send, ignored);
    };
    if (parser_.get().method() == http::verb::head) {
      http::async_write_header(stream_, *serializer_, done);
    } else {
      http::async_write(stream_, *serializer_, done);
    }
  }

  beast::tcp_stream stream_;
  Site& site_;
  beast::flat_buffer buffer_{kMaxHeaderBytes};
  http::request_parser<http::empty_body> parser_;
  Response response_;
  std::optional<http::serializer<false, http::span_body<const char>>> serializer_;
};

}  // namespace

class ViewServer::Impl {
 public:
  Status Listen(std::string page) {
    KILN_ASSIGN_OR_RETURN(const std::string token, RandomToken());
    beast::error_code error;
    const tcp::endpoint loopback(asio::ip::address_v4::loopback(), 0);
    acceptor_.open(loopback.protocol(), error);
    if (!error) acceptor_.bind(loopback, error);
    if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
    if (!error) port_ = acceptor_.local_endpoint(error).port();
    if (error) return Error(absl::StatusCode::kUnavailable, "cannot listen on 127.0.0.1: {}", error.message());
    site_.page = std::move(page);
    site_.path = "/" + token + "/";
    site_.hosts = {fmt::format("127.0.0.1:{}", port_), fmt::format("localhost:{}", port_)};
    return absl::OkStatus();
  }

  int port() const { return port_; }
  std::string url() const { return fmt::format("http://{}{}", site_.hosts[0], site_.path); }

  void Run() {
    asio::signal_set signals(context_, SIGINT, SIGTERM);
    signals.async_wait([this](beast::error_code error, int) {
      if (!error) context_.stop();
    });
    Accept();
    context_.run();
  }
  void Stop() { context_.stop(); }

 private:
  void Accept() {
    acceptor_.async_accept([this](beast::error_code error, tcp::socket socket) {
      if (error) {
        pause_.expires_after(kAcceptPause);
        pause_.async_wait([this](beast::error_code) { Accept(); });
        return;
      }
      // Above the limit the socket closes right here.
      if (site_.connections < kMaxConnections) std::make_shared<Session>(std::move(socket), site_)->Start();
      Accept();
    });
  }

  Site site_;  // before context_: the pending handlers that context_ destroys still use it
  asio::io_context context_{1};
  tcp::acceptor acceptor_{context_};
  asio::steady_timer pause_{context_};
  int port_ = 0;
};

ViewServer::ViewServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ViewServer::~ViewServer() = default;
int ViewServer::port() const { return impl_->port(); }
std::string ViewServer::url() const { return impl_->url(); }
void ViewServer::RunUntilSignal() { impl_->Run(); }
void ViewServer::Stop() { impl_->Stop(); }

StatusOr<std::unique_ptr<ViewServer>> ViewServer::Start(std::string page) {
  auto impl = std::make_unique<Impl>();
  KILN_RETURN_IF_ERROR(impl->Listen(std::move(page)));
  return std::unique_ptr<ViewServer>(new ViewServer(std::move(impl)));
}

}  // namespace kiln::agent
