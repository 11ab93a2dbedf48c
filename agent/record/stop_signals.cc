// SPDX-License-Identifier: Apache-2.0
#include "agent/record/stop_signals.h"

#include <poll.h>
#include <sys/signalfd.h>

#include <algorithm>

namespace kiln::agent {

StatusOr<StopSignals> StopSignals::Block(std::initializer_list<int> others) {
  sigset_t wanted, previous;
  sigemptyset(&wanted);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGCHLD}) sigaddset(&wanted, signal);
  for (const int signal : others) sigaddset(&wanted, signal);
  if (const int error = ::pthread_sigmask(SIG_BLOCK, &wanted, &previous); error != 0) {
    return ErrnoError(error, "cannot block signals");
  }
  UniqueFd fd(::signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd.valid()) return ErrnoError(errno, "cannot wait for signals");
  return StopSignals(std::move(fd), previous);
}

StopSignals::~StopSignals() {
  if (fd_.valid()) ::pthread_sigmask(SIG_SETMASK, &previous_, nullptr);
}

void StopSignals::Wait(absl::Duration timeout) {
  pollfd poll{.fd = fd_.get(), .events = POLLIN, .revents = 0};
  // Rounded up, or the last part of a millisecond would be a busy loop.
  const int64_t milliseconds = absl::ToInt64Milliseconds(absl::Ceil(timeout, absl::Milliseconds(1)));
  if (::poll(&poll, 1, static_cast<int>(std::clamp<int64_t>(milliseconds, 0, 3'600'000))) <= 0) return;
  signalfd_siginfo signal{};
  while (::read(fd_.get(), &signal, sizeof(signal)) == sizeof(signal)) {
    sigaddset(&came_, static_cast<int>(signal.ssi_signo));
    if (signal.ssi_signo == SIGINT) ++interrupts_;
    if (signal.ssi_signo == SIGTERM || signal.ssi_signo == SIGHUP) terminated_ = true;
  }
}

bool StopSignals::Take(int signal) {
  if (sigismember(&came_, signal) != 1) return false;
  sigdelset(&came_, signal);
  return true;
}

}  // namespace kiln::agent
