// SPDX-License-Identifier: Apache-2.0
// Names of OpenTelemetry's semantic conventions that kiln writes or reads, and the version they are taken from.
#pragma once

#include <string_view>

namespace kiln::otlp {

inline constexpr std::string_view kSchemaUrl = "https://opentelemetry.io/schemas/1.44.0";

// Resource: who ran.
inline constexpr std::string_view kServiceName = "service.name";
inline constexpr std::string_view kProcessPid = "process.pid";
inline constexpr std::string_view kProcessExecutableName = "process.executable.name";
inline constexpr std::string_view kProcessExecutablePath = "process.executable.path";
inline constexpr std::string_view kContainerId = "container.id";
inline constexpr std::string_view kHostName = "host.name";

// Sample.
inline constexpr std::string_view kThreadId = "thread.id";
inline constexpr std::string_view kThreadName = "thread.name";

// Location and mapping.
inline constexpr std::string_view kProfileFrameType = "profile.frame.type";
inline constexpr std::string_view kBuildIdGnu = "process.executable.build_id.gnu";

}  // namespace kiln::otlp
