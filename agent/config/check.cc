// SPDX-License-Identifier: Apache-2.0
#include "agent/config/check.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "agent/config/client_fields.h"
#include "agent/config/components.h"

namespace kiln::agent::config {
namespace {

std::vector<std::string_view> KeysOf(const Value* map) {
  std::vector<std::string_view> keys;
  if (map == nullptr) return keys;
  for (const Member& member : map->members) keys.push_back(member.key);
  return keys;
}

class Checker {
 public:
  Checker(const Value& root, AgentConfig& config, Report& report) : root_(root), config_(config), report_(report) {}

  void Run() {
    CheckExtensions();
    if (config_.service.pipelines.empty()) MissPipelines();
    for (const auto& [id, pipeline] : config_.service.pipelines) CheckPipeline(id, pipeline);
    for (auto& [id, exporter] : config_.exporters) CheckExporter(id, exporter);
    CheckMemory();
    CheckProfilers();
  }

 private:
  // Where the value of the last key stands; the nearest place above it if there is none.
  Place At(std::initializer_list<std::string_view> path) const {
    Place place = root_.place;
    const Value* value = &root_;
    for (const std::string_view key : path) {
      const Member* member = value->kind == Value::Kind::kMap ? value->Find(key) : nullptr;
      if (member == nullptr) break;
      value = &member->value;
      place = value->kind == Value::Kind::kScalar ? value->place : member->place;
    }
    return place;
  }

  bool IsDefined(ComponentKind kind, std::string_view id) const {
    const Value* map = FindValue(root_, {KindKey(kind)});
    return map != nullptr && map->Find(id) != nullptr;
  }

  std::string Undefined(ComponentKind kind, std::string_view id) const {
    const auto keys = KeysOf(FindValue(root_, {KindKey(kind)}));
    const std::string near = DidYouMean(id, keys);
    const std::string defined = keys.empty() ? fmt::format(" There are no {}", KindKey(kind))
                                             : fmt::format(" Defined {}: {}", KindKey(kind), JoinNames(keys, ", "));
    return fmt::format("{} is not defined under {}{}{}", Quoted(id), KindKey(kind), near.empty() ? "." : near, defined);
  }

  void CheckExtensions() {
    const Value* list = FindValue(root_, {"service", "extensions"});
    std::set<std::string> seen;
    for (size_t i = 0; i < config_.service.extensions.size(); ++i) {
      const std::string& id = config_.service.extensions[i];
      const Place place = list != nullptr && i < list->items.size() ? list->items[i].place : At({"service"});
      const std::string path = fmt::format("service.extensions[{}]", i);
      if (!seen.insert(id).second) report_.Error(place, path, fmt::format("{} stands here twice", Quoted(id)));
      if (!IsDefined(ComponentKind::kExtension, id))
        report_.Error(place, path, Undefined(ComponentKind::kExtension, id));
    }
  }

  void MissPipelines() {
    // Pipelines that are wrong were spoken of already.
    if (report_.HasErrorAt("service") || report_.HasErrorAt("service.pipelines")) return;
    const Value* pipelines = FindValue(root_, {"service", "pipelines"});
    if (pipelines != nullptr && !pipelines->members.empty()) return;
    report_.Error(
        At({"service", "pipelines"}), "service.pipelines",
        "there is no pipeline; write service: {pipelines: {profiles: {receivers: [profiling], exporters: [otlp]}}}");
  }

  void CheckPipeline(const std::string& id, const PipelineConfig& pipeline) {
    CheckReferences(id, pipeline, ComponentKind::kReceiver, pipeline.receivers);
    CheckReferences(id, pipeline, ComponentKind::kProcessor, pipeline.processors);
    CheckReferences(id, pipeline, ComponentKind::kExporter, pipeline.exporters);
  }

  // Each samples the whole host: two would pay for it twice.
  void CheckProfilers() {
    std::vector<std::string> used = UsedReceivers(config_);
    std::erase_if(used, [&](const std::string& id) { return !config_.receivers.contains(id); });
    if (used.size() < 2) return;
    report_.Error(At({"service", "pipelines"}), "service.pipelines",
                  fmt::format("kiln runs one profiler at a time, and pipelines name {}: {}", used.size(),
                              JoinNames(std::vector<std::string_view>(used.begin(), used.end()), ", ")));
  }

  void CheckReferences(const std::string& pipeline_id, const PipelineConfig& pipeline, ComponentKind kind,
                       const std::vector<std::string>& ids) {
    const Value* list = FindValue(root_, {"service", "pipelines", pipeline_id, KindKey(kind)});
    std::set<std::string> seen;
    for (size_t i = 0; i < ids.size(); ++i) {
      const Place place =
          list != nullptr && i < list->items.size() ? list->items[i].place : At({"service", "pipelines", pipeline_id});
      const std::string path = fmt::format("service.pipelines.{}.{}[{}]", pipeline_id, KindKey(kind), i);
      const auto error = [&](std::string message) { report_.Error(place, path, std::move(message)); };
      if (!seen.insert(ids[i]).second) error(fmt::format("{} stands here twice", Quoted(ids[i])));
      // A connector is a receiver of one pipeline and an exporter of another.
      const bool may_connect = kind != ComponentKind::kProcessor && IsDefined(ComponentKind::kConnector, ids[i]);
      if (!IsDefined(kind, ids[i])) {
        if (!may_connect) error(Undefined(kind, ids[i]));
        continue;
      }
      const ComponentType* type = FindComponentType(kind, TypeOfId(ids[i]));
      if (type == nullptr || type->Takes(pipeline.signal)) continue;
      error(fmt::format("the {} {} {} {} only, not {}", KindName(kind), type->type,
                        kind == ComponentKind::kReceiver ? "gives" : "takes", pipeline::SignalName(*type->only),
                        pipeline::SignalName(pipeline.signal)));
    }
  }

  // The extension `id` that `path` names, if it is defined and listed; nullptr after an error.
  const ExtensionConfig* Extension(const std::string& id, const Place& place, const std::string& path) {
    const auto found = config_.extensions.find(id);
    if (found == config_.extensions.end()) {
      // One that is defined but not built, or wrong, was spoken of already.
      if (!IsDefined(ComponentKind::kExtension, id))
        report_.Error(place, path, Undefined(ComponentKind::kExtension, id));
      return nullptr;
    }
    const auto& listed = config_.service.extensions;
    if (std::find(listed.begin(), listed.end(), id) == listed.end()) {
      report_.Error(place, path, fmt::format("the extension {} is not in service.extensions; add it there", id));
      return nullptr;
    }
    return &found->second;
  }

  void CheckExporter(const std::string& id, ExporterConfig& exporter) {
    const std::string path = "exporters." + id;
    if (const std::string& storage = exporter.path.queue.storage; !storage.empty()) {
      const Place place = At({"exporters", id, "sending_queue", "storage"});
      const ExtensionConfig* extension = Extension(storage, place, path + ".sending_queue.storage");
      if (extension != nullptr && !std::holds_alternative<pipeline::FileStorageSettings>(*extension)) {
        report_.Error(place, path + ".sending_queue.storage",
                      fmt::format("{} is no storage; a file_storage extension is", storage));
      }
    }
    if (HttpClientSettings* client = ClientOf(exporter)) {
      if (!exporter.authenticator.empty()) Authenticate(id, exporter.authenticator, *client);
      CheckEndpoint(id, exporter, *client);
    }
  }

  void Authenticate(const std::string& exporter_id, const std::string& id, HttpClientSettings& client) {
    const Place place = At({"exporters", exporter_id, "auth", "authenticator"});
    const std::string path = fmt::format("exporters.{}.auth.authenticator", exporter_id);
    const ExtensionConfig* extension = Extension(id, place, path);
    if (extension == nullptr) return;
    client.auth = {};
    if (const auto* bearer = std::get_if<BearerTokenSettings>(extension)) {
      client.auth.bearer = *bearer;
    } else if (const auto* basic = std::get_if<BasicAuthSettings>(extension)) {
      client.auth.basic = *basic;
    } else if (const auto* oauth2 = std::get_if<OAuth2Settings>(extension)) {
      client.auth.oauth2 = *oauth2;
    } else {
      report_.Error(place, path,
                    fmt::format("{} cannot authenticate; bearertokenauth, basicauth and oauth2client can", id));
      return;
    }
    for (const auto& [name, value] : client.headers) {
      if (name.size() != 13 ||
          !std::equal(name.begin(), name.end(), "authorization", [](char a, char b) { return (a | 0x20) == b; })) {
        continue;
      }
      report_.Error(At({"exporters", exporter_id, "headers"}), fmt::format("exporters.{}.headers", exporter_id),
                    "the header authorization and auth.authenticator are both given; only one can hold");
    }
  }

  void CheckEndpoint(const std::string& id, const ExporterConfig& exporter, const HttpClientSettings& client) {
    const auto* http = std::get_if<exporters::OtlpHttpSettings>(&exporter.settings);
    if (!client.endpoint.empty() || (http != nullptr && !http->profiles_endpoint.empty())) return;
    if (report_.HasErrorAt(fmt::format("exporters.{}.endpoint", id))) return;
    const bool is_otlp = !std::holds_alternative<exporters::PyroscopeSettings>(exporter.settings);
    report_.Error(At({"exporters", id}), "exporters." + id,
                  is_otlp ? "endpoint is missing, and OTEL_EXPORTER_OTLP_ENDPOINT is not set" : "endpoint is missing");
  }

  // The unwind tables are the largest part of the memory of BPF maps.
  void CheckMemory() {
    const int64_t limit_mib = config_.service.limits.bpf_memory_mib;
    if (limit_mib == 0) return;
    for (const auto& [id, receiver] : config_.receivers) {
      if (receiver.unwind_memory <= limit_mib << 20) continue;
      report_.Warning(
          At({"service", "limits", "bpf_memory_mib"}), "service.limits.bpf_memory_mib",
          fmt::format("{} MiB is less than receivers.{}.unwind_memory ({} MiB), which is not going to be used up",
                      limit_mib, id, receiver.unwind_memory >> 20));
    }
  }

  const Value& root_;
  AgentConfig& config_;
  Report& report_;
};

}  // namespace

const Value* FindValue(const Value& root, std::initializer_list<std::string_view> path) {
  const Value* value = &root;
  for (const std::string_view key : path) {
    const Member* member = value->kind == Value::Kind::kMap ? value->Find(key) : nullptr;
    if (member == nullptr) return nullptr;
    value = &member->value;
  }
  return value;
}

void CheckConfig(const Value& root, AgentConfig& config, Report& report) { Checker(root, config, report).Run(); }

}  // namespace kiln::agent::config
