// SPDX-License-Identifier: Apache-2.0
// From what a command was asked (SamplingOptions) to a session, for `kiln record` and `kiln top`.
#pragma once

#include <memory>
#include <string>

#include "agent/cli/sampling_options.h"
#include "agent/session/session.h"
#include "agent/symbols/line_indexes.h"
#include "base/status.h"

namespace re2 {
class RE2;
}

namespace kiln::agent {

// kPermissionDenied if this process may not sample; what it can only do in part is logged as a warning.
Status CheckPrivileges();

// Where indexes are made of what is sampled; `debuginfod` may be nullptr.
LineIndexOptions SamplingIndexOptions(const SamplingOptions& options, symbolizer::Debuginfod* debuginfod);

// nullptr if no server is to be asked. Before any other thread is started.
StatusOr<std::unique_ptr<symbolizer::Debuginfod>> StartDebuginfod(const SamplingOptions& options);

// nullptr if there is none.
std::unique_ptr<const re2::RE2> CompileCommRegex(const SamplingOptions& options);

// `comm_regex` (nullptr = none) must outlive the session.
SessionOptions SamplingSessionOptions(const SamplingOptions& options, const re2::RE2* comm_regex);

// "process 12, threads named ^web"; "the whole host" without a target. Not yet safe to print.
std::string SamplingTargetText(const SamplingOptions& options);

}  // namespace kiln::agent
