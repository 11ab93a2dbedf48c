// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "otlp/common.pb.h"

namespace kiln::otlp {

// A value as text: strings as they are, bytes as hex, arrays and maps as JSON (bytes in them as hex strings), an unset
// value as "". References are looked up in `strings` and their length taken off `budget`; one out of range or above the
// budget is
// "".
std::string AnyValueText(const ::opentelemetry::proto::common::v1::AnyValue& value,
                         const google::protobuf::RepeatedPtrField<std::string>& strings, size_t& budget);

}  // namespace kiln::otlp
