// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "agent/config/config.h"
#include "pipeline/exporter.h"

namespace kiln::agent {

// The exporter that `settings` describe. `debug_output` takes the texts of the exporter debug, on any thread. Errors:
// what in the settings can't be, seen only now: certificates that can't be read, folders that can't be written to.
StatusOr<std::unique_ptr<pipeline::Exporter>> MakeExporter(const config::ExporterSettings& settings,
                                                           std::function<void(std::string_view)> debug_output);

// Where it sends, for people: URL or path, without user, password and query.
std::string DestinationOf(const config::ExporterSettings& settings);

}  // namespace kiln::agent
