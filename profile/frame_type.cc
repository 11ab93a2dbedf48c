// SPDX-License-Identifier: Apache-2.0
#include "profile/frame_type.h"

#include <array>
#include <utility>

namespace kiln::profile {
namespace {

constexpr std::array<std::pair<FrameType, std::string_view>, 15> kNames = {{
    {FrameType::kUnknown, "unknown"},
    {FrameType::kNative, "native"},
    {FrameType::kKernel, "kernel"},
    {FrameType::kJit, "jit"},
    {FrameType::kTruncated, "truncated"},
    {FrameType::kBeam, "beam"},
    {FrameType::kCpython, "cpython"},
    {FrameType::kDotnet, "dotnet"},
    {FrameType::kGo, "go"},
    {FrameType::kJvm, "jvm"},
    {FrameType::kPerl, "perl"},
    {FrameType::kPhp, "php"},
    {FrameType::kRuby, "ruby"},
    {FrameType::kRust, "rust"},
    {FrameType::kV8js, "v8js"},
}};

}  // namespace

std::string_view FrameTypeName(FrameType type) {
  for (const auto& [value, name] : kNames) {
    if (value == type) return name;
  }
  return "unknown";
}

FrameType FrameTypeFromName(std::string_view name) {
  for (const auto& [value, text] : kNames) {
    if (text == name) return value;
  }
  return FrameType::kUnknown;
}

FrameType FrameTypeFromConvention(std::string_view mapping_filename, std::string_view function_name) {
  if (mapping_filename.empty()) {
    return function_name.starts_with("[truncated: ") ? FrameType::kTruncated : FrameType::kUnknown;
  }
  if (mapping_filename == "[jit]") return FrameType::kJit;
  if (mapping_filename.starts_with("/tmp/perf-") && mapping_filename.ends_with(".map")) return FrameType::kJit;
  if (mapping_filename.front() != '[') return FrameType::kNative;
  if (mapping_filename == "[vdso]" || mapping_filename == "[anon]") return FrameType::kNative;
  return FrameType::kKernel;
}

}  // namespace kiln::profile
