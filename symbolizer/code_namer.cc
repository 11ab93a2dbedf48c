// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/code_namer.h"

#include <string>

namespace kiln::symbolizer {
namespace {

LineView AsItIs(const LineIndex::Line& line, std::string_view name) {
  return {.name = name,
          .system_name = {},
          .file = line.file,
          .line = line.line,
          .column = line.column,
          .start_line = line.start_line};
}

// "read.isra.0" is a clone of "read", which the compiler made.
bool IsCloneOf(std::string_view name, std::string_view original) {
  return name.size() > original.size() && name.starts_with(original) && name[original.size()] == '.';
}

}  // namespace

LineView CodeNamer::Named(const LineIndex::Line& line, std::string_view name) {
  LineView view = AsItIs(line, name);
  // Names from DWARF that are no linkage names are for people as they are.
  if (!line.is_linkage_name && !line.function.empty()) return view;
  view.name = demangled_.Get(name);
  if (view.name != name) view.system_name = name;
  return view;
}

// Kernel names lie nowhere for long: demangled_ must not see them.
LineView CodeNamer::NamedByKernel(const LineIndex::Line& line, std::string_view kernel_symbol) {
  const bool keeps = line.function.empty() || IsCloneOf(kernel_symbol, line.function);
  return keeps ? AsItIs(line, kernel_symbol) : Named(line, line.function);
}

CodeNamer::Found CodeNamer::Find(ElfAddress address, std::string_view kernel_symbol) {
  demangled_.Trim();
  lines_.clear();
  if (sources_.go != nullptr) {
    go_ = sources_.go->Lookup(address);
    for (const SourceLine& line : go_.lines) lines_.push_back(ViewOf(line));
    if (!lines_.empty()) return {.lines = lines_};
  }
  if (sources_.lines != nullptr) {
    sources_.lines->Lookup(address, at_);
    for (const LineIndex::Line& line : at_) {
      std::string_view name = line.function;
      // The symbol is that of the function that all the others were inlined into.
      const bool outermost = &line == &at_.back();
      if (outermost && !kernel_symbol.empty()) {
        lines_.push_back(NamedByKernel(line, kernel_symbol));
        continue;
      }
      if (name.empty() && outermost && sources_.symbols != nullptr) name = sources_.symbols->LookupRaw(address);
      if (!name.empty()) lines_.push_back(Named(line, name));
    }
    if (!lines_.empty()) return {.lines = lines_};
  }
  if (!kernel_symbol.empty()) {
    lines_.push_back(AsItIs({}, kernel_symbol));
    return {.lines = lines_};
  }
  if (sources_.symbols == nullptr) return {.lines = {}, .miss = sources_.symbols_miss};
  const std::string_view name = sources_.symbols->LookupRaw(address);
  if (name.empty()) return {.lines = {}, .miss = sources_.symbols->OwnMiss()};
  lines_.push_back(Named({}, name));
  return {.lines = lines_};
}

Naming CodeNamer::Copy(ElfAddress address, std::string_view kernel_symbol) {
  const Found found = Find(address, kernel_symbol);
  Naming naming{.lines = {}, .miss = found.miss};
  for (const LineView& line : found.lines) naming.lines.push_back(CopyOf(line));
  return naming;
}

}  // namespace kiln::symbolizer
