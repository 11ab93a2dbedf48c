// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/name_sources.h"

#include <string>
#include <utility>
#include <vector>

namespace kiln::symbolizer {
namespace {

SourceLine Named(const LineIndex::Line& line, std::string_view name, DemangledNames* demangled) {
  // Names from DWARF that are no linkage names are for people as they are.
  if (!line.is_linkage_name && !line.function.empty()) return {.name = std::string(name)};
  if (demangled == nullptr) return std::move(NamingOf(name).lines.front());
  SourceLine named{.name = demangled->Get(name)};
  if (named.name != name) named.system_name = name;
  return named;
}

SourceLine LineOf(const LineIndex::Line& line, std::string_view name, DemangledNames* demangled) {
  SourceLine named = Named(line, name, demangled);
  named.file = line.file;
  named.line = line.line;
  named.column = line.column;
  named.start_line = line.start_line;
  return named;
}

}  // namespace

Naming NameCode(const NameSources& sources, ElfAddress address) {
  if (sources.go != nullptr) {
    Naming naming = sources.go->Lookup(address);
    if (!naming.lines.empty()) return naming;
  }
  Naming naming;
  if (sources.lines != nullptr) {
    std::vector<LineIndex::Line> lines;
    sources.lines->Lookup(address, lines);
    for (const LineIndex::Line& line : lines) {
      std::string_view name = line.function;
      // The symbol is that of the function that all the others were inlined into.
      const bool outermost = &line == &lines.back();
      if (name.empty() && outermost && sources.symbols != nullptr) name = sources.symbols->LookupRaw(address);
      if (!name.empty()) naming.lines.push_back(LineOf(line, name, sources.demangled));
    }
    if (!naming.lines.empty()) return naming;
  }
  if (sources.symbols == nullptr) return MissOf(sources.symbols_miss);
  return sources.symbols->Lookup(address);
}

}  // namespace kiln::symbolizer
