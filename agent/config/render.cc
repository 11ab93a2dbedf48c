// SPDX-License-Identifier: Apache-2.0
#include "agent/config/render.h"

#include "agent/config/components.h"

namespace kiln::agent::config {

std::string RenderConfig(const AgentConfig& config, const YamlWriter::OriginNames& origins,
                         YamlWriter::Secrets secrets) {
  AgentConfig copy = config;  // tables take members to fill
  YamlWriter writer(origins, secrets);
  AgentConfigFields(writer, copy);
  return writer.text();
}

}  // namespace kiln::agent::config
