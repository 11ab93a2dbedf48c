// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/dwarf/split_units.h"

#include <utility>
#include <vector>

#include "symbolizer/dwarf/constants.h"

namespace kiln::symbolizer::dwarf {
namespace {

constexpr uint32_t kMaxPackageColumns = 16;

std::optional<uint64_t> IdOf(const OpenUnit& unit) {
  return unit.view.header.encoding.version >= 5 ? std::optional(unit.view.header.dwo_id) : unit.entry.dwo_id;
}

}  // namespace

StatusOr<SplitUnits> SplitUnits::Open(const ElfFile* package, DwoOpener open_dwo, const LoadOptions& load,
                                      const Sections& main) {
  SplitUnits units(std::move(open_dwo), load, main);
  if (package != nullptr) {
    KILN_ASSIGN_OR_RETURN(SectionLoader loader, SectionLoader::Load(*package, load));
    units.package_ = std::make_unique<SectionLoader>(std::move(loader));
    units.ReadPackageIndex();
  }
  return units;
}

void SplitUnits::ReadPackageIndex() {
  const Bytes index = package_->sections().cu_index;
  Cursor cursor(index);
  // Version 2 has 32 bits for it, version 5 only 16 and as many unused.
  const uint32_t version = cursor.U32() & 0xffff;
  const uint32_t columns = cursor.U32();
  const uint32_t units = cursor.U32();
  const uint32_t slots = cursor.U32();
  if (cursor.failed() || columns == 0 || columns > kMaxPackageColumns) return;
  const uint64_t ids = cursor.position();
  const uint64_t rows = ids + uint64_t{slots} * 8;
  const uint64_t names = rows + uint64_t{slots} * 4;
  const uint64_t offsets = names + uint64_t{columns} * 4;
  const uint64_t sizes = offsets + uint64_t{columns} * 4 * units;
  if (sizes + uint64_t{columns} * 4 * units > index.size()) return;
  const auto number = [&](uint64_t at) { return Cursor(index, at).U32(); };
  for (uint32_t slot = 0; slot < slots; ++slot) {
    const uint32_t row = number(rows + uint64_t{slot} * 4);
    if (row == 0 || row > units) continue;
    Contribution contribution;
    for (uint32_t column = 0; column < columns; ++column) {
      const uint32_t section = number(names + uint64_t{column} * 4);
      if (section >= contribution.parts.size() || (section == kSectRnglistsV5 && version < 5)) continue;
      const uint64_t cell = (uint64_t{row - 1} * columns + column) * 4;
      contribution.parts[section] = {.offset = number(offsets + cell), .bytes = number(sizes + cell)};
    }
    contributions_.emplace(Cursor(index, ids + uint64_t{slot} * 8).U64(), contribution);
  }
}

bool SplitUnits::OpenFromPackage(uint64_t id) {
  const auto found = contributions_.find(id);
  if (found == contributions_.end()) return false;
  const Sections& package = package_->sections();
  const auto part = [&](Bytes section, PackageSection of) {
    const auto& place = found->second.parts[of];
    return Slice(section, place.offset, place.bytes);
  };
  sections_ = std::make_unique<Sections>(Sections{.info = part(package.info, kSectInfo),
                                                  .abbrev = part(package.abbrev, kSectAbbrev),
                                                  .line = part(package.line, kSectLine),
                                                  .str = package.str,
                                                  .line_str = package.line_str,
                                                  .str_offsets = part(package.str_offsets, kSectStrOffsets),
                                                  .ranges = main_->ranges,
                                                  .rnglists = part(package.rnglists, kSectRnglistsV5)});
  return true;
}

bool SplitUnits::OpenFile(const OpenUnit& skeleton) {
  if (!open_dwo_) return false;
  const auto elf = open_dwo_({.comp_dir = skeleton.entry.comp_dir, .name = skeleton.entry.dwo_name});
  if (!elf) return false;
  StatusOr<SectionLoader> loader = SectionLoader::Load(*elf, load_);
  if (!loader.ok()) return false;
  file_ = std::make_unique<SectionLoader>(*std::move(loader));
  sections_ = std::make_unique<Sections>(file_->sections());
  sections_->ranges = main_->ranges;
  return true;
}

std::optional<SplitUnits::Found> SplitUnits::Find(const OpenUnit& skeleton) {
  const std::optional<uint64_t> id = IdOf(skeleton);
  if (!id) return std::nullopt;
  info_.reset();
  sections_.reset();
  file_.reset();
  if (!OpenFromPackage(*id) && !OpenFile(skeleton)) return std::nullopt;
  info_ = std::make_unique<InfoFile>(*sections_, nullptr, main_->addr);
  for (const UnitHeader& header : info_->units()) {
    if (header.type == kUnitSplitType || header.type == kUnitType) continue;
    OpenUnit unit = info_->Open(header, skeleton.view.bases.addr, skeleton.entry.gnu_ranges_base);
    // A file that was compiled anew meanwhile has another id.
    if (IdOf(unit) == id) return Found{.info = info_.get(), .unit = std::move(unit)};
  }
  return std::nullopt;
}

}  // namespace kiln::symbolizer::dwarf
