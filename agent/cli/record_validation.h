// SPDX-License-Identifier: Apache-2.0
// All that can be found wrong before recording is found here: nobody should lose ten minutes of samples to a folder
// that does not exist.
#pragma once

#include <absl/time/time.h>

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "agent/cli/arguments.h"
#include "agent/cli/exit_code.h"
#include "agent/cli/record_options.h"

namespace kiln::agent {

// Where the checks look things up; tests point it elsewhere.
struct RecordEnvironment {
  std::string proc_root = "/proc";
  std::string host_name;  // for the default outputs
  absl::Time now;
  absl::TimeZone time_zone;
};

// The environment of this process.
RecordEnvironment HostEnvironment();

// The options if all is well, otherwise the first thing that is not. Looks at /proc, the cgroup folders and the folders
// of the outputs; leaves nothing behind.
std::variant<RecordOptions, Failure> ValidateRecordOptions(const RecordArguments& arguments, int verbose,
                                                           const RecordEnvironment& environment);

// kiln-<host>-<YYYYmmdd-HHMMSS> with .pb.gz and .html, in the current folder. What a file name should not hold in
// `host_name` becomes '-'.
std::vector<std::string> DefaultOutputs(std::string_view host_name, absl::Time now, absl::TimeZone time_zone);

}  // namespace kiln::agent
