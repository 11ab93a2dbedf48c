// SPDX-License-Identifier: Apache-2.0
#include "agent/config/config.h"

#include <set>

namespace kiln::agent::config {
namespace {

std::vector<std::string> UsedIds(const AgentConfig& config, std::vector<std::string> PipelineConfig::*ids) {
  std::set<std::string> used;
  for (const auto& [id, pipeline] : config.service.pipelines)
    used.insert((pipeline.*ids).begin(), (pipeline.*ids).end());
  return {used.begin(), used.end()};
}

}  // namespace

const HttpClientSettings* ClientOf(const ExporterConfig& exporter) {
  return std::visit(
      [](const auto& settings) -> const HttpClientSettings* {
        if constexpr (requires { settings.client; }) return &settings.client;
        return nullptr;
      },
      exporter.settings);
}

HttpClientSettings* ClientOf(ExporterConfig& exporter) {
  return const_cast<HttpClientSettings*>(ClientOf(std::as_const(exporter)));  // the exporter itself is not const
}

std::vector<std::string> UsedReceivers(const AgentConfig& config) {
  return UsedIds(config, &PipelineConfig::receivers);
}

std::vector<std::string> UsedExporters(const AgentConfig& config) {
  return UsedIds(config, &PipelineConfig::exporters);
}

}  // namespace kiln::agent::config
