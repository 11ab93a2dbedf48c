// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/dwarf/split_units.h"

#include <gtest/gtest.h>

#include "symbolizer/testing/dwarf_builder.h"

namespace kiln::symbolizer::dwarf {
namespace {

using testing::AbbreviationBuilder;
using testing::ByteWriter;
using testing::DebugSections;
using testing::ElfBuilder;
using testing::InfoBuilder;

constexpr uint64_t kId = 0x1122334455667788;

// A skeleton that names "unit.dwo".
DebugSections Skeleton(uint64_t id = kId) {
  AbbreviationBuilder table;
  InfoBuilder info;
  info.BeginUnit({.type = kUnitSkeleton, .dwo_id = id});
  info.Entry(table.Add(testing::kTagCompileUnit, false,
                       {{kAtDwoName, kFormString}, {kAtCompDir, kFormString}, {kAtAddrBase, kFormSecOffset}}));
  info.Text("unit.dwo").Text("/build").U32(8);
  info.EndUnit();
  return {.info = info.bytes(), .abbrev = table.bytes(), .addr = ByteWriter().U64(0).U64(0x1000).bytes()};
}

// A unit that is named `name`, by an index.
DebugSections Split(const std::string& name, uint64_t id = kId) {
  AbbreviationBuilder table;
  InfoBuilder info;
  info.BeginUnit({.type = kUnitSplitCompile, .dwo_id = id});
  info.Entry(table.Add(testing::kTagCompileUnit, false, {{kAtName, kFormStrx}, {kAtLowPc, kFormAddrx}}));
  info.Uleb(1).Uleb(0);
  info.EndUnit();
  return {.info = info.bytes(),
          .abbrev = table.bytes(),
          .str = ByteWriter().Text("other").Text(name).bytes(),
          .str_offsets = ByteWriter().U32(12).U16(5).U16(0).U32(0).U32(6).bytes()};
}

std::string Elf(const DebugSections& debug) {
  ElfBuilder builder;
  debug.AddTo(builder, ".dwo");
  return builder.Build();
}

// Of one unit; the first bytes of each section belong to another one.
DebugSections Package(DebugSections unit, uint64_t id = kId, uint32_t row = 1) {
  const auto shift = [](std::string& bytes) { bytes.insert(0, 16, '\x55'); };
  ByteWriter index;
  index.U32(5).U32(3).U32(1).U32(2);
  index.U64(0).U64(id).U32(0).U32(row);
  index.U32(kSectInfo).U32(kSectAbbrev).U32(kSectStrOffsets);
  index.U32(16).U32(16).U32(16);
  index.U32(unit.info.size()).U32(unit.abbrev.size()).U32(unit.str_offsets.size());
  shift(unit.info);
  shift(unit.abbrev);
  shift(unit.str_offsets);
  unit.cu_index = index.bytes();
  return unit;
}

// The name of the split unit that is found; "none" without one.
std::string Find(const std::string& package, const std::string& dwo) {
  const DebugSections main = Skeleton();
  const Sections sections = main.View();
  InfoFile file(sections, nullptr, sections.addr);
  const OpenUnit skeleton = file.Open(file.units().at(0));
  std::optional<ElfFile> packed;
  if (!package.empty()) packed = *ElfBuilder::OpenText(package);
  const auto open = [&](const DwoReference& reference) -> std::optional<ElfFile> {
    EXPECT_EQ(reference.name, "unit.dwo");
    EXPECT_EQ(reference.comp_dir, "/build");
    if (dwo.empty()) return std::nullopt;
    return *ElfBuilder::OpenText(dwo);
  };
  StatusOr<SplitUnits> units = SplitUnits::Open(packed ? &*packed : nullptr, open, {}, sections);
  if (!units.ok()) return std::string(units.status().message());
  const auto found = units->Find(skeleton);
  if (!found) return "none";
  EXPECT_EQ(found->unit.entry.low_pc, 0x1000u) << "by the addresses of the skeleton";
  return std::string(found->unit.entry.name);
}

TEST(SplitUnitsTest, FindsTheFileOfAUnit) { EXPECT_EQ(Find("", Elf(Split("from the file"))), "from the file"); }

TEST(SplitUnitsTest, FindsTheUnitInAPackage) {
  EXPECT_EQ(Find(Elf(Package(Split("packed"))), ""), "packed");
  EXPECT_EQ(Find(Elf(Package(Split("packed"))), Elf(Split("from the file"))), "packed") << "the package comes first";
}

TEST(SplitUnitsTest, AsksForTheFileOfWhatThePackageLacks) {
  EXPECT_EQ(Find(Elf(Package(Split("packed", 7), 7)), Elf(Split("from the file"))), "from the file");
}

TEST(SplitUnitsTest, RefusesAFileOfAnotherCompilation) {
  EXPECT_EQ(Find("", Elf(Split("newer", kId + 1))), "none");
  EXPECT_EQ(Find(Elf(Package(Split("newer", kId + 1))), ""), "none") << "an index that names the wrong unit";
}

TEST(SplitUnitsTest, FindsNothingWithoutFiles) { EXPECT_EQ(Find("", ""), "none"); }

TEST(SplitUnitsTest, PassesOverWrongRowsOfTheIndex) {
  EXPECT_EQ(Find(Elf(Package(Split("packed"), kId, 2)), ""), "none");
  EXPECT_EQ(Find(Elf(Package(Split("packed"), kId, UINT32_MAX)), ""), "none");
}

TEST(SplitUnitsTest, NeverReadsBeyondACutIndex) {
  const DebugSections whole = Package(Split("packed"));
  for (size_t size = 1; size < whole.cu_index.size(); ++size) {
    DebugSections cut = whole;
    cut.cu_index.resize(size);
    EXPECT_EQ(Find(Elf(cut), ""), "none") << size;
  }
  DebugSections huge = whole;
  huge.cu_index.replace(0, 16, ByteWriter().U32(5).U32(16).U32(UINT32_MAX).U32(UINT32_MAX).bytes());
  EXPECT_EQ(Find(Elf(huge), ""), "none");
}

TEST(SplitUnitsTest, PassesOverPartsBeyondTheirSections) {
  DebugSections package = Package(Split("packed"));
  package.info.resize(20);
  EXPECT_EQ(Find(Elf(package), ""), "none");
}

}  // namespace
}  // namespace kiln::symbolizer::dwarf
