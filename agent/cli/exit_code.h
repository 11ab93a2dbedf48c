// SPDX-License-Identifier: Apache-2.0
// How kiln ends: one sentence on stderr and an exit status of <sysexits.h>. The table is also the man page's.
#pragma once

#include <array>
#include <string_view>

#include "base/status.h"

namespace kiln::agent {

enum class ExitCode : int {
  kOk = 0,
  kUsage = 64,         // EX_USAGE
  kDataError = 65,     // EX_DATAERR
  kNoInput = 66,       // EX_NOINPUT
  kUnavailable = 69,   // EX_UNAVAILABLE
  kSoftware = 70,      // EX_SOFTWARE
  kCantCreate = 73,    // EX_CANTCREAT
  kIoError = 74,       // EX_IOERR
  kNoPermission = 77,  // EX_NOPERM
  kConfig = 78         // EX_CONFIG
};

struct ExitCodeMeaning {
  ExitCode code;
  std::string_view meaning;
};

inline constexpr std::array<ExitCodeMeaning, 10> kExitCodes = {{
    {ExitCode::kOk, "success; with a command, record passes the command's own status on"},
    {ExitCode::kUsage, "wrong option, argument or combination"},
    {ExitCode::kDataError, "a file is damaged or not of the format that its name says"},
    {ExitCode::kNoInput, "a file, process or cgroup does not exist or cannot be read"},
    {ExitCode::kUnavailable,
     "this kernel, machine or process cannot be recorded (see kiln doctor), or no sample was taken"},
    {ExitCode::kSoftware, "a fault of kiln itself"},
    {ExitCode::kCantCreate, "an output file cannot be created"},
    {ExitCode::kIoError, "reading or writing failed on the way"},
    {ExitCode::kNoPermission, "privileges are missing"},
    {ExitCode::kConfig, "the agent's configuration is wrong"},
}};

// What went wrong and how the program ends because of it. The sentence names the thing and the mend.
struct Failure {
  ExitCode code;
  std::string sentence;
};

// The exit status that fits `status` where the code alone tells: kPermissionDenied -> kNoPermission, kNotFound ->
// kNoInput, kInvalidArgument -> kUsage, kDataLoss -> kDataError, kUnavailable, kUnimplemented, kFailedPrecondition ->
// kUnavailable, kInternal -> kSoftware, anything else -> kIoError; OK -> kOk.
ExitCode ExitCodeFor(const Status& status);

// Prints "<who>: <sentence>" as one line to stderr, control characters made harmless. Returns the status for main.
int Fail(std::string_view who, ExitCode code, std::string_view sentence);

}  // namespace kiln::agent
