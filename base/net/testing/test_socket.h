// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <openssl/ssl.h>

#include <cstddef>
#include <string>
#include <string_view>

#include "base/fd.h"

namespace kiln::testing {

// The server's side of a connection, with or without TLS. Blocks; whoever wants it to stop shuts the socket down.
class TestSocket {
 public:
  explicit TestSocket(UniqueFd fd) : fd_(std::move(fd)) {}
  ~TestSocket();
  TestSocket(const TestSocket&) = delete;
  TestSocket& operator=(const TestSocket&) = delete;

  // The server's part of the handshake. False if it failed; the peer then has got an alert.
  bool StartTls(SSL_CTX* context);

  // Up to `size` bytes; 0 at the end or after an error.
  size_t Read(char* out, size_t size);
  bool Write(std::string_view data);
  // Bytes that were received and decrypted, but not read yet.
  bool HasPending() const { return ssl_ != nullptr && SSL_pending(ssl_) > 0; }
  // Closes so that the peer sees "connection reset".
  void Reset();
  // Closes after the peer has closed, so that it surely gets what was written last.
  void CloseAfterPeer();
  // Takes whatever comes until the peer closes.
  void WaitForPeer();

  int fd() const { return fd_.get(); }
  // Of the peer's certificate; "" if it has none.
  std::string PeerName() const;
  // By ALPN; "" if none.
  std::string Protocol() const;

 private:
  UniqueFd fd_;
  SSL* ssl_ = nullptr;
};

// Copies bytes both ways until one side ends.
void Pump(TestSocket& a, TestSocket& b);

// To 127.0.0.1; an invalid one if nobody listens there.
UniqueFd ConnectTo(int port);

}  // namespace kiln::testing
