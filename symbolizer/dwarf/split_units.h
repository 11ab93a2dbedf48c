// SPDX-License-Identifier: Apache-2.0
// Split DWARF: a unit of which the program has but a skeleton, with addresses and lines; its functions lie in a file of
// their own (.dwo) or in a package of those (.dwp). DWARF 5, section 7.3, and GCC's form of it before.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>

#include "base/status.h"
#include "symbolizer/dwarf/info_file.h"
#include "symbolizer/dwarf/sections.h"

namespace kiln::symbolizer::dwarf {

// A split unit's file, as its skeleton names it.
struct DwoReference {
  std::string_view comp_dir;
  std::string_view name;  // perhaps relative to comp_dir
};
// Opens it; nullopt if there is none.
using DwoOpener = std::function<std::optional<ElfFile>(const DwoReference&)>;

// Thread-compatible.
class SplitUnits {
 public:
  // `package` may be nullptr, `open_dwo` empty. `main` are the sections of the program, which must live longer.
  static StatusOr<SplitUnits> Open(const ElfFile* package, DwoOpener open_dwo, const LoadOptions& load,
                                   const Sections& main);

  struct Found {
    InfoFile* info;
    OpenUnit unit;
  };
  // The split unit of a skeleton, in the package first. Valid until the next call.
  std::optional<Found> Find(const OpenUnit& skeleton);

 private:
  // Where a unit's parts lie in the package's sections, by PackageSection.
  struct Contribution {
    struct Part {
      uint32_t offset = 0;
      uint32_t bytes = 0;
    };
    std::array<Part, 9> parts;
  };
  SplitUnits(DwoOpener open_dwo, const LoadOptions& load, const Sections& main)
      : open_dwo_(std::move(open_dwo)), load_(load), main_(&main) {}
  void ReadPackageIndex();
  bool OpenFromPackage(uint64_t id);
  bool OpenFile(const OpenUnit& skeleton);

  DwoOpener open_dwo_;
  LoadOptions load_;
  const Sections* main_;
  std::unique_ptr<SectionLoader> package_;
  absl::flat_hash_map<uint64_t, Contribution> contributions_;  // by DWO id
  // Of the unit that was found last.
  std::unique_ptr<SectionLoader> file_;
  std::unique_ptr<Sections> sections_;
  std::unique_ptr<InfoFile> info_;
};

}  // namespace kiln::symbolizer::dwarf
