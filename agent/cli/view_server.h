// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <signal.h>

#include <memory>
#include <string>

#include "base/fd.h"
#include "base/net/http_server.h"
#include "base/status.h"

namespace kiln::agent {

// Serves one page over HTTP on 127.0.0.1. A profile tells what runs on a host, and every user of the machine can reach
// its loopback: so the path holds 128 random bits, and a request whose Host header is not the loopback is refused (a
// page of the web could otherwise read it through a name that it lets point here).
//
// Requests are bounded in size and time and their number at once. While it lives, SIGINT and SIGTERM are blocked in the
// thread that started it, and so in those that this one starts: they end RunUntilSignal, and nothing else.
class ViewServer {
 public:
  // Listens on a free port. The page stays in memory.
  static StatusOr<std::unique_ptr<ViewServer>> Start(std::string page);
  ~ViewServer();

  int port() const { return server_->port(); }
  const std::string& url() const { return url_; }  // http://127.0.0.1:PORT/TOKEN/

  // Returns when SIGINT or SIGTERM comes or Stop() is called; pages are served before it, too.
  void RunUntilSignal();
  // Makes RunUntilSignal return. Thread-safe.
  void Stop();

 private:
  ViewServer() = default;

  std::string url_;
  sigset_t previous_mask_{};
  bool blocked_ = false;
  UniqueFd signals_;
  UniqueFd stop_;
  std::unique_ptr<HttpServer> server_;  // last: no request is answered by what is gone
};

}  // namespace kiln::agent
