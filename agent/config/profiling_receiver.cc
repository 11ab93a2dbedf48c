// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <array>

#include "agent/config/components.h"
#include "agent/identity/redaction.h"
#include "agent/identity/relabel.h"
#include "base/status.h"

namespace kiln::agent::config {
namespace {

constexpr std::string_view kUnbuiltKind = "kiln does not take profiles of this kind yet";
constexpr std::array kKinds = {Choice{"cpu"},
                               Choice{"off_cpu", kUnbuiltKind},
                               Choice{"wall", kUnbuiltKind},
                               Choice{"memory", kUnbuiltKind},
                               Choice{"lock", kUnbuiltKind},
                               Choice{"io", kUnbuiltKind},
                               Choice{"gpu", kUnbuiltKind}};

void FilterFields(Fields& f, ProfilingFilters& filters) {
  std::vector<int64_t> pids;
  for (const Pid pid : filters.pids) pids.push_back(pid.value);
  f.Ints("pids", pids, 1, 1 << 22);  // PID_MAX_LIMIT
  filters.pids.clear();
  for (const int64_t pid : pids) filters.pids.push_back({static_cast<int32_t>(pid)});
  f.Text("comm", filters.comm, TextKind::kRegex);
  f.Texts("cgroups", filters.cgroups);
  for (size_t i = 0; i < filters.cgroups.size(); ++i) {
    const std::string& path = filters.cgroups[i];
    if (!path.starts_with('/')) f.ItemError("cgroups", i, "not a path from /, such as /system.slice/nginx.service");
  }
  f.Bool("exclude_self", filters.exclude_self);
}

void DebugInfoFields(Fields& f, ProfilingDebugInfo& debug_info) {
  f.Bool("enabled", debug_info.enabled);
  f.Texts("directories", debug_info.directories);
  for (size_t i = 0; i < debug_info.directories.size(); ++i) {
    if (!debug_info.directories[i].starts_with('/')) f.ItemError("directories", i, "not a path from /");
  }
  f.Text("cache", debug_info.cache);
  f.Bytes("cache_size", debug_info.cache_size, int64_t{16} << 20, int64_t{1} << 40);
  f.Bytes("memory", debug_info.memory, int64_t{64} << 20, int64_t{64} << 30);
  f.Texts("debuginfod_urls", debug_info.debuginfod_urls, TextKind::kUrl);
  for (size_t i = 0; i < debug_info.debuginfod_urls.size(); ++i) {
    const std::string& url = debug_info.debuginfod_urls[i];
    if (!url.starts_with("http://") && !url.starts_with("https://")) {
      f.ItemError("debuginfod_urls", i, "not a URL of http or https");
    }
  }
}

void ResourceFields(Fields& f, ProfilingResource& resource) {
  f.Bool("process_command_line", resource.process_command_line);
  f.Texts("redact", resource.redact, TextKind::kRegex);
  if (const Status status = identity::Redactor::Compile(resource.redact).status(); !status.ok()) {
    f.Error("redact", std::string(Message(status)));
  }
  f.Texts("environment_variables", resource.environment_variables);
  for (size_t i = 0; i < resource.environment_variables.size(); ++i) {
    const std::string& name = resource.environment_variables[i];
    if (name.empty() || name.find('=') != std::string::npos) {
      f.ItemError("environment_variables", i, "no name of an environment variable");
    }
  }
  f.Bool("otel_environment", resource.otel_environment);
  f.Bool("systemd_unit_as_service", resource.systemd_unit_as_service);
  f.Int("max_attributes", resource.max_attributes, 1, 128);
}

identity::RelabelAction ActionOf(RelabelRule::Action action) {
  switch (action) {
    case RelabelRule::Action::kKeep: return identity::RelabelAction::kKeep;
    case RelabelRule::Action::kDrop: return identity::RelabelAction::kDrop;
    case RelabelRule::Action::kSet: return identity::RelabelAction::kSet;
    case RelabelRule::Action::kRemove: return identity::RelabelAction::kRemove;
  }
  return identity::RelabelAction::kKeep;
}

void RelabelFields(Fields& f, RelabelRule& rule) {
  using enum RelabelRule::Action;
  if (!f.Has("action")) f.Error("", "action is missing: keep, drop, set or remove");
  f.Enum("action", rule.action, {{"keep", kKeep}, {"drop", kDrop}, {"set", kSet}, {"remove", kRemove}});
  f.Text("source", rule.source);
  f.Text("regex", rule.regex, TextKind::kRegex);
  f.Text("target", rule.target);
  if (!f.Writes() || rule.action == kSet) f.Text("value", rule.value);
  if (!f.Has("action")) return;
  const bool filters = rule.action == kKeep || rule.action == kDrop;
  if (filters && rule.source.empty()) f.Error("", "source is missing: the attribute that is looked at");
  if (filters && f.Has("target")) f.Error("target", "only for set and remove");
  if (!filters && rule.target.empty()) f.Error("", "target is missing: the attribute that is changed");
  if (rule.action != kSet && f.Has("value")) f.Error("value", "only for set");
  if (filters ? rule.source.empty() || f.Has("target") : rule.target.empty()) return;
  // What is left to say, the one who applies the rules says.
  const Status status = identity::Relabeler::Check({.action = ActionOf(rule.action),
                                                    .source = rule.source,
                                                    .regex = rule.regex,
                                                    .target = rule.target,
                                                    .value = rule.action == kSet ? rule.value : ""});
  if (!status.ok() && !f.Writes()) f.Error("", std::string(Message(status)));
}

void ReceiverFields(Fields& f, const std::string& id, AgentConfig& config) {
  ProfilingReceiver& receiver = config.receivers.try_emplace(id).first->second;
  f.Int("frequency", receiver.frequency, 1, 10'000);
  f.Duration("window", receiver.window, absl::Seconds(1), absl::Minutes(10));
  f.ChooseSome("kinds", kKinds, receiver.kinds);
  if (receiver.kinds.empty() && f.Has("kinds")) f.Error("kinds", "no kind is left; cpu is built");
  f.Bool("kernel_stacks", receiver.kernel_stacks);
  f.Bytes("unwind_memory", receiver.unwind_memory, int64_t{4} << 20, int64_t{4} << 30);
  f.Text("unwind_cache", receiver.unwind_cache);
  f.Sub("debug_info", [&](Fields& fields) { DebugInfoFields(fields, receiver.debug_info); });
  f.Sub("filters", [&](Fields& filters) { FilterFields(filters, receiver.filters); });
  f.Sub("attributes", [&](Fields& attributes) {
    attributes.Bool("thread_name", receiver.attributes.thread_name);
    attributes.Bool("thread_id", receiver.attributes.thread_id);
  });
  f.Sub("resource", [&](Fields& resource) { ResourceFields(resource, receiver.resource); });
  f.Items("relabel", receiver.relabel, RelabelFields);
  if (receiver.relabel.size() > identity::kMaxRelabelRules) {
    f.Error("relabel", fmt::format("more than {} rules", identity::kMaxRelabelRules));
  }
}

}  // namespace

const ComponentType kProfilingReceiverType = {.kind = ComponentKind::kReceiver,
                                              .type = "profiling",
                                              .only = pipeline::Signal::kProfiles,
                                              .fields = ReceiverFields};

}  // namespace kiln::agent::config
