// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <absl/time/time.h>

#include <cstddef>
#include <cstdint>
#include <optional>

#include "agent/cli/sampling_options.h"

namespace kiln::agent {

// What a line of the table is.
enum class TopGrouping : uint8_t { kFunction, kProcess, kThread };

// Which column orders functions; processes and threads have only one.
enum class TopSort : uint8_t {
  kSelf,   // samples in the function itself
  kTotal,  // samples in it or in what it calls
  kCpu,    // CPUs that it keeps busy itself: the order of kSelf
};

// What `kiln top` was asked to do. Filled by the command line and checked by ValidateTopOptions
// (agent/cli/top_validation.h) before anything runs.
struct TopOptions : SamplingOptions {
  // What one table covers, 0.5 s to 60 s. With `once` it is also what --duration was, and may be longer.
  absl::Duration interval = absl::Seconds(2);
  // When to end, above zero; none = until Ctrl-C, q, or the end of all `pids`. None with `once`.
  std::optional<absl::Duration> duration;
  TopGrouping by = TopGrouping::kFunction;
  TopSort sort = TopSort::kSelf;
  bool tree = false;
  // Lines of the table or tree, headings not counted; none = what fits the terminal, kDefaultLines elsewhere.
  std::optional<size_t> lines;
  static constexpr size_t kDefaultLines = 20;
  bool once = false;  // one interval as plain text (or JSON), then the end
  bool json = false;  // a line of JSON per interval; not with `tree`
};

}  // namespace kiln::agent
