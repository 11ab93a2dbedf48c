// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "agent/record/stop_signals.h"
#include "base/status.h"

namespace kiln::agent {

// Writes all of `text` to `fd`. Where nobody reads, it waits, but no longer than until a signal comes that ends the
// program: then kCancelled, with a part written.
Status WriteUnlessStopped(int fd, std::string_view text, StopSignals& signals);

}  // namespace kiln::agent
