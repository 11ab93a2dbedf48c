// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <absl/time/time.h>

#include <optional>
#include <string>
#include <vector>

#include "agent/cli/sampling_options.h"

namespace kiln::agent {

// What `kiln record` was asked to do. Filled by the command line and checked by ValidateRecordOptions
// (agent/cli/record_validation.h) before anything runs, so that the recorder may rely on every line below.
//
// Targets. Exactly one of these holds after validation: `all`; a target of SamplingOptions; or `command` alone. `all`
// together with `command` records the whole host while the command runs.
struct RecordOptions : SamplingOptions {
  // Every thread on the host. Set by validation when no other target is given.
  bool all = false;
  // Program and arguments to start and record with all its children; empty = none. Recording ends when it ends.
  std::vector<std::string> command;

  // "cpu-clock" (a timer, works everywhere) or "cycles" (needs a PMU).
  std::string event = "cpu-clock";
  // How long to record, above zero; none = until Ctrl-C or the end of `command`. With a command: whichever is first.
  std::optional<absl::Duration> duration;

  // Files to write, at least one after validation, all different; the suffix names the format (profile_files.h). Each
  // could be created at validation.
  std::vector<std::string> outputs;

  // Where to write what the recording cost, as JSON (agent/record/statistics.h); empty = nowhere.
  std::string stats_file;

  // 0 = warnings and errors only, 1 = -v, 2 = -vv. Logging is already set to it.
  int verbose = 0;
};

}  // namespace kiln::agent
