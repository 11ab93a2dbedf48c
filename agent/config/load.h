// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agent/config/config.h"
#include "agent/config/expand.h"
#include "agent/config/report.h"
#include "agent/config/section.h"

namespace kiln::agent::config {

struct LoadResult {
  // Whole and checked if there are no errors; otherwise what could be read, for nothing but looking at.
  AgentConfig config;
  std::vector<Diagnostic> errors;    // all there are, by file and line
  std::vector<Diagnostic> warnings;  // the same
  // Where values came from: "kiln.yaml:12" by key path, and the names of variables for those from OTEL_….
  std::map<std::string, std::string, std::less<>> origins;
  // All files that were read, or could not be: what a change of matters to this configuration (see ConfigWatcher).
  std::vector<std::string> files;

  bool ok() const { return errors.empty(); }
};

// Reads a configuration from files, later ones laid over earlier ones (maps key by key, all else replaced, null takes
// away),
// ${…} replaced, everything checked. A folder stands for its *.yaml and *.yml, by name. Without any path: profiles of
// this host to where OTEL_EXPORTER_OTLP_ENDPOINT says, by OTEL_EXPORTER_OTLP_PROTOCOL; an error if it says nothing.
// Reads files, opens nothing else, changes nothing. Thread-safe.
LoadResult LoadConfig(const std::vector<std::string>& paths, const Environment& environment);

// The same for texts that are no files. `name` is what messages call it.
struct ConfigText {
  std::string name;
  std::string text;
};
LoadResult LoadConfigTexts(const std::vector<ConfigText>& texts, const Environment& environment,
                           const Expander::FileReader& read_file);

// The variables of a process, from its environ (NAME=value …, ended by nullptr).
Environment EnvironmentOf(const char* const* environ);

// The files that a path given by --config stands for: itself, or what a folder holds, sorted.
StatusOr<std::vector<std::string>> ConfigFilesOf(const std::string& path);

// One line per error and warning, each ended by a line feed, and a last line with their count if there were errors.
// "" if there was neither.
std::string RenderErrors(const LoadResult& result);

}  // namespace kiln::agent::config
