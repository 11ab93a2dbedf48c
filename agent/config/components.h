// SPDX-License-Identifier: Apache-2.0
// Which components there are. Each has a file of its own that defines one ComponentType with its table of keys; a new
// one is that file, a declaration here and a line in components.cc.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "agent/config/config.h"
#include "agent/config/fields.h"

namespace kiln::agent::config {

enum class ComponentKind : uint8_t { kReceiver, kProcessor, kExporter, kConnector, kExtension };

// "receivers": the key at the top level.
std::string_view KindKey(ComponentKind kind);
// "receiver".
std::string_view KindName(ComponentKind kind);

struct ComponentType {
  ComponentKind kind;
  std::string_view type;
  // What kiln lacks, after "receivers.otlp: "; "" = it is built.
  std::string_view unbuilt;
  // The one signal that it takes or gives; none = all of them.
  std::optional<pipeline::Signal> only;
  // Tells the keys of the component `id`, and the members of its entry in `config`, which it makes if there is none.
  // Of an unbuilt component: only checks. nullptr: its keys are not looked at.
  void (*fields)(Fields& f, const std::string& id, AgentConfig& config) = nullptr;

  bool Takes(pipeline::Signal signal) const;
};

// By kind, built ones first.
std::span<const ComponentType* const> ComponentTypes();
// nullptr if nobody knows it.
const ComponentType* FindComponentType(ComponentKind kind, std::string_view type);

// "otlp" of "otlp/backup".
std::string_view TypeOfId(std::string_view id);
// "" if `id` is TYPE or TYPE/NAME as it should be, else what is wrong.
std::string FaultOfId(std::string_view id);

// The whole configuration: every table, at its key.
void AgentConfigFields(Fields& f, AgentConfig& config);
// Key "service".
void ServiceFields(Fields& f, AgentConfig& config);

extern const ComponentType kProfilingReceiverType;
extern const ComponentType kOtlpExporterType, kOtlpGrpcExporterType, kOtlpHttpExporterType, kOtlpHttpExporterAliasType,
    kPyroscopeExporterType, kFileExporterType, kDebugExporterType;
extern const ComponentType kFileStorageType, kBearerTokenAuthType, kBasicAuthType, kOAuth2ClientType;
// Not built.
extern const ComponentType kOtlpReceiverType, kBatchProcessorType, kMemoryLimiterType, kProbabilisticSamplerType,
    kHealthCheckType;
std::span<const ComponentType> OtherUnbuiltTypes();

}  // namespace kiln::agent::config
