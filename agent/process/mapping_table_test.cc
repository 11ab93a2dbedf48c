// SPDX-License-Identifier: Apache-2.0
#include "agent/process/mapping_table.h"

#include <gtest/gtest.h>

namespace kiln::agent {
namespace {

Mapping File(uint64_t start, uint64_t end, const char* path, uint64_t offset = 0) {
  return {.start = ProcessAddress(start),
          .end = ProcessAddress(end),
          .offset = FileOffset(offset),
          .inode = 1,
          .path = path};
}

std::string PathAt(const MappingTable& table, uint64_t address) {
  const Mapping* mapping = table.Find(ProcessAddress(address));
  return mapping == nullptr ? "-" : mapping->path;
}

TEST(MappingTable, FindsByHalfOpenRange) {
  MappingTable table({File(10, 20, "/a"), File(30, 40, "/b")});
  EXPECT_EQ(PathAt(table, 9), "-");
  EXPECT_EQ(PathAt(table, 10), "/a");
  EXPECT_EQ(PathAt(table, 19), "/a");
  EXPECT_EQ(PathAt(table, 20), "-");
  EXPECT_EQ(PathAt(table, 39), "/b");
  EXPECT_EQ(PathAt(table, 40), "-");
}

TEST(MappingTable, ANewMappingCutsWhatItOverlaps) {
  MappingTable table({File(10, 50, "/a", 100)});
  EXPECT_TRUE(table.Insert(File(20, 30, "/b")));
  EXPECT_EQ(PathAt(table, 19), "/a");
  EXPECT_EQ(PathAt(table, 20), "/b");
  EXPECT_EQ(PathAt(table, 29), "/b");
  EXPECT_EQ(PathAt(table, 30), "/a");
  EXPECT_EQ(table.Find(ProcessAddress(30))->offset, FileOffset(120));
  EXPECT_EQ(table.size(), 3u);
}

TEST(MappingTable, CoversSeveralAndReachesOver) {
  MappingTable table({File(10, 20, "/a"), File(20, 30, "/b"), File(30, 40, "/c")});
  EXPECT_TRUE(table.Insert(File(15, 35, "/d")));
  EXPECT_EQ(PathAt(table, 14), "/a");
  EXPECT_EQ(PathAt(table, 15), "/d");
  EXPECT_EQ(PathAt(table, 34), "/d");
  EXPECT_EQ(PathAt(table, 35), "/c");
}

TEST(MappingTable, TheSameCodeAgainReplacesNothing) {
  MappingTable table({File(10, 20, "/a", 100)});
  EXPECT_FALSE(table.Insert(File(10, 20, "/a", 100)));
  EXPECT_FALSE(table.Insert(File(12, 18, "/a", 102)));  // mprotect of a part
  EXPECT_TRUE(table.Insert(File(12, 18, "/a", 500)));   // same file, other place
  EXPECT_FALSE(table.Insert(File(100, 110, "/a")));     // new ground
}

TEST(MappingTable, IgnoresEmptyRanges) {
  MappingTable table;
  EXPECT_FALSE(table.Insert(File(10, 10, "/a")));
  EXPECT_FALSE(table.Insert(File(10, 5, "/a")));
  EXPECT_EQ(table.size(), 0u);
}

}  // namespace
}  // namespace kiln::agent
