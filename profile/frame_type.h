// SPDX-License-Identifier: Apache-2.0
// What ran in a frame. Names are the values of OpenTelemetry's attribute `profile.frame.type`, where it has one.
#pragma once

#include <cstdint>
#include <string_view>

namespace kiln::profile {

enum class FrameType : uint8_t {
  kUnknown,
  kNative,     // machine code of an ELF file; inlined functions are further lines of the same location
  kKernel,     // the kernel, its modules, BPF programs
  kJit,        // machine code made at run time (kiln's own value: the specification has none)
  kTruncated,  // no code: the mark "[truncated: reason]" at the root of a stack that was cut (kiln's own value)
  kBeam,
  kCpython,
  kDotnet,
  kGo,
  kJvm,
  kPerl,
  kPhp,
  kRuby,
  kRust,
  kV8js,
};

// The attribute value, e.g. "native", "cpython"; "unknown" for kUnknown.
std::string_view FrameTypeName(FrameType type);

// The inverse; kUnknown for any other text.
FrameType FrameTypeFromName(std::string_view name);

// Formats without a frame type (pprof, folded) keep it by convention: perf's names for what is no file.
//   [kernel.kallsyms], [<module>], [bpf]  kernel      [vdso], any path, [anon]  native
//   /tmp/perf-<pid>.map, [jit]            jit         no mapping and "[truncated: …]"  truncated
FrameType FrameTypeFromConvention(std::string_view mapping_filename, std::string_view function_name);

}  // namespace kiln::profile
