// SPDX-License-Identifier: Apache-2.0
// Values of options, from text. Every error is kInvalidArgument and a sentence that names the option and the mend.
#pragma once

#include <absl/time/time.h>

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace kiln::agent {

// A whole decimal number from `least` to `most`; `option` is for the message, e.g. "--top".
StatusOr<int64_t> ParseWholeNumber(std::string_view option, std::string_view text, int64_t least, int64_t most);

// A decimal number from `least` to `most`, digits with at most one point.
// "4MiB", "512KiB", "1GiB", or bytes without a unit, within the limits; the message names them in MiB.
StatusOr<uint64_t> ParseBytes(std::string_view option, std::string_view text, uint64_t least, uint64_t most);

StatusOr<double> ParseNumber(std::string_view option, std::string_view text, double least, double most);

// "10" (seconds), "10s", "500ms", "1m30s", "1h": whole or decimal, above zero, at most 10,000 hours.
StatusOr<absl::Duration> ParseDuration(std::string_view option, std::string_view text);

// An address as addr2line takes it: one to sixteen hexadecimal digits, with or without 0x. nullopt if it is none.
std::optional<uint64_t> ParseAddress(std::string_view text);

// The member of `choices` that differs from `word` by at most two edits (and fewer than its own length); empty if there
// is none. For "did you mean".
std::string_view ClosestWord(std::string_view word, const std::vector<std::string_view>& choices);

}  // namespace kiln::agent
