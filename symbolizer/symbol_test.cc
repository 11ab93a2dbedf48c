// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/symbol.h"

#include <gtest/gtest.h>

#include <set>

#include "base/file.h"

namespace kiln::symbolizer {
namespace {

TEST(SymbolTest, EveryMissHasATextOfItsOwn) {
  std::set<std::string_view> names;
  for (int i = 0; i < kMissCount; ++i) names.insert(MissName(static_cast<Miss>(i)));
  EXPECT_EQ(names.size(), static_cast<size_t>(kMissCount));
  EXPECT_FALSE(names.contains("unknown reason"));
}

TEST(SymbolTest, ReasonsOfFilesThatCannotBeOpened) {
  EXPECT_EQ(MissFromStatus(absl::OkStatus()), Miss::kNone);
  EXPECT_EQ(MissFromStatus(File::Open("/nonexistent").status()), Miss::kNoFile);
  EXPECT_EQ(MissFromStatus(File::Open("/dev/null").status()), Miss::kNotElf);
  EXPECT_EQ(MissFromStatus(absl::PermissionDeniedError("")), Miss::kUnreadable);
}

TEST(SymbolTest, SystemNameIsEmptyWhereItIsTheName) {
  EXPECT_EQ(NamingOf("main").lines, (std::vector<SourceLine>{{.name = "main"}}));
  EXPECT_EQ(NamingOf("_Z3foov").lines, (std::vector<SourceLine>{{.name = "foo()", .system_name = "_Z3foov"}}));
  EXPECT_EQ(NamingOf("main").miss, Miss::kNone);
}

}  // namespace
}  // namespace kiln::symbolizer
