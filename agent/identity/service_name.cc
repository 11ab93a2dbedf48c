// SPDX-License-Identifier: Apache-2.0
#include "agent/identity/service_name.h"

#include <algorithm>
#include <string_view>

#include "agent/identity/systemd_unit.h"
#include "otlp/semconv.h"

namespace kiln::agent::identity {
namespace {

std::string Trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  text.remove_prefix(std::min(text.find_first_not_of(kSpace), text.size()));
  return std::string(text.substr(0, text.find_last_not_of(kSpace) + 1));
}

}  // namespace

std::string ExecutableName(const ProcessFacts& facts) {
  const size_t slash = facts.executable_path.rfind('/');
  std::string name = slash == std::string::npos ? facts.executable_path : facts.executable_path.substr(slash + 1);
  return name.empty() ? facts.comm : name;
}

ServiceName ChooseServiceName(const ProcessFacts& facts, const Attributes& from_environment,
                              const ServiceNameOptions& options) {
  // It may have been read as a plain variable, too.
  const std::string* variable =
      options.otel_environment ? FindVariable(facts.environment, otlp::kOtelServiceName) : nullptr;
  if (variable != nullptr) {
    if (std::string name = Trimmed(*variable); !name.empty()) {
      return {std::move(name), ServiceNameSource::kOtelServiceName};
    }
  }
  if (const Attribute* attribute = Find(from_environment, otlp::kServiceName)) {
    if (std::string name = Trimmed(TextOf(*attribute)); !name.empty()) {
      return {std::move(name), ServiceNameSource::kResourceAttributes};
    }
  }
  if (!facts.container_name.empty()) return {facts.container_name, ServiceNameSource::kContainerName};
  if (options.systemd_unit) {
    if (std::string name = ServiceNameOfUnit(facts.cgroup.systemd_unit); !name.empty()) {
      return {std::move(name), ServiceNameSource::kSystemdUnit};
    }
  }
  if (facts.is_kernel_thread) return {"kernel", ServiceNameSource::kKernelThread};
  if (std::string name = ExecutableName(facts); !name.empty()) {
    return {std::move(name), ServiceNameSource::kExecutable};
  }
  return {"unknown_service", ServiceNameSource::kUnknown};
}

}  // namespace kiln::agent::identity
