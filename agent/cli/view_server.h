// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "base/status.h"

namespace kiln::agent {

// Serves one page over HTTP on 127.0.0.1. A profile tells what runs on a host, and every user of the machine can reach
// its loopback: so the path holds 128 random bits, and a request whose Host header is not the loopback is refused (a
// page of the web could otherwise read it through a name that it lets point here).
//
// Requests are bounded in size and time and their number at once; all runs on the thread that calls Run….
class ViewServer {
 public:
  // Listens on a free port. The page stays in memory.
  static StatusOr<std::unique_ptr<ViewServer>> Start(std::string page);
  ~ViewServer();

  int port() const;
  std::string url() const;  // http://127.0.0.1:PORT/TOKEN/

  // Serves until SIGINT or SIGTERM comes or Stop() is called.
  void RunUntilSignal();
  // Makes RunUntilSignal return. Thread-safe.
  void Stop();

 private:
  class Impl;
  explicit ViewServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace kiln::agent
