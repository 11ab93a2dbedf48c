// SPDX-License-Identifier: Apache-2.0
// Numbers, times and sizes, from text and back.
#pragma once

#include <absl/time/time.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace kiln::agent::config {

// A whole decimal number with an optional sign.
std::optional<int64_t> ParseInt(std::string_view text);

// A finite decimal number, with an exponent if need be.
std::optional<double> ParseNumber(std::string_view text);
std::string NumberText(double number);

// As in Go: "15s", "1m30s", "1.5h", "250ms", "10us"; also "0". Not below zero, not infinite.
std::optional<absl::Duration> ParseDuration(std::string_view text);
// In the fewest words that ParseDuration reads: "1m30s", "5m", "0s".
std::string DurationText(absl::Duration duration);

// Bytes: "48MiB", "3.5MiB", "512KiB", "1GiB", "64B" or a whole number.
std::optional<int64_t> ParseBytes(std::string_view text);
// In the largest unit that leaves a whole number or one half: "40MiB", "3.5MiB", "1000".
std::string BytesText(int64_t bytes);

}  // namespace kiln::agent::config
