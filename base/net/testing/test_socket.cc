// SPDX-License-Identifier: Apache-2.0
#include "base/net/testing/test_socket.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <tuple>

namespace kiln::testing {

TestSocket::~TestSocket() {
  if (ssl_ != nullptr) {
    ERR_clear_error();
    SSL_free(ssl_);
  }
}

bool TestSocket::StartTls(SSL_CTX* context) {
  ssl_ = SSL_new(context);
  SSL_set_fd(ssl_, fd_.get());
  const bool ok = SSL_accept(ssl_) == 1;
  ERR_clear_error();
  return ok;
}

size_t TestSocket::Read(char* out, size_t size) {
  ERR_clear_error();
  const ssize_t got = ssl_ != nullptr ? SSL_read(ssl_, out, static_cast<int>(size)) : ::recv(fd_.get(), out, size, 0);
  return got > 0 ? static_cast<size_t>(got) : 0;
}

bool TestSocket::Write(std::string_view data) {
  ERR_clear_error();
  while (!data.empty()) {
    const size_t size = std::min<size_t>(data.size(), 1 << 20);
    const ssize_t sent = ssl_ != nullptr ? SSL_write(ssl_, data.data(), static_cast<int>(size))
                                         : ::send(fd_.get(), data.data(), size, MSG_NOSIGNAL);
    if (sent <= 0) return false;
    data.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

void TestSocket::Reset() {
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
}

void TestSocket::CloseAfterPeer() {
  ::shutdown(fd_.get(), SHUT_WR);
  WaitForPeer();
}

void TestSocket::WaitForPeer() {
  std::array<char, 4096> rest;
  while (::recv(fd_.get(), rest.data(), rest.size(), 0) > 0) {
  }
}

std::string TestSocket::PeerName() const {
  X509* certificate = ssl_ == nullptr ? nullptr : SSL_get0_peer_certificate(ssl_);
  if (certificate == nullptr) return "";
  std::array<char, 256> name{};
  X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name.data(), name.size());
  return name.data();
}

std::string TestSocket::Protocol() const {
  const unsigned char* name = nullptr;
  unsigned size = 0;
  if (ssl_ != nullptr) SSL_get0_alpn_selected(ssl_, &name, &size);
  return {reinterpret_cast<const char*>(name), size};
}

void Pump(TestSocket& a, TestSocket& b) {
  std::array<char, 16384> buffer;
  while (true) {
    std::array<pollfd, 2> fds = {pollfd{.fd = a.fd(), .events = POLLIN}, pollfd{.fd = b.fd(), .events = POLLIN}};
    if (!a.HasPending() && !b.HasPending() && ::poll(fds.data(), fds.size(), -1) < 0) return;
    for (auto [from, to, ready] : {std::tuple(&a, &b, fds[0].revents != 0), std::tuple(&b, &a, fds[1].revents != 0)}) {
      if (!ready && !from->HasPending()) continue;
      const size_t got = from->Read(buffer.data(), buffer.size());
      if (got == 0 || !to->Write({buffer.data(), got})) return;
    }
  }
}

UniqueFd ConnectTo(int port) {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{.sin_family = AF_INET, .sin_port = htons(static_cast<uint16_t>(port))};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) return UniqueFd();
  return fd;
}

}  // namespace kiln::testing
