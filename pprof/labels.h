// SPDX-License-Identifier: Apache-2.0
// Keys that the file formats of this folder know by name, and look-ups by them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "profile/profile.h"

namespace kiln::pprof {

inline constexpr std::string_view kProcessPid = "process.pid";
inline constexpr std::string_view kProcessExecutableName = "process.executable.name";
inline constexpr std::string_view kServiceName = "service.name";
inline constexpr std::string_view kTraceId = "trace_id";
inline constexpr std::string_view kSpanId = "span_id";
inline constexpr std::string_view kForeignComment = "kiln.comment";
inline constexpr std::string_view kDropFrames = "pprof.profile.drop_frames";
inline constexpr std::string_view kKeepFrames = "pprof.profile.keep_frames";
inline constexpr std::string_view kDocUrl = "pprof.profile.doc_url";
inline constexpr std::string_view kDefaultSampleType = "pprof.scope.default_sample_type";

// The value under `key`, nullptr if the set has none.
const profile::AttributeValue* FindAttribute(const profile::Profile& profile, profile::AttributeSetIndex set,
                                             std::string_view key);

// Any attribute value as text; bool and double as in pprof.h.
std::string ValueText(const profile::Profile& profile, const profile::AttributeValue& value);

// What to call the process with these resource attributes: its executable name, else its service name, else
// "process <pid>", else "".
std::string ProcessName(const profile::Profile& profile, profile::AttributeSetIndex resource);

// True for samples/count with period cpu/nanoseconds above zero: values count samples that stand for `period` ns each.
bool IsCpuSampleCount(const profile::Profile& profile);

// The name of a frame without lines: "[libc.so.6+0x1234]", "[0x1234]" without a mapping, "[unknown]" without either.
std::string BareFrameName(const profile::Profile& profile, const profile::Location& location);

}  // namespace kiln::pprof
