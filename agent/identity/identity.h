// SPDX-License-Identifier: Apache-2.0
// Who a process is, as the resource attributes that its profiles carry (docs/resource-attributes.md lists them all).
//
//   std::unique_ptr<IdentityReader> reader = *IdentityReader::Create(options, registry);
//   ProcessIdentity identity = reader->Read({.pid = pid, .start_ns = start_ns, .comm = comm}, parent_identity);
//   if (!identity.dropped) Send(identity.attributes);
//
// Once per image: an exec makes another program of a process, so it is read anew.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/identity/attribute.h"
#include "agent/identity/host.h"
#include "agent/identity/identity_metrics.h"
#include "agent/identity/process_facts.h"
#include "agent/identity/redaction.h"
#include "agent/identity/relabel.h"
#include "base/metrics.h"
#include "base/status.h"

namespace kiln::agent::identity {

// What Pyroscope takes at most (its limits per series).
inline constexpr size_t kMaxKeyBytes = 1024;
inline constexpr size_t kMaxValueBytes = 2048;

struct IdentityOptions {
  // Read OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES of each process.
  bool otel_environment = true;
  // Variables that become process.environment_variable.NAME; at most 64.
  std::vector<std::string> environment_variables;
  // process.command_line. Off by default: command lines hold secrets that no rule knows.
  bool command_line = false;
  // Regular expressions (RE2) of what is secret in command lines and variables, see Redactor.
  std::vector<std::string> redaction_patterns;
  // A systemd service's name is the service.name of what runs in it.
  bool systemd_unit_as_service = true;
  // Attributes of one process; 1 … 128. The essential ones come first and those that relabel rules set are kept; the
  // rest is left out, counted. Pyroscope allows 30 labels per series, four of them its own.
  int max_attributes = 24;
  std::vector<RelabelRule> relabel;
  HostOptions host;
  // For tests.
  std::string proc_root = "/proc";
  std::function<int64_t()> boot_unix_ns;
};

struct ProcessIdentity {
  // In the order of docs/resource-attributes.md; keys are unique; keys and values are valid UTF-8, within the limits
  // above and not empty. None is called service_name, which Pyroscope makes of service.name itself.
  Attributes attributes;
  ServiceNameSource source = ServiceNameSource::kUnknown;
  bool dropped = false;     // a relabel rule says that this process is not to be profiled
  Attributes before_rules;  // what the relabel rules were applied to; empty if there are no rules
};

// Not thread-safe: used on the collector's thread. Its counters are.
class IdentityReader {
 public:
  // Reads the facts of the host. kInvalidArgument lists everything that is wrong with `options`. `registry` must
  // outlive the reader.
  static StatusOr<std::unique_ptr<IdentityReader>> Create(IdentityOptions options, MetricRegistry& registry);

  // Never fails. `parent`: the identity of the process that forked this one, if this one still runs the same program;
  // nullptr otherwise. If the process is gone (or a zombie), it counts as its parent, or as what events told of it.
  ProcessIdentity Read(const KnownProcess& known, const ProcessIdentity* parent = nullptr);

  // What events told alone, or as the parent: for a process that has become another program meanwhile.
  ProcessIdentity WithoutReading(const KnownProcess& known, const ProcessIdentity* parent = nullptr);

  // `parent` with the pid, the parent's pid and the creation time of `child`. Relabel rules are applied anew.
  ProcessIdentity Inherit(const ProcessIdentity& parent, const KnownProcess& child);

  const Attributes& host_attributes() const { return host_; }
  const IdentityMetrics& metrics() const { return metrics_; }

 private:
  IdentityReader(IdentityOptions options, MetricRegistry& registry, Redactor redactor, Relabeler relabeler);
  ProcessIdentity Describe(const ProcessFacts& facts);
  Attributes FromEnvironment(const ProcessFacts& facts);
  ProcessIdentity Finish(Attributes attributes, ServiceNameSource source);
  // Number of attributes, length of keys and values.
  void Limit(Attributes& attributes);
  void Shorten(Attributes& attributes);

  const IdentityOptions options_;
  IdentityMetrics metrics_;
  const Redactor redactor_;
  const Relabeler relabeler_;
  const Attributes host_;
  ProcessFactsReader facts_;
};

}  // namespace kiln::agent::identity
