// SPDX-License-Identifier: Apache-2.0
#include "agent/daemon/process_identities.h"

namespace kiln::agent {
namespace {

identity::RelabelAction ActionOf(config::RelabelRule::Action action) {
  switch (action) {
    case config::RelabelRule::Action::kKeep: return identity::RelabelAction::kKeep;
    case config::RelabelRule::Action::kDrop: return identity::RelabelAction::kDrop;
    case config::RelabelRule::Action::kSet: return identity::RelabelAction::kSet;
    case config::RelabelRule::Action::kRemove: return identity::RelabelAction::kRemove;
  }
  return identity::RelabelAction::kKeep;
}

identity::KnownProcess Known(const Process& process, const ThreadIdentity& thread) {
  return {.pid = process.pid,
          .parent_pid = process.parent_pid,
          .namespaced_pid = process.namespaced_pid,
          .start_ns = process.start_ns,
          .comm = thread.process_comm};
}

const identity::ProcessIdentity* WhoIs(const Process* process) {
  return process == nullptr ? nullptr : process->who.get();
}

}  // namespace

identity::IdentityOptions IdentityOptionsOf(const config::ProfilingReceiver& settings) {
  const config::ProfilingResource& resource = settings.resource;
  identity::IdentityOptions options{.otel_environment = resource.otel_environment,
                                    .environment_variables = resource.environment_variables,
                                    .command_line = resource.process_command_line,
                                    .redaction_patterns = resource.redact,
                                    .systemd_unit_as_service = resource.systemd_unit_as_service,
                                    .max_attributes = static_cast<int>(resource.max_attributes)};
  for (const config::RelabelRule& rule : settings.relabel) {
    options.relabel.push_back({.action = ActionOf(rule.action),
                               .source = rule.source,
                               .regex = rule.regex,
                               .target = rule.target,
                               .value = rule.value});
  }
  return options;
}

std::shared_ptr<const identity::ProcessIdentity> ProcessIdentities::Identify(const Process& process,
                                                                             const ThreadIdentity& thread,
                                                                             const Process* parent) {
  const std::lock_guard lock(mutex_);
  return std::make_shared<const identity::ProcessIdentity>(reader_->Read(Known(process, thread), WhoIs(parent)));
}

std::shared_ptr<const identity::ProcessIdentity> ProcessIdentities::IdentifyByEvents(const Process& process,
                                                                                     const ThreadIdentity& thread,
                                                                                     const Process* parent) {
  const std::lock_guard lock(mutex_);
  return std::make_shared<const identity::ProcessIdentity>(
      reader_->WithoutReading(Known(process, thread), WhoIs(parent)));
}

}  // namespace kiln::agent
