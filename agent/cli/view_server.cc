// SPDX-License-Identifier: Apache-2.0
#include "agent/cli/view_server.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/signalfd.h>

#include <array>
#include <string_view>
#include <utility>

namespace kiln::agent {
namespace {

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

}  // namespace

StatusOr<std::unique_ptr<ViewServer>> ViewServer::Start(std::string page) {
  KILN_ASSIGN_OR_RETURN(const std::string token, RandomToken());
  std::unique_ptr<ViewServer> view(new ViewServer);
  view->stop_ = UniqueFd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  sigset_t wanted;
  ::sigemptyset(&wanted);
  for (const int signal : {SIGINT, SIGTERM}) ::sigaddset(&wanted, signal);
  view->signals_ = UniqueFd(::signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!view->stop_.valid() || !view->signals_.valid()) return ErrnoError(errno, "cannot wait for signals");
  ::pthread_sigmask(SIG_BLOCK, &wanted, &view->previous_mask_);
  view->blocked_ = true;

  const auto shared = std::make_shared<const std::string>(std::move(page));
  const std::string path = "/" + token + "/";
  const HttpServerSettings settings{
      .address = "127.0.0.1:0",
      .max_body_bytes = 0,
      .keep_alive = false,
      .write_timeout = absl::Minutes(5),  // a big page through a slow tunnel
  };
  KILN_ASSIGN_OR_RETURN(view->server_, HttpServer::Start(settings, [shared, path](const HttpServerRequest& request) {
                          if (!EqualSecret(request.path, path) || !request.query.empty()) {
                            return HttpServerResponse{
                                .status = 404, .body = "not found: open the whole address that kiln view printed\n"};
                          }
                          return HttpServerResponse{.content_type = "text/html; charset=utf-8",
                                                    .shared_body = shared,
                                                    .compressible = false,
                                                    .headers = {{"Content-Security-Policy", "frame-ancestors 'none'"}}};
                        }));
  view->url_ = fmt::format("http://{}{}", view->server_->address(), path);
  return view;
}

ViewServer::~ViewServer() {
  if (blocked_) ::pthread_sigmask(SIG_SETMASK, &previous_mask_, nullptr);
}

void ViewServer::RunUntilSignal() {
  std::array<pollfd, 2> waits = {pollfd{.fd = signals_.get(), .events = POLLIN, .revents = 0},
                                 pollfd{.fd = stop_.get(), .events = POLLIN, .revents = 0}};
  while (::poll(waits.data(), waits.size(), -1) < 0 && errno == EINTR) {
  }
  // Taken, or it would end the process when the mask is put back.
  signalfd_siginfo signal{};
  while (::read(signals_.get(), &signal, sizeof(signal)) == sizeof(signal)) {
  }
}

void ViewServer::Stop() { (void)::eventfd_write(stop_.get(), 1); }

}  // namespace kiln::agent
