// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/index/index_builder.h"

#include <optional>
#include <utility>

#include "symbolizer/dwarf/constants.h"
#include "symbolizer/dwarf/functions.h"
#include "symbolizer/dwarf/info_file.h"
#include "symbolizer/dwarf/line_program.h"
#include "symbolizer/dwarf/sections.h"
#include "symbolizer/index/code_ranges.h"
#include "symbolizer/index/line_index_writer.h"
#include "symbolizer/index/unit_flattener.h"
#include "symbolizer/symbol_table.h"

namespace kiln::symbolizer {
namespace {

using dwarf::OpenUnit;
using dwarf::SectionLoader;
using dwarf::UnitHeader;

// After so many bytes of .debug_info, mapped files are let go of.
constexpr uint64_t kDropAfterBytes = 16 << 20;

class Builder {
 public:
  Builder(const IndexInput& input, const SectionLoader& debug, const SectionLoader* supplementary,
          dwarf::SplitUnits& split, const SymbolTable& symbols, LineIndexWriter& writer)
      : debug_(debug),
        supplementary_loader_(supplementary),
        code_(*input.code),
        split_(split),
        symbols_(symbols),
        writer_(writer),
        supplementary_(supplementary == nullptr ? kNoSections : supplementary->sections(), nullptr, {}),
        info_(debug.sections(), supplementary == nullptr ? nullptr : &supplementary_, debug.sections().addr) {}

  void AddAll() {
    facts_.debug_bytes = debug_.bytes() + (supplementary_loader_ == nullptr ? 0 : supplementary_loader_->bytes());
    uint64_t dropped_at = 0;
    for (const UnitHeader& header : info_.units()) {
      if (header.type == dwarf::kUnitType || header.type == dwarf::kUnitSplitType) continue;
      AddUnit(header);
      if (header.end - dropped_at < kDropAfterBytes) continue;
      dropped_at = header.end;
      debug_.Drop();
      if (supplementary_loader_ != nullptr) supplementary_loader_->Drop();
    }
  }
  const LineIndexWriter::Facts& facts() const { return facts_; }

 private:
  static inline const dwarf::Sections kNoSections{};

  void AddUnit(const UnitHeader& header) {
    ++facts_.units;
    const OpenUnit unit = info_.Open(header);
    const dwarf::LineTable lines =
        unit.entry.line_program
            ? dwarf::LineTable::Read(unit.view, *unit.entry.line_program, unit.entry.comp_dir, unit.entry.name)
            : dwarf::LineTable();
    bool damaged = lines.damaged();
    if (!unit.entry.dwo_name.empty()) {
      if (auto split = split_.Find(unit)) {
        damaged |= AddFunctions(*split->info, split->unit, unit.entry.low_pc, lines);
      } else {
        ++facts_.missing_units;
        // What clang repeats in the skeleton is better than nothing.
        damaged |= AddFunctions(info_, unit, unit.entry.low_pc, lines);
      }
    } else {
      damaged |= AddFunctions(info_, unit, unit.entry.low_pc, lines);
    }
    facts_.damaged_units += damaged ? 1 : 0;
  }

  bool AddFunctions(dwarf::InfoFile& info, const OpenUnit& unit, uint64_t low_pc, const dwarf::LineTable& lines) {
    const dwarf::Functions functions = dwarf::ReadFunctions(unit.view, *unit.abbreviations, low_pc);
    UnitFlattener flattener(info, unit, code_, symbols_, writer_);
    flattener.Add(functions, lines);
    facts_.dropped_ranges += flattener.dropped_ranges();
    return functions.damaged;
  }

  const SectionLoader& debug_;
  const SectionLoader* supplementary_loader_;
  const CodeRanges code_;
  dwarf::SplitUnits& split_;
  const SymbolTable& symbols_;
  LineIndexWriter& writer_;
  dwarf::InfoFile supplementary_;
  dwarf::InfoFile info_;
  LineIndexWriter::Facts facts_;
};

}  // namespace

Status BuildLineIndex(const IndexInput& input, const IndexOptions& options, int fd) {
  const dwarf::LoadOptions load{
      .map = options.map_files, .limit_bytes = options.limit_bytes, .scratch_folder = options.scratch_folder};
  KILN_ASSIGN_OR_RETURN(const SectionLoader debug, SectionLoader::Load(*input.debug, load));
  if (debug.sections().info.empty()) return Error(absl::StatusCode::kNotFound, "the file has no debug information");
  std::optional<SectionLoader> supplementary;
  if (input.supplementary != nullptr) {
    KILN_ASSIGN_OR_RETURN(supplementary, SectionLoader::Load(*input.supplementary, load));
  }
  KILN_ASSIGN_OR_RETURN(LineIndexWriter writer, LineIndexWriter::Create(options.scratch_folder));
  KILN_ASSIGN_OR_RETURN(dwarf::SplitUnits split,
                        dwarf::SplitUnits::Open(input.package, input.open_dwo, load, debug.sections()));
  // Without symbols names are shorter, no more.
  StatusOr<SymbolTable> symbols = SymbolTable::Read(*input.debug);
  if (!symbols.ok()) symbols = SymbolTable();
  Builder builder(input, debug, supplementary ? &*supplementary : nullptr, split, *symbols, writer);
  builder.AddAll();
  return writer.Finish(fd, builder.facts());
}

}  // namespace kiln::symbolizer
