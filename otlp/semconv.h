// SPDX-License-Identifier: Apache-2.0
// Names of OpenTelemetry's semantic conventions that kiln writes or reads, and the version they are taken from.
#pragma once

#include <string_view>

namespace kiln::otlp {

inline constexpr std::string_view kSchemaUrl = "https://opentelemetry.io/schemas/1.44.0";

// Resource: who ran.
inline constexpr std::string_view kServiceName = "service.name";
inline constexpr std::string_view kServiceNamespace = "service.namespace";
inline constexpr std::string_view kServiceInstanceId = "service.instance.id";
inline constexpr std::string_view kServiceVersion = "service.version";
inline constexpr std::string_view kDeploymentEnvironmentName = "deployment.environment.name";
inline constexpr std::string_view kProcessPid = "process.pid";
inline constexpr std::string_view kProcessParentPid = "process.parent_pid";
inline constexpr std::string_view kProcessVpid = "process.vpid";  // the pid as the process sees itself
inline constexpr std::string_view kProcessExecutableName = "process.executable.name";
inline constexpr std::string_view kProcessExecutablePath = "process.executable.path";
inline constexpr std::string_view kProcessCommandLine = "process.command_line";
inline constexpr std::string_view kProcessOwner = "process.owner";
inline constexpr std::string_view kProcessCreationTime = "process.creation.time";
// With the variable's name behind it.
inline constexpr std::string_view kProcessEnvironmentVariable = "process.environment_variable.";
inline constexpr std::string_view kContainerId = "container.id";
inline constexpr std::string_view kContainerName = "container.name";
inline constexpr std::string_view kContainerRuntimeName = "container.runtime.name";
inline constexpr std::string_view kK8sPodUid = "k8s.pod.uid";
inline constexpr std::string_view kK8sContainerName = "k8s.container.name";
inline constexpr std::string_view kHostName = "host.name";
inline constexpr std::string_view kHostId = "host.id";
inline constexpr std::string_view kHostArch = "host.arch";
inline constexpr std::string_view kHostType = "host.type";
inline constexpr std::string_view kOsType = "os.type";
inline constexpr std::string_view kOsName = "os.name";
inline constexpr std::string_view kOsVersion = "os.version";
inline constexpr std::string_view kOsDescription = "os.description";
inline constexpr std::string_view kOsBuildId = "os.build_id";
// No convention yet; the Collector's receiver systemd has this one.
inline constexpr std::string_view kSystemdUnitName = "systemd.unit.name";

// Environment variables of OpenTelemetry's SDKs.
inline constexpr std::string_view kOtelServiceName = "OTEL_SERVICE_NAME";
inline constexpr std::string_view kOtelResourceAttributes = "OTEL_RESOURCE_ATTRIBUTES";

// Sample.
inline constexpr std::string_view kThreadId = "thread.id";
inline constexpr std::string_view kThreadName = "thread.name";

// Location and mapping.
inline constexpr std::string_view kProfileFrameType = "profile.frame.type";
inline constexpr std::string_view kBuildIdGnu = "process.executable.build_id.gnu";

}  // namespace kiln::otlp
