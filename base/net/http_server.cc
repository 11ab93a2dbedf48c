// SPDX-License-Identifier: Apache-2.0
#include "base/net/http_server.h"

#include <absl/time/clock.h>
#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <exception>
#include <thread>
#include <utility>

#include "base/gzip.h"

namespace kiln {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using tcp = asio::ip::tcp;

constexpr std::chrono::milliseconds kAcceptPause(200);  // after an error such as "too many open files"
// After an answer to a request that was not read to its end: what is still under way is taken in for so long, or the
// reset that a close would send could overtake the answer.
constexpr std::chrono::seconds kLingerTime(2);
constexpr size_t kLingerBytes = 1 << 20;

std::string_view ToStd(beast::string_view text) { return {text.data(), text.size()}; }
std::chrono::nanoseconds ToChrono(absl::Duration duration) { return absl::ToChronoNanoseconds(duration); }

// The answer to a request that can't be read, nullopt if there is nobody to answer.
std::optional<HttpServerResponse> AnswerToUnreadable(beast::error_code error) {
  if (error == http::error::header_limit) return HttpServerResponse{.status = 431, .body = "the header is too large\n"};
  if (error == http::error::body_limit) return HttpServerResponse{.status = 413, .body = "the body is too large\n"};
  if (error == http::error::end_of_stream || error == http::error::partial_message) return std::nullopt;
  static const beast::error_category& http_errors = make_error_code(http::error::bad_method).category();
  if (error.category() != http_errors) return std::nullopt;
  return HttpServerResponse{.status = 400, .body = "this is no HTTP request: " + error.message() + "\n"};
}

HttpServerRequest ToRequest(http::request<http::string_body>& message) {
  HttpServerRequest request{.method = std::string(ToStd(message.method_string())), .body = std::move(message.body())};
  std::string_view target = ToStd(message.target());
  if (const size_t scheme = target.find("://"); scheme != std::string_view::npos && !target.starts_with('/')) {
    const size_t slash = target.find('/', scheme + 3);  // the absolute form, as to a proxy
    target = slash == std::string_view::npos ? "/" : target.substr(slash);
  }
  const size_t mark = target.find('?');
  request.path = target.substr(0, mark);
  if (mark != std::string_view::npos) request.query = target.substr(mark + 1);
  for (const auto& field : message) {
    std::string name(ToStd(field.name_string()));
    std::ranges::transform(name, name.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c; });
    request.headers.emplace_back(std::move(name), ToStd(field.value()));
  }
  return request;
}

std::string HttpDate() { return absl::FormatTime("%a, %d %b %E4Y %H:%M:%S GMT", absl::Now(), absl::UTCTimeZone()); }

// What all connections of one server share.
struct Site {
  HttpServerSettings settings;
  HttpServer::Handler handler;
  bool loopback = false;
  int connections = 0;
};

// The site's answer to a request that was read.
HttpServerResponse Answer(const Site& site, const HttpServerRequest& request, bool http_1_1) {
  const std::optional<std::string_view> host = request.Header("host");
  if (!host && http_1_1) return {.status = 400, .body = "the request has no Host header\n"};
  if (site.loopback && site.settings.check_host && !IsLoopbackHost(host.value_or(""))) {
    return {.status = 421, .body = "this server answers to localhost and to loopback addresses only\n"};
  }
  const auto& methods = site.settings.methods;
  if (std::ranges::find(methods, request.method) == methods.end()) {
    std::string allow;
    for (const std::string& method : methods) allow += (allow.empty() ? "" : ", ") + method;
    return {.status = 405, .body = "only " + allow + "\n", .headers = {{"Allow", allow}}};
  }
  if (!request.path.starts_with('/')) return {.status = 400, .body = "the target is no path\n"};
  try {
    return site.handler(request);
  } catch (const std::exception& error) {
    return {.status = 500, .body = std::string("kiln failed to make this page: ") + error.what() + "\n"};
  }
}

// One connection: requests one after the other. Owns itself through the handlers that are pending.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(tcp::socket socket, Site& site)
      : stream_(std::move(socket)), site_(site), buffer_(site.settings.max_header_bytes + 4096) {
    ++site_.connections;
  }
  ~Connection() { --site_.connections; }

  void Read() {
    parser_.emplace();
    parser_->header_limit(static_cast<uint32_t>(site_.settings.max_header_bytes));
    parser_->body_limit(site_.settings.max_body_bytes);
    stream_.expires_after(ToChrono(site_.settings.read_timeout));
    http::async_read(stream_, buffer_, *parser_, [self = shared_from_this()](beast::error_code error, size_t) {
      if (!error) {
        self->Reply();
      } else if (auto answer = AnswerToUnreadable(error)) {
        self->linger_ = true;
        self->Write(*std::move(answer), {.version = 11, .head = false, .keep_alive = false, .gzip = false});
      }
    });
  }

 private:
  // What the request says about the form of its answer.
  struct Form {
    unsigned version;
    bool head;
    bool keep_alive;
    bool gzip;
  };

  void Reply() {
    auto message = parser_->release();
    Form form{.version = message.version(),
              .head = message.method() == http::verb::head,
              .keep_alive = message.keep_alive() && site_.settings.keep_alive,
              .gzip = AcceptsGzip(ToStd(message[http::field::accept_encoding]))};
    const HttpServerRequest request = ToRequest(message);
    HttpServerResponse answer = Answer(site_, request, form.version >= 11);
    form.keep_alive &= answer.status != 400;  // who knows what this client takes for a request
    Write(std::move(answer), form);
  }

  void Write(HttpServerResponse answer, const Form& form) {
    answer_ = std::move(answer);
    std::string_view body = answer_.shared_body != nullptr ? *answer_.shared_body : answer_.body;
    const bool compressible = answer_.compressible && body.size() >= site_.settings.min_gzip_bytes;
    response_ = {};
    response_.version(form.version);
    response_.result(static_cast<unsigned>(answer_.status));
    if (compressible && form.gzip) {
      answer_.body = GzipCompress(body);
      body = answer_.body;
      response_.set(http::field::content_encoding, "gzip");
    }
    if (compressible) response_.set(http::field::vary, "Accept-Encoding");
    response_.set(http::field::date, HttpDate());
    response_.set(http::field::content_type, answer_.content_type);
    response_.set(http::field::cache_control, "no-store");
    response_.set("X-Content-Type-Options", "nosniff");
    response_.set("Referrer-Policy", "no-referrer");
    for (const auto& [name, value] : answer_.headers) response_.set(name, value);
    response_.keep_alive(form.keep_alive);
    response_.content_length(body.size());
    if (!form.head) response_.body() = {body.data(), body.size()};
    serializer_.emplace(response_);
    stream_.expires_after(ToChrono(site_.settings.write_timeout));
    const auto done = [self = shared_from_this(), keep_alive = form.keep_alive](beast::error_code error, size_t) {
      if (error) return;
      if (keep_alive) return self->Read();
      beast::error_code ignored;
      self->stream_.socket().shutdown(tcp::socket::shutdown_send, ignored);
      if (self->linger_) self->Linger(0);
    };
    if (form.head) {
      http::async_write_header(stream_, *serializer_, done);
    } else {
      http::async_write(stream_, *serializer_, done);
    }
  }

  void Linger(size_t taken) {
    if (taken == 0) stream_.expires_after(kLingerTime);
    buffer_.clear();
    stream_.async_read_some(buffer_.prepare(4096),
                            [self = shared_from_this(), taken](beast::error_code error, size_t n) {
                              if (!error && taken + n < kLingerBytes) self->Linger(taken + n);
                            });
  }

  beast::tcp_stream stream_;
  Site& site_;
  beast::flat_buffer buffer_;
  std::optional<http::request_parser<http::string_body>> parser_;
  HttpServerResponse answer_;  // keeps the body that response_ views
  http::response<http::span_body<const char>> response_;
  std::optional<http::serializer<false, http::span_body<const char>>> serializer_;
  bool linger_ = false;
};

// A thread that no signal is delivered to: what comes for the process is for the threads of the program.
template <typename Function>
std::thread ThreadWithoutSignals(Function function) {
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread thread(std::move(function));
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return thread;
}

}  // namespace

class HttpServer::Impl {
 public:
  Impl(HttpServerSettings settings, Handler handler) {
    site_.settings = std::move(settings);
    site_.handler = std::move(handler);
  }
  ~Impl() { Stop(); }

  Status Listen() {
    const std::string& address = site_.settings.address;
    KILN_ASSIGN_OR_RETURN(const auto host_port, ParseListenAddress(address));
    const auto port = static_cast<uint16_t>(host_port.second);
    beast::error_code error;
    if (host_port.first.empty()) {
      // Both families; IPv4 alone where the machine has no IPv6.
      error = Bind({asio::ip::address_v6::any(), port});
      if (error == asio::error::address_family_not_supported || error == boost::system::errc::address_not_available) {
        error = Bind({asio::ip::address_v4::any(), port});
      }
    } else {
      tcp::resolver resolver(context_);
      const auto found = resolver.resolve(host_port.first, std::to_string(port), error);
      for (const auto& entry : found) {
        error = Bind(entry.endpoint());
        if (!error) break;
      }
    }
    if (error) {
      return Error(absl::StatusCode::kUnavailable, "cannot listen on {}: {}{}", address, error.message(),
                   error == asio::error::address_in_use ? "; another program listens there: choose another port" : "");
    }
    endpoint_ = acceptor_.local_endpoint(error);
    site_.loopback = endpoint_.address().is_loopback();
    Accept();
    thread_ = ThreadWithoutSignals([this] { context_.run(); });
    return absl::OkStatus();
  }

  void Stop() {
    context_.stop();
    if (thread_.joinable()) thread_.join();
    beast::error_code ignored;
    acceptor_.close(ignored);
  }

  const tcp::endpoint& endpoint() const { return endpoint_; }
  bool loopback() const { return site_.loopback; }

 private:
  beast::error_code Bind(const tcp::endpoint& endpoint) {
    beast::error_code error;
    beast::error_code ignored;
    acceptor_.close(ignored);
    acceptor_.open(endpoint.protocol(), error);
    if (error) return error;
    acceptor_.set_option(asio::socket_base::reuse_address(true), ignored);  // after a restart
    if (endpoint.address().is_v6() && endpoint.address().is_unspecified()) {
      acceptor_.set_option(asio::ip::v6_only(false), ignored);
    }
    acceptor_.bind(endpoint, error);
    if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
    return error;
  }

  void Accept() {
    acceptor_.async_accept([this](beast::error_code error, tcp::socket socket) {
      if (error) {
        pause_.expires_after(kAcceptPause);
        pause_.async_wait([this](beast::error_code) { Accept(); });
        return;
      }
      // Above the limit the socket closes right here.
      if (site_.connections < site_.settings.max_connections) {
        std::make_shared<Connection>(std::move(socket), site_)->Read();
      }
      Accept();
    });
  }

  Site site_;  // before context_: the pending handlers that context_ destroys still use it
  asio::io_context context_{1};
  tcp::acceptor acceptor_{context_};
  asio::steady_timer pause_{context_};
  tcp::endpoint endpoint_;
  std::thread thread_;
};

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpServer::~HttpServer() = default;
void HttpServer::Stop() { impl_->Stop(); }
int HttpServer::port() const { return impl_->endpoint().port(); }
bool HttpServer::loopback() const { return impl_->loopback(); }

std::string HttpServer::address() const {
  const tcp::endpoint& endpoint = impl_->endpoint();
  const std::string host = endpoint.address().to_string();
  return fmt::format("{}{}{}:{}", endpoint.address().is_v6() ? "[" : "", host, endpoint.address().is_v6() ? "]" : "",
                     endpoint.port());
}

StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(HttpServerSettings settings, Handler handler) {
  auto impl = std::make_unique<Impl>(std::move(settings), std::move(handler));
  KILN_RETURN_IF_ERROR(impl->Listen());
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

}  // namespace kiln
