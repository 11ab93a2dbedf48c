// SPDX-License-Identifier: Apache-2.0
#include "agent/top/columns.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/cli/terminal.h"

namespace kiln::agent {
namespace {

using ::testing::ElementsAre;

const std::vector<TableColumn> kColumns = {{.heading = "n", .is_number = true, .most = 3},
                                           {.heading = "name", .least = 4, .most = 10},
                                           {.heading = "place", .least = 3, .most = 6}};

TEST(LayOutTable, CutsNothingWithoutAWidth) {
  EXPECT_THAT(LayOutTable(kColumns, 1, {{"1", "a", "here"}, {"22", "a name that is long", "there"}}, 0),
              ElementsAre("  n  name        place", "  1  a           here", " 22  a name that is long  there"));
}

TEST(LayOutTable, PlacesColumnsByTheWidthAloneAndNotByTheTexts) {
  EXPECT_THAT(LayOutTable(kColumns, 1, {{"1", "a", "b"}}, 80),
              ElementsAre("  n  name        place", "  1  a           b"));
  EXPECT_THAT(LayOutTable(kColumns, 1, {{"1", "abcdefghijklm", "abcdefgh"}}, 80),
              ElementsAre("  n  name        place", "  1  abcdefghi…  abcde…"));
}

TEST(LayOutTable, GivesWayInOrderWhenItGetsNarrow) {
  const std::vector<std::vector<std::string>> cells{{"1", "abcdefghij", "uvwxyz"}};
  EXPECT_EQ(LayOutTable(kColumns, 1, cells, 23)[1], "  1  abcdefghij  uvwxyz");
  EXPECT_EQ(LayOutTable(kColumns, 1, cells, 21)[1], "  1  abcdefghij  uvw…");
  EXPECT_EQ(LayOutTable(kColumns, 1, cells, 16)[1], "  1  abcde…  uv…");
  EXPECT_EQ(LayOutTable(kColumns, 1, cells, 14)[1], "  1  abc…  uv…");
  EXPECT_EQ(LayOutTable(kColumns, 1, cells, 13)[1], "  1  abcdefg…");
  EXPECT_EQ(LayOutTable(kColumns, 1, cells, 6)[1], "  1  …");
  EXPECT_EQ(LayOutTable(kColumns, 1, cells, 2)[1], " …");
}

TEST(LayOutTable, IsNeverWiderThanItMayBe) {
  const std::vector<std::vector<std::string>> cells{{"12345", "名前が長い", "e\xcc\x81tage"}, {"1", "", ""}};
  for (size_t width = 1; width < 60; ++width) {
    for (const std::string& line : LayOutTable(kColumns, 1, cells, width)) EXPECT_LE(DisplayWidth(line), width);
  }
}

TEST(LayOutTable, HasHeadingsWithoutRows) {
  EXPECT_THAT(LayOutTable(kColumns, 1, {}, 80), ElementsAre("  n  name        place"));
}

}  // namespace
}  // namespace kiln::agent
