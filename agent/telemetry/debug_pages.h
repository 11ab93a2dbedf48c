// SPDX-License-Identifier: Apache-2.0
// What the pages below /debug show, as text for people and as JSON for programs. JSON bears the names of the fields in
// status.h; a time is RFC 3339 in UTC, null = never; a text is valid UTF-8.
#pragma once

#include <absl/time/time.h>

#include <string>
#include <string_view>
#include <vector>

#include "agent/telemetry/status.h"

namespace kiln::agent {

// The index: one page of HTML that needs nothing from outside. `not_ready` as of ReasonsNotReady.
std::string DebugIndexHtml(const AgentSummary& summary, const std::vector<std::string>& not_ready, absl::Time now);
std::string DebugIndexJson(const AgentSummary& summary, const std::vector<std::string>& not_ready);

// Busiest first.
std::string ProcessesText(std::vector<ProcessRow> rows);
std::string ProcessesJson(std::vector<ProcessRow> rows);

std::string TablesText(const TablesStatus& tables);
std::string TablesJson(const TablesStatus& tables);

// Queues, and how the last exports went.
std::string QueueText(const std::vector<QueueRow>& queues, const std::vector<ExporterStatus>& exporters,
                      absl::Time now);
std::string QueueJson(const std::vector<QueueRow>& queues, const std::vector<ExporterStatus>& exporters);

std::string GovernorText(const GovernorStatus& governor);
std::string GovernorJson(const GovernorStatus& governor);

// "accepted", "retrying", "refused", "none yet".
std::string_view LastExportName(ExporterStatus::Last last);

// "3m 5s ago", "never".
std::string AgoText(absl::Time time, absl::Time now);

}  // namespace kiln::agent
