// SPDX-License-Identifier: Apache-2.0
// The commands that need no kernel: each checks its arguments, does its work, prints to stdout and returns the exit
// status; on failure one sentence goes to stderr.
#pragma once

#include "agent/cli/arguments.h"

namespace kiln::agent {

int RunReport(const ReportArguments& arguments);
int RunConvert(const ConvertArguments& arguments);
// `kiln doctor -p`. 69 (EX_UNAVAILABLE) if stacks are cut in some mapping, as `kiln doctor` ends if a check failed.
int RunProcessDoctor(const DoctorArguments& arguments);
// Serves until Ctrl-C or SIGTERM, which is success.
int RunView(const ViewArguments& arguments);

}  // namespace kiln::agent
