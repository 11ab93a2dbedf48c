// SPDX-License-Identifier: Apache-2.0
// Short words for tests of the configuration.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "agent/config/load.h"

namespace kiln::agent::config {

// Files that ${file:…} may name in tests.
inline Expander::FileReader FilesOf(std::map<std::string, std::string> files = {}) {
  return [files = std::move(files)](const std::string& path) -> StatusOr<std::string> {
    const auto found = files.find(path);
    if (found != files.end()) return found->second;
    return absl::NotFoundError("cannot open " + path);
  };
}

// A configuration from texts that are called k.yaml, k2.yaml, k3.yaml …
inline LoadResult Load(const std::vector<std::string>& texts, const Environment& environment = {},
                       std::map<std::string, std::string> files = {}) {
  std::vector<ConfigText> named;
  for (const std::string& text : texts) {
    named.push_back({named.empty() ? "k.yaml" : "k" + std::to_string(named.size() + 1) + ".yaml", text});
  }
  return LoadConfigTexts(named, environment, FilesOf(std::move(files)));
}
inline LoadResult Load(const std::string& text, const Environment& environment = {},
                       std::map<std::string, std::string> files = {}) {
  return Load(std::vector<std::string>{text}, environment, std::move(files));
}

// The shortest configuration that is right; more of it comes from further texts.
inline const std::string kBasic =
    "receivers: {profiling: }\n"
    "exporters: {otlp: {endpoint: \"h:4317\"}}\n"
    "service: {pipelines: {profiles: {receivers: [profiling], exporters: [otlp]}}}\n";

inline std::vector<std::string> Texts(const std::vector<Diagnostic>& diagnostics) {
  std::vector<std::string> texts;
  for (const Diagnostic& diagnostic : diagnostics) texts.push_back(diagnostic.Text());
  return texts;
}

}  // namespace kiln::agent::config
