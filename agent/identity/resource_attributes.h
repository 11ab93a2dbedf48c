// SPDX-License-Identifier: Apache-2.0
// What a process says of itself in its environment, by the rules of OpenTelemetry's SDKs
// (specification/resource/sdk.md and configuration/sdk-environment-variables.md).
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/identity/attribute.h"
#include "base/status.h"

namespace kiln::agent::identity {

// The value of OTEL_RESOURCE_ATTRIBUTES: "key=value,key=value", both percent-encoded. Spaces around keys and values and
// empty members are passed over, pairs with an empty value left out, of equal keys the last stands (as in the SDKs). A
// member without "=" or key, a broken %XX, text that is no UTF-8: kInvalidArgument that says where, and none of the
// value counts. More than 128 members are such an error too.
StatusOr<Attributes> ParseResourceAttributes(std::string_view text);

// Environment variables that were asked for, NAME and value as they stand in the process.
using Environment = std::vector<std::pair<std::string, std::string>>;

// nullptr if `name` is not set.
const std::string* FindVariable(const Environment& environment, std::string_view name);

// The variables of `names` in the text of /proc/PID/environ: strings that end with a zero byte each. Of equal names the
// first stands, as getenv(3) has it. What is behind the last zero byte is taken only if `complete`.
Environment ParseEnvironment(std::string_view text, const std::vector<std::string>& names, bool complete);

}  // namespace kiln::agent::identity
