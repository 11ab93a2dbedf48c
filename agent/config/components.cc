// SPDX-License-Identifier: Apache-2.0
#include "agent/config/components.h"

#include <absl/strings/ascii.h>
#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "agent/config/report.h"

namespace kiln::agent::config {
namespace {

constexpr size_t kMaxTypeLength = 63, kMaxNameLength = 1024;

std::vector<const ComponentType*> MakeTypes() {
  std::vector<const ComponentType*> types = {
      &kProfilingReceiverType,     &kOtlpExporterType,      &kOtlpGrpcExporterType, &kOtlpHttpExporterType,
      &kOtlpHttpExporterAliasType, &kPyroscopeExporterType, &kFileExporterType,     &kDebugExporterType,
      &kFileStorageType,           &kBearerTokenAuthType,   &kBasicAuthType,        &kOAuth2ClientType,
      &kOtlpReceiverType,          &kBatchProcessorType,    &kMemoryLimiterType,    &kProbabilisticSamplerType,
      &kHealthCheckType,
  };
  for (const ComponentType& type : OtherUnbuiltTypes()) types.push_back(&type);
  std::stable_sort(types.begin(), types.end(),
                   [](const ComponentType* a, const ComponentType* b) { return a->kind < b->kind; });
  return types;
}

void UnknownType(Fields& f, ComponentKind kind, std::string_view type) {
  std::vector<std::string_view> built, unbuilt, all;
  for (const ComponentType* known : ComponentTypes()) {
    if (known->kind != kind) continue;
    (known->unbuilt.empty() ? built : unbuilt).push_back(known->type);
    all.push_back(known->type);
  }
  const std::string near = DidYouMean(type, all);
  std::string message =
      fmt::format("{} is no known type of {}{}", Quoted(type), KindName(kind), near.empty() ? "." : near);
  if (!built.empty()) message += " Built: " + JoinNames(built, ", ") + ".";
  if (!unbuilt.empty()) message += " Known, but not built yet: " + JoinNames(unbuilt, ", ");
  f.Error("", message);
  f.IgnoreRest();
}

void ComponentFields(Fields& f, ComponentKind kind, const std::string& id, AgentConfig& config) {
  if (const std::string fault = FaultOfId(id); !fault.empty()) {
    f.Error("", fault);
    return f.IgnoreRest();
  }
  const ComponentType* type = FindComponentType(kind, TypeOfId(id));
  if (type == nullptr) return UnknownType(f, kind, TypeOfId(id));
  if (!type->unbuilt.empty()) f.Error("", std::string(type->unbuilt));
  if (type->fields == nullptr) return f.IgnoreRest();
  type->fields(f, id, config);
}

template <typename Map>
std::vector<std::string> Ids(const Map& map) {
  std::vector<std::string> ids;
  for (const auto& [id, unused] : map) ids.push_back(id);
  return ids;
}

}  // namespace

std::string_view KindKey(ComponentKind kind) {
  switch (kind) {
    case ComponentKind::kReceiver: return "receivers";
    case ComponentKind::kProcessor: return "processors";
    case ComponentKind::kExporter: return "exporters";
    case ComponentKind::kConnector: return "connectors";
    case ComponentKind::kExtension: return "extensions";
  }
  return "";
}

std::string_view KindName(ComponentKind kind) {
  std::string_view name = KindKey(kind);
  name.remove_suffix(1);
  return name;
}

bool ComponentType::Takes(pipeline::Signal signal) const { return !only || *only == signal; }

std::span<const ComponentType* const> ComponentTypes() {
  static const std::vector<const ComponentType*> types = MakeTypes();
  return types;
}

const ComponentType* FindComponentType(ComponentKind kind, std::string_view type) {
  for (const ComponentType* known : ComponentTypes()) {
    if (known->kind == kind && known->type == type) return known;
  }
  return nullptr;
}

std::string_view TypeOfId(std::string_view id) { return id.substr(0, id.find('/')); }

std::string FaultOfId(std::string_view id) {
  const std::string_view type = TypeOfId(id);
  const bool is_type =
      !type.empty() && type.size() <= kMaxTypeLength && absl::ascii_isalpha(static_cast<unsigned char>(type[0])) &&
      std::all_of(type.begin(), type.end(), [](unsigned char c) { return absl::ascii_isalnum(c) || c == '_'; });
  if (!is_type) return fmt::format("{} is no id; write TYPE or TYPE/NAME, such as otlp or otlp/backup", Quoted(id));
  if (type.size() == id.size()) return "";
  const std::string_view name = id.substr(type.size() + 1);
  const bool is_name = !name.empty() && name.size() <= kMaxNameLength &&
                       std::none_of(name.begin(), name.end(), [](unsigned char c) { return c <= ' ' || c == 0x7f; });
  return is_name ? "" : fmt::format("{} is no id: a name must follow the slash, without spaces", Quoted(id));
}

void AgentConfigFields(Fields& f, AgentConfig& config) {
  const auto kind_fields = [&](ComponentKind kind, const std::vector<std::string>& ids) {
    f.Named(KindKey(kind), ids,
            [&](Fields& component, const std::string& id) { ComponentFields(component, kind, id, config); });
  };
  kind_fields(ComponentKind::kReceiver, Ids(config.receivers));
  kind_fields(ComponentKind::kProcessor, {});
  kind_fields(ComponentKind::kExporter, Ids(config.exporters));
  kind_fields(ComponentKind::kConnector, {});
  kind_fields(ComponentKind::kExtension, Ids(config.extensions));
  f.Sub("service", [&](Fields& service) { ServiceFields(service, config); });
}

}  // namespace kiln::agent::config
