// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/dwarf/info_file.h"

#include <gtest/gtest.h>

#include "symbolizer/testing/dwarf_builder.h"

namespace kiln::symbolizer::dwarf {
namespace {

using testing::AbbreviationBuilder;
using testing::DebugSections;
using testing::InfoBuilder;

constexpr uint16_t kLangCpp = 0x04;

struct Table {
  AbbreviationBuilder table;
  const uint64_t unit = table.Add(testing::kTagCompileUnit, true, {{kAtLanguage, kFormData2}});
  const uint64_t named = table.Add(kTagSubprogram, false, {{kAtName, kFormString}, {kAtDeclLine, kFormData1}});
  const uint64_t linked = table.Add(kTagSubprogram, false, {{kAtName, kFormString}, {kAtLinkageName, kFormString}});
  const uint64_t instance = table.Add(kTagSubprogram, false, {{kAtAbstractOrigin, kFormRefAddr}});
  const uint64_t definition =
      table.Add(kTagSubprogram, false, {{kAtSpecification, kFormRef4}, {kAtDeclLine, kFormData1}});
  const uint64_t space = table.Add(kTagNamespace, true, {{kAtName, kFormString}});
  const uint64_t nameless_space = table.Add(kTagNamespace, true, {});
  const uint64_t type = table.Add(kTagClassType, true, {{kAtName, kFormString}});
  const uint64_t supplementary = table.Add(kTagSubprogram, false, {{kAtAbstractOrigin, kFormGnuRefAlt}});
  // Another meaning for each code: what is read by the wrong table shows.
  AbbreviationBuilder other;
  const uint64_t other_unit = other.Add(testing::kTagCompileUnit, true, {{kAtLanguage, kFormData2}});
  const uint64_t other_named = other.Add(kTagSubprogram, false, {{kAtDeclLine, kFormData4}, {kAtName, kFormString}});
};

class InfoFileTest : public ::testing::Test {
 protected:
  void BeginUnit(uint16_t language = kLangCpp) {
    info_.BeginUnit({});
    info_.Entry(table_.unit);
    info_.U16(language);
  }
  uint64_t BeginOtherUnit() {
    info_.BeginUnit({.abbreviations = static_cast<uint32_t>(table_.table.bytes().size())});
    info_.Entry(table_.other_unit);
    info_.U16(kLangCpp);
    const uint64_t entry = info_.Entry(table_.other_named);
    info_.U32(77).Text("far");
    EndUnit();
    return entry;
  }
  void EndUnit() {
    info_.EndChildren();
    info_.EndUnit();
  }
  FunctionName NameOf(uint64_t entry, size_t unit = 0, InfoFile* supplementary = nullptr) {
    debug_.info = info_.bytes();
    debug_.abbrev = table_.table.bytes() + table_.other.bytes();
    sections_ = debug_.View();
    InfoFile file(sections_, supplementary, sections_.addr);
    return file.NameOf(file.Open(file.units().at(unit)), entry);
  }

  Table table_;
  InfoBuilder info_;
  DebugSections debug_;
  Sections sections_;
};

TEST_F(InfoFileTest, PrefersTheLinkageName) {
  BeginUnit();
  const uint64_t entry = info_.Entry(table_.linked);
  info_.Text("f").Text("_ZN1a1fEv");
  EndUnit();
  const FunctionName name = NameOf(entry);
  EXPECT_EQ(name.text, "_ZN1a1fEv");
  EXPECT_EQ(name.plain, "f");
  EXPECT_TRUE(name.is_linkage);
}

TEST_F(InfoFileTest, FollowsInstanceDefinitionAndDeclaration) {
  BeginUnit();
  info_.Entry(table_.space);
  info_.Text("a");
  info_.Entry(table_.type);
  info_.Text("T");
  const uint64_t declaration = info_.Entry(table_.named);
  info_.Text("f").U8(3);
  info_.EndChildren();
  info_.EndChildren();
  const uint64_t definition = info_.Entry(table_.definition);
  info_.U32(declaration).U8(9);
  const uint64_t instance = info_.Entry(table_.instance);
  info_.U32(definition);
  EndUnit();
  const FunctionName name = NameOf(instance);
  EXPECT_EQ(name.text, "a::T::f");
  EXPECT_FALSE(name.is_linkage);
  EXPECT_EQ(name.decl_line, 9u) << "of the definition, not of the declaration";
}

TEST_F(InfoFileTest, NamesScopesThatHaveNoName) {
  BeginUnit();
  info_.Entry(table_.nameless_space);
  const uint64_t entry = info_.Entry(table_.named);
  info_.Text("f").U8(1);
  info_.EndChildren();
  EndUnit();
  EXPECT_EQ(NameOf(entry).text, "(anonymous namespace)::f");
}

TEST_F(InfoFileTest, LeavesScopesAwayInLanguagesWithoutThem) {
  BeginUnit(kLangC11);
  info_.Entry(table_.space);
  info_.Text("a");
  const uint64_t entry = info_.Entry(table_.named);
  info_.Text("f").U8(1);
  info_.EndChildren();
  EndUnit();
  EXPECT_EQ(NameOf(entry).text, "f");
}

TEST_F(InfoFileTest, FollowsReferencesIntoOtherUnits) {
  const uint64_t before = BeginOtherUnit();
  BeginUnit();
  const uint64_t to_before = info_.Entry(table_.instance);
  info_.U32(before);
  const uint64_t to_after = info_.Entry(table_.instance);
  info_.U32(info_.size() + 4 + 1 + 12 + 3);  // behind this number, the end of the unit, a header and its entry
  EndUnit();
  const uint64_t after = BeginOtherUnit();
  EXPECT_EQ(NameOf(to_before, 1).text, "far");
  EXPECT_EQ(NameOf(to_before, 1).decl_line, 77u);
  EXPECT_EQ(NameOf(to_after, 1).text, "far");
  // Inlined functions are asked for by their abstract instance, of whatever unit it is.
  EXPECT_EQ(NameOf(before, 1).text, "far");
  EXPECT_EQ(NameOf(after, 1).text, "far");
}

TEST_F(InfoFileTest, EndsCircles) {
  BeginUnit();
  const uint64_t first = info_.Entry(table_.instance);
  info_.U32(first + 5);
  info_.Entry(table_.instance);
  info_.U32(first);
  EndUnit();
  EXPECT_EQ(NameOf(first).text, "");
}

TEST_F(InfoFileTest, FollowsReferencesIntoTheSupplementaryFile) {
  const Table table;
  InfoBuilder common;
  common.BeginUnit({});
  common.Entry(table.unit);
  common.U16(kLangCpp);
  const uint64_t target = common.Entry(table.named);
  common.Text("common").U8(5);
  common.EndChildren();
  common.EndUnit();
  const DebugSections debug{.info = common.bytes(), .abbrev = table.table.bytes()};
  const Sections sections = debug.View();
  InfoFile supplementary(sections, nullptr, {});

  BeginUnit();
  const uint64_t entry = info_.Entry(table_.supplementary);
  info_.U32(target);
  EndUnit();
  EXPECT_EQ(NameOf(entry, 0, &supplementary).text, "common");
  EXPECT_EQ(NameOf(entry).text, "") << "without the file";
}

TEST_F(InfoFileTest, NamesNothingByWrongReferences) {
  BeginUnit();
  const uint64_t entry = info_.Entry(table_.instance);
  info_.U32(0xfffffff0);
  const uint64_t definition = info_.Entry(table_.definition);
  info_.U32(2).U8(4);
  EndUnit();
  EXPECT_EQ(NameOf(entry).text, "");
  EXPECT_EQ(NameOf(definition).text, "");
  EXPECT_EQ(NameOf(0).text, "");
  EXPECT_EQ(NameOf(UINT64_MAX).text, "");
}

TEST_F(InfoFileTest, LeavesOutUnitsOfUnknownVersions) {
  info_.BeginUnit({.version = 6});
  info_.EndUnit();
  BeginUnit();
  const uint64_t entry = info_.Entry(table_.named);
  info_.Text("f").U8(1);
  EndUnit();
  EXPECT_EQ(NameOf(entry).text, "f") << "the first unit that is known";
}

}  // namespace
}  // namespace kiln::symbolizer::dwarf
