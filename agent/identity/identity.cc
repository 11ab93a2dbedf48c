// SPDX-License-Identifier: Apache-2.0
#include "agent/identity/identity.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "agent/identity/service_name.h"
#include "otlp/semconv.h"
#include "profile/utf8.h"

namespace kiln::agent::identity {
namespace {

constexpr size_t kMaxVariables = 64;
constexpr int kMostAttributes = 128;
constexpr std::string_view kReservedKey = "service_name";

// Attributes of the service itself, which only its environment knows; they come right behind the name.
constexpr std::array<std::string_view, 4> kServiceKeys = {otlp::kServiceNamespace, otlp::kServiceInstanceId,
                                                          otlp::kServiceVersion, otlp::kDeploymentEnvironmentName};

void Add(Attributes& attributes, std::string_view key, std::string_view bytes) {
  if (bytes.empty()) return;
  attributes.push_back({.key = std::string(key), .value = profile::ToValidUtf8(bytes)});
}

void Add(Attributes& attributes, std::string_view key, Pid pid) {
  if (pid.value > 0) attributes.push_back({.key = std::string(key), .value = int64_t{pid.value}});
}

// Namespaced pids tell something only where they are others.
Pid OtherThan(Pid pid, Pid namespaced_pid) { return namespaced_pid == pid ? Pid{} : namespaced_pid; }

// The length of `text` (valid UTF-8) cut to `limit` bytes without cutting a character.
size_t CutLength(std::string_view text, size_t limit) {
  if (text.size() <= limit) return text.size();
  while (limit > 0 && (static_cast<uint8_t>(text[limit]) & 0xc0) == 0x80) --limit;
  return limit;
}

ProcessFactsReader::Options FactsOptions(const IdentityOptions& options, const Redactor& redactor) {
  ProcessFactsReader::Options facts{.proc_root = options.proc_root,
                                    .passwd_path = options.host.root + "/etc/passwd",
                                    .environment_names = options.environment_variables,
                                    .command_line_redactor = options.command_line ? &redactor : nullptr,
                                    .boot_unix_ns = options.boot_unix_ns};
  if (options.otel_environment) {
    facts.environment_names.emplace_back(otlp::kOtelServiceName);
    facts.environment_names.emplace_back(otlp::kOtelResourceAttributes);
  }
  // Named twice, a variable would be waited for in vain.
  std::ranges::sort(facts.environment_names);
  const auto rest = std::ranges::unique(facts.environment_names);
  facts.environment_names.erase(rest.begin(), rest.end());
  return facts;
}

void AddError(std::string& errors, const Status& status) {
  if (status.ok()) return;
  if (!errors.empty()) errors += "; ";
  errors += Message(status);
}

Status CheckVariables(const std::vector<std::string>& names) {
  if (names.size() > kMaxVariables) {
    return Error(absl::StatusCode::kInvalidArgument, "{} environment variables are too many: {} are allowed",
                 names.size(), kMaxVariables);
  }
  for (const std::string& name : names) {
    if (name.empty() || name.size() > kMaxKeyBytes / 2 || name.find('=') != std::string::npos ||
        name.find('\0') != std::string::npos || !profile::IsValidUtf8(name)) {
      return Error(absl::StatusCode::kInvalidArgument, "\"{}\" is no name of an environment variable", name);
    }
  }
  return absl::OkStatus();
}

}  // namespace

StatusOr<std::unique_ptr<IdentityReader>> IdentityReader::Create(IdentityOptions options, MetricRegistry& registry) {
  std::string errors;
  AddError(errors, CheckVariables(options.environment_variables));
  if (options.max_attributes < 1 || options.max_attributes > kMostAttributes) {
    AddError(errors, Error(absl::StatusCode::kInvalidArgument, "max_attributes is {}: give 1 to {}",
                           options.max_attributes, kMostAttributes));
  }
  auto redactor = Redactor::Compile(options.redaction_patterns);
  AddError(errors, redactor.status());
  auto relabeler = Relabeler::Compile(options.relabel);
  AddError(errors, relabeler.status());
  if (!errors.empty()) return absl::InvalidArgumentError(errors);
  return std::unique_ptr<IdentityReader>(
      new IdentityReader(std::move(options), registry, *std::move(redactor), *std::move(relabeler)));
}

IdentityReader::IdentityReader(IdentityOptions options, MetricRegistry& registry, Redactor redactor,
                               Relabeler relabeler)
    : options_(std::move(options)),
      metrics_(registry),
      redactor_(std::move(redactor)),
      relabeler_(std::move(relabeler)),
      host_(ReadHostAttributes(options_.host)),
      facts_(FactsOptions(options_, redactor_), metrics_) {}

ProcessIdentity IdentityReader::Read(const KnownProcess& known, const ProcessIdentity* parent) {
  const auto facts = facts_.Read(known);
  // A zombie still has a stat and a cgroup, but no file and no environment.
  const bool told = facts && (!facts->executable_path.empty() || facts->is_kernel_thread);
  if (!told && parent != nullptr) return Inherit(*parent, known);
  return Describe(facts ? *facts : facts_.WithoutReading(known));
}

ProcessIdentity IdentityReader::WithoutReading(const KnownProcess& known, const ProcessIdentity* parent) {
  return parent != nullptr ? Inherit(*parent, known) : Describe(facts_.WithoutReading(known));
}

ProcessIdentity IdentityReader::Inherit(const ProcessIdentity& parent, const KnownProcess& child) {
  metrics_.inherited.Add();
  const ProcessFacts facts = facts_.WithoutReading(child);
  const auto is_own = [](const Attribute& attribute) {
    return attribute.key == otlp::kProcessPid || attribute.key == otlp::kProcessParentPid ||
           attribute.key == otlp::kProcessVpid || attribute.key == otlp::kProcessCreationTime;
  };
  Attributes attributes;
  for (const Attribute& attribute : relabeler_.empty() ? parent.attributes : parent.before_rules) {
    if (attribute.key == otlp::kProcessPid) Add(attributes, otlp::kProcessPid, facts.pid);
    if (!is_own(attribute)) attributes.push_back(attribute);
  }
  Add(attributes, otlp::kProcessCreationTime, Rfc3339(facts.creation_unix_ns));
  Add(attributes, otlp::kProcessParentPid, facts.parent_pid);
  Add(attributes, otlp::kProcessVpid, OtherThan(facts.pid, facts.namespaced_pid));
  return Finish(std::move(attributes), parent.source);
}

ProcessIdentity IdentityReader::Describe(const ProcessFacts& facts) {
  const CgroupFacts& cgroup = facts.cgroup;
  Attributes environment = FromEnvironment(facts);
  const ServiceName service = ChooseServiceName(
      facts, environment,
      {.otel_environment = options_.otel_environment, .systemd_unit = options_.systemd_unit_as_service});

  // What kiln found out itself, in two parts between which the rest of the environment stands. Whoever sets the
  // environment of a process can't make it another process, container or host.
  Attributes first, last;
  Add(first, otlp::kServiceName, service.name);
  const size_t service_end = first.size();
  Add(first, otlp::kProcessPid, facts.pid);
  Add(first, otlp::kProcessExecutableName, ExecutableName(facts));
  Add(first, otlp::kContainerId, cgroup.container_id);
  Add(first, otlp::kK8sPodUid, cgroup.pod_uid);
  if (!facts.container_name.empty()) {
    Add(first, cgroup.pod_uid.empty() ? otlp::kContainerName : otlp::kK8sContainerName, facts.container_name);
  }
  if (const Attribute* name = Find(host_, otlp::kHostName)) first.push_back(*name);
  Add(last, otlp::kProcessExecutablePath, facts.executable_path);
  Add(last, otlp::kSystemdUnitName, cgroup.systemd_unit);
  Add(last, otlp::kContainerRuntimeName, cgroup.container_runtime);
  Add(last, otlp::kProcessOwner, facts.owner);
  Add(last, otlp::kProcessCommandLine, facts.command_line);
  Add(last, otlp::kProcessCreationTime, Rfc3339(facts.creation_unix_ns));
  Add(last, otlp::kProcessParentPid, facts.parent_pid);
  Add(last, otlp::kProcessVpid, OtherThan(facts.pid, facts.namespaced_pid));
  for (const Attribute& attribute : host_) {
    if (attribute.key != otlp::kHostName) last.push_back(attribute);
  }

  Attributes variables;
  for (const std::string& name : options_.environment_variables) {
    const std::string key = std::string(otlp::kProcessEnvironmentVariable) + name;
    const std::string* value = FindVariable(facts.environment, name);
    if (value == nullptr || Find(variables, key) != nullptr) continue;
    // Twice of what may leave is looked through for secrets: a value may be as long as the whole environment.
    const bool is_cut = value->size() > 2 * kMaxValueBytes;
    const std::string text = redactor_.Variable(name, std::string_view(*value).substr(0, 2 * kMaxValueBytes));
    if (is_cut && text.size() <= kMaxValueBytes) metrics_.shortened.Add();  // what is longer is counted where it is cut
    Add(variables, key, text);
  }

  Attributes of_service, others;
  for (Attribute& attribute : environment) {
    if (attribute.key == otlp::kServiceName) continue;  // ChooseServiceName has seen it
    if (attribute.key == kReservedKey || Find(first, attribute.key) != nullptr ||
        Find(last, attribute.key) != nullptr || Find(variables, attribute.key) != nullptr) {
      metrics_.overridden.Add();
      continue;
    }
    const bool is_service = std::ranges::find(kServiceKeys, attribute.key) != kServiceKeys.end();
    (is_service ? of_service : others).push_back(std::move(attribute));
  }
  Attributes attributes = std::move(first);
  attributes.insert(attributes.begin() + static_cast<ptrdiff_t>(service_end), of_service.begin(), of_service.end());
  for (const Attributes* part : {&others, &variables, &last}) {
    attributes.insert(attributes.end(), part->begin(), part->end());
  }
  return Finish(std::move(attributes), service.source);
}

Attributes IdentityReader::FromEnvironment(const ProcessFacts& facts) {
  const std::string* text = FindVariable(facts.environment, otlp::kOtelResourceAttributes);
  if (text == nullptr || !options_.otel_environment) return {};
  auto attributes = ParseResourceAttributes(*text);
  if (attributes.ok()) return *std::move(attributes);
  metrics_.invalid_resource_attributes.Add();
  return {};
}

ProcessIdentity IdentityReader::Finish(Attributes attributes, ServiceNameSource source) {
  Shorten(attributes);  // before the rules too: their cost follows the length of values
  ProcessIdentity identity{.attributes = std::move(attributes), .source = source};
  if (!relabeler_.empty()) {
    identity.before_rules = identity.attributes;
    identity.dropped = !relabeler_.Apply(identity.attributes);
    const Attribute* before = Find(identity.before_rules, otlp::kServiceName);
    const Attribute* after = Find(identity.attributes, otlp::kServiceName);
    if (after != nullptr && (before == nullptr || *before != *after)) identity.source = ServiceNameSource::kRelabel;
  }
  if (identity.dropped) {
    identity.attributes.clear();
    metrics_.dropped.Add();
    return identity;
  }
  Limit(identity.attributes);
  metrics_.CountSource(identity.source);
  return identity;
}

void IdentityReader::Limit(Attributes& attributes) {
  const size_t before = attributes.size();
  std::erase_if(attributes, [](const Attribute& attribute) { return attribute.key.size() > kMaxKeyBytes; });
  const size_t limit = static_cast<size_t>(options_.max_attributes);
  if (attributes.size() > limit) {
    // Rules put what is new at the end, but who sets something wants it.
    std::ranges::stable_partition(attributes, [&](const Attribute& attribute) {
      return attribute.key == otlp::kServiceName || relabeler_.Sets(attribute.key);
    });
    attributes.resize(limit);
  }
  metrics_.over_limit.Add(static_cast<int64_t>(before - attributes.size()));
  Shorten(attributes);
}

void IdentityReader::Shorten(Attributes& attributes) {
  for (Attribute& attribute : attributes) {
    auto* text = std::get_if<std::string>(&attribute.value);
    if (text == nullptr || text->size() <= kMaxValueBytes) continue;
    text->resize(CutLength(*text, kMaxValueBytes));
    metrics_.shortened.Add();
  }
}

}  // namespace kiln::agent::identity
