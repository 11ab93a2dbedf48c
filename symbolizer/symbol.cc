// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/symbol.h"

#include "symbolizer/demangle.h"

namespace kiln::symbolizer {

std::string_view MissName(Miss miss) {
  switch (miss) {
    case Miss::kNone: return "named";
    case Miss::kNoFile: return "file is gone";
    case Miss::kNotElf: return "not an ELF file";
    case Miss::kWrongClass: return "unsupported kind of ELF file";
    case Miss::kUnreadable: return "file is unreadable";
    case Miss::kDamaged: return "file is damaged";
    case Miss::kTooLarge: return "symbol table is too large";
    case Miss::kNoSymbols: return "file is stripped";
    case Miss::kNotCovered: return "no symbol at the address";
    case Miss::kNoPerfMap: return "no perf map";
    case Miss::kKernelSymbolsHidden: return "kernel symbols are hidden";
    case Miss::kTooManyFiles: return "too many open files (ulimit -n)";
    case Miss::kJitFileNoFile: return "perf map or jitdump is no regular file";
    case Miss::kJitFileForeign: return "perf map or jitdump is another user's or process's";
    case Miss::kJitFileOld: return "perf map is older than the process";
    case Miss::kJitFileUnreadable: return "perf map or jitdump is unreadable";
    case Miss::kJitFileTooLarge: return "perf map or jitdump is too large";
    case Miss::kJitFileDamaged: return "perf map or jitdump is damaged";
  }
  return "unknown reason";
}

Miss MissFromStatus(const Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk: return Miss::kNone;
    case absl::StatusCode::kNotFound: return Miss::kNoFile;
    case absl::StatusCode::kInvalidArgument: return Miss::kNotElf;
    case absl::StatusCode::kUnimplemented: return Miss::kWrongClass;
    case absl::StatusCode::kDataLoss:
    case absl::StatusCode::kOutOfRange: return Miss::kDamaged;
    case absl::StatusCode::kResourceExhausted: return Miss::kTooLarge;
    default: return Miss::kUnreadable;
  }
}

Naming NamingOf(std::string_view system_name) {
  SourceLine line{.name = Demangle(system_name)};
  if (line.name != system_name) line.system_name = std::string(system_name);
  Naming naming;
  naming.lines.push_back(std::move(line));
  return naming;
}

}  // namespace kiln::symbolizer
