// SPDX-License-Identifier: Apache-2.0
#include "pipeline/batch.h"

namespace kiln::pipeline {

std::string_view SignalName(Signal signal) {
  switch (signal) {
    case Signal::kTraces: return "traces";
    case Signal::kMetrics: return "metrics";
    case Signal::kLogs: return "logs";
    case Signal::kProfiles: return "profiles";
  }
  return "";
}

}  // namespace kiln::pipeline
