// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <absl/time/time.h>

#include <optional>
#include <string_view>

#include "base/net/http_client.h"

namespace kiln::exporters {

// A server can't ask for a longer wait than this: it is then taken for this.
inline constexpr absl::Duration kMaxRetryAfter = absl::Hours(24);

// A date of HTTP in any of its three forms (RFC 9110 section 5.6.7). nullopt if it is none.
std::optional<absl::Time> ParseHttpDate(std::string_view text);

// The value of Retry-After (RFC 9110 section 10.2.3): seconds, or a date, which is seen from `now`. At least 0, at most
// kMaxRetryAfter; nullopt if it is neither.
std::optional<absl::Duration> ParseRetryAfter(std::string_view text, absl::Time now);

// Of a response; dates are seen from its own Date, if it has one, else from `now`: the server's clock may differ.
std::optional<absl::Duration> RetryAfterOf(const HttpResponse& response, absl::Time now);

}  // namespace kiln::exporters
