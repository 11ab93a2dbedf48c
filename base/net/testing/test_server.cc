// SPDX-License-Identifier: Apache-2.0
#include "base/net/testing/test_server.h"

#include <absl/strings/ascii.h>
#include <absl/strings/numbers.h>
#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/tcp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <sys/socket.h>

#include <array>
#include <cstdlib>

namespace kiln::testing {
namespace {

int SelectProtocol(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* offered,
                   unsigned offered_size, void* wanted) {
  const std::string_view name(static_cast<const char*>(wanted));
  for (unsigned i = 0; i < offered_size; i += 1u + offered[i]) {
    if (std::string_view(reinterpret_cast<const char*>(offered + i + 1), offered[i]) != name) continue;
    *out = offered + i + 1;
    *out_size = offered[i];
    return SSL_TLSEXT_ERR_OK;
  }
  return SSL_TLSEXT_ERR_NOACK;
}

std::shared_ptr<SSL_CTX> MakeContext(const TestTls& tls, bool http2) {
  std::shared_ptr<SSL_CTX> context(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
  SSL_CTX_set_min_proto_version(context.get(), tls.min_version);
  SSL_CTX_set_max_proto_version(context.get(), tls.max_version);
  BIO* cert = BIO_new_mem_buf(tls.certificate.cert_pem.data(), -1);
  BIO* key = BIO_new_mem_buf(tls.certificate.key_pem.data(), -1);
  X509* certificate = PEM_read_bio_X509(cert, nullptr, nullptr, nullptr);
  EVP_PKEY* private_key = PEM_read_bio_PrivateKey(key, nullptr, nullptr, nullptr);
  if (SSL_CTX_use_certificate(context.get(), certificate) != 1 ||
      SSL_CTX_use_PrivateKey(context.get(), private_key) != 1)
    std::abort();
  X509_free(certificate);
  EVP_PKEY_free(private_key);
  BIO_free(cert);
  BIO_free(key);
  if (!tls.client_ca_pem.empty()) {
    BIO* ca = BIO_new_mem_buf(tls.client_ca_pem.data(), -1);
    X509* authority = PEM_read_bio_X509(ca, nullptr, nullptr, nullptr);
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context.get()), authority);
    X509_free(authority);
    BIO_free(ca);
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  }
  // A resumed session would not show the client's certificate again.
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(context.get(), 0);
  SSL_CTX_set_alpn_select_cb(context.get(), SelectProtocol, const_cast<char*>(http2 ? "h2" : "http/1.1"));
  return context;
}

// Reads up to and with the empty line; "" if the connection ended before. `rest` is what came behind it.
std::string ReadHead(TestSocket& socket, std::string& rest) {
  std::array<char, 16384> buffer;
  while (true) {
    if (const size_t end = rest.find("\r\n\r\n"); end != std::string::npos) {
      std::string head = rest.substr(0, end + 2);
      rest.erase(0, end + 4);
      return head;
    }
    const size_t got = socket.Read(buffer.data(), buffer.size());
    if (got == 0) return "";
    rest.append(buffer.data(), got);
    if (rest[0] < 'A' || rest[0] > 'Z') {  // a TLS handshake
      socket.Write("HTTP/1.1 400 Bad Request\r\n\r\n");
      return "";
    }
  }
}

TestRequest ParseHead(std::string_view head) {
  TestRequest request;
  const auto line = [&] {
    const size_t end = head.find("\r\n");
    const std::string_view first = head.substr(0, end);
    head.remove_prefix(end + 2);
    return first;
  };
  const std::string_view start = line();
  const size_t one = start.find(' '), two = start.rfind(' ');
  request.method = start.substr(0, one);
  request.path = start.substr(one + 1, two - one - 1);
  while (!head.empty()) {
    const std::string_view header = line();
    const size_t colon = header.find(':');
    request.headers.emplace_back(absl::AsciiStrToLower({header.data(), colon}),
                                 absl::StripAsciiWhitespace({header.data() + colon + 1, header.size() - colon - 1}));
  }
  return request;
}

std::string HeadOf(const TestAnswer& answer, size_t body_bytes) {
  std::string head = fmt::format("HTTP/1.1 {} Status\r\ncontent-length: {}\r\n", answer.status, body_bytes);
  for (const auto& [name, value] : answer.headers) head += fmt::format("{}: {}\r\n", name, value);
  return head + "\r\n";
}

}  // namespace

std::string TestRequest::Header(std::string_view name) const {
  for (const auto& [key, value] : headers)
    if (key == name) return value;
  return "";
}

TestServer::TestServer(Options options) : options_(std::move(options)) {
  if (options_.tls.has_value()) context_ = MakeContext(*options_.tls, options_.http2);
  listener_ = UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{.sin_family = AF_INET};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  if (::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0 ||
      ::listen(listener_.get(), 64) != 0 ||
      ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0)
    std::abort();
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { Accept(); });
}

TestServer::~TestServer() {
  stopping_ = true;
  ::shutdown(listener_.get(), SHUT_RDWR);
  acceptor_.join();
  CloseConnections();
  for (std::thread& thread : threads_) thread.join();
}

std::string TestServer::Url(std::string_view path) const {
  return fmt::format("{}://127.0.0.1:{}{}", options_.tls.has_value() ? "https" : "http", port_, path);
}

void TestServer::CloseConnections() {
  const std::lock_guard lock(mutex_);
  for (const int fd : open_) ::shutdown(fd, SHUT_RDWR);
}

void TestServer::SetTls(const TestTls& tls) {
  std::shared_ptr<SSL_CTX> context = MakeContext(tls, options_.http2);
  const std::lock_guard lock(mutex_);
  context_ = std::move(context);
}

std::vector<TestRequest> TestServer::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

void TestServer::WaitForRequests(size_t count) const {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return requests_.size() >= count; });
}

void TestServer::Accept() {
  while (true) {
    UniqueFd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (stopping_ || fd.get() < 0) return;
    const int number = ++connections_;
    const int on = 1;
    ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    const std::lock_guard lock(mutex_);
    open_.insert(fd.get());
    threads_.emplace_back(
        [this, number, moved = std::make_shared<UniqueFd>(std::move(fd))] { Serve(std::move(*moved), number); });
  }
}

void TestServer::Serve(UniqueFd fd, int number) {
  // OpenSSL writes without MSG_NOSIGNAL. Only this thread: clients under test must not need it.
  sigset_t broken_pipe;
  ::sigemptyset(&broken_pipe);
  ::sigaddset(&broken_pipe, SIGPIPE);
  ::pthread_sigmask(SIG_BLOCK, &broken_pipe, nullptr);
  const int raw = fd.get();
  TestSocket socket(std::move(fd));
  std::shared_ptr<SSL_CTX> context;
  {
    const std::lock_guard lock(mutex_);
    context = context_;
  }
  if (context != nullptr && !socket.StartTls(context.get())) {
    socket.CloseAfterPeer();
  } else if (options_.http2) {
    ServeHttp2(socket, socket.PeerName(), number, options_.answer_early,
               [this](const TestRequest& request) { return Handle(request); });
  } else {
    ServeHttp1(socket, number);
  }
  const std::lock_guard lock(mutex_);
  open_.erase(raw);  // before the socket is closed, and its number given to another
}

TestAnswer TestServer::Handle(const TestRequest& request) {
  {
    const std::lock_guard lock(mutex_);
    requests_.push_back(request);
    changed_.notify_all();
  }
  return options_.handler ? options_.handler(request) : TestAnswer{};
}

void TestServer::ServeHttp1(TestSocket& socket, int number) {
  std::string rest;
  std::array<char, 16384> buffer;
  while (!stopping_) {
    const std::string head = ReadHead(socket, rest);
    if (head.empty()) return;
    TestRequest request = ParseHead(head);
    request.connection = number;
    request.peer_name = socket.PeerName();
    size_t length = 0;
    if (const std::string text = request.Header("content-length"); !text.empty() && !absl::SimpleAtoi(text, &length))
      return;
    while (rest.size() < length) {
      const size_t got = socket.Read(buffer.data(), buffer.size());
      if (got == 0) return;
      rest.append(buffer.data(), got);
    }
    request.body = rest.substr(0, length);
    rest.erase(0, length);
    if (!AnswerHttp1(socket, request)) return;
  }
}

bool TestServer::AnswerHttp1(TestSocket& socket, const TestRequest& request) {
  using Fault = TestAnswer::Fault;
  const TestAnswer answer = Handle(request);
  switch (answer.fault) {
    case Fault::kReset: socket.Reset(); return false;
    case Fault::kHang: socket.WaitForPeer(); return false;
    case Fault::kRaw: socket.Write(answer.body); return false;
    case Fault::kCut: socket.Write(HeadOf(answer, answer.body.size() + 100) + answer.body); return false;
    case Fault::kEndless:
      socket.Write(HeadOf(answer, size_t{1} << 40));
      while (socket.Write(std::string(65536, 'x'))) {
      }
      return false;
    case Fault::kNone:
    case Fault::kClose: break;
  }
  if (request.method == "CONNECT" && answer.status == 200) {
    if (!socket.Write("HTTP/1.1 200 Connection established\r\n\r\n")) return false;
    TestSocket target(ConnectTo(options_.tunnel_port));
    Pump(socket, target);
    return false;
  }
  return socket.Write(HeadOf(answer, answer.body.size()) + answer.body) && answer.fault != Fault::kClose;
}

}  // namespace kiln::testing
