// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "agent/config/load.h"
#include "agent/config/yaml_writer.h"

namespace kiln::agent::config {

// The configuration as it holds, defaults included, as YAML that LoadConfig reads; each value that a file or a variable
// set has that behind it as a comment. With kHidden, for --print-config and /debug: tokens, passwords, keys, values of
// headers and users in URLs are replaced by "[REDACTED]". kShown is for processes of our own.
std::string RenderConfig(const AgentConfig& config, const YamlWriter::OriginNames& origins,
                         YamlWriter::Secrets secrets = YamlWriter::Secrets::kHidden);
inline std::string RenderConfig(const LoadResult& result) { return RenderConfig(result.config, result.origins); }

// A key that the configuration knows.
struct KnownKey {
  // Where: "receivers.profiling.filters", "service.limits"; "tls", "retry_on_failure", "sending_queue" for those
  // shared.
  std::string table;
  std::string key;
  std::string default_text;  // as in YAML
  bool is_used = true;       // false: known to the Collector, without effect or refused
  friend bool operator==(const KnownKey&, const KnownKey&) = default;
};

// All keys of what is built, in the order of the tables; for the documentation and its test.
std::vector<KnownKey> ListKeys();

}  // namespace kiln::agent::config
