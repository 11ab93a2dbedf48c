// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <mutex>

#include "agent/config/config.h"
#include "agent/identity/identity.h"
#include "agent/session/session.h"
#include "base/metrics.h"

namespace kiln::agent {

// What the identities of processes are read by, as the receiver's settings say.
identity::IdentityOptions IdentityOptionsOf(const config::ProfilingReceiver& settings);

// An IdentityReader that can be replaced while a session uses it. Use is thread-safe.
class ProcessIdentities : public IdentitySource {
 public:
  explicit ProcessIdentities(std::unique_ptr<identity::IdentityReader> reader) : reader_(std::move(reader)) {}

  // For what is asked from now on (see Session::Reidentify).
  void Replace(std::unique_ptr<identity::IdentityReader> reader) {
    const std::lock_guard lock(mutex_);
    reader_ = std::move(reader);
  }

  std::shared_ptr<const identity::ProcessIdentity> Identify(const Process& process, const ThreadIdentity& thread,
                                                            const Process* parent) override;
  std::shared_ptr<const identity::ProcessIdentity> IdentifyByEvents(const Process& process,
                                                                    const ThreadIdentity& thread,
                                                                    const Process* parent) override;
  bool IsUnwanted(const identity::ProcessIdentity& who) override { return who.dropped; }

 private:
  std::mutex mutex_;
  std::unique_ptr<identity::IdentityReader> reader_;  // under mutex_
};

}  // namespace kiln::agent
