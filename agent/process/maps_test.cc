// SPDX-License-Identifier: Apache-2.0
#include "agent/process/maps.h"

#include <gtest/gtest.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>

namespace kiln::agent {
namespace {

TEST(Maps, TakesExecutableLinesOnly) {
  const auto mappings = ParseMaps(
      "55d0c0a00000-55d0c0b00000 r--p 00000000 fe:00 1234                       /usr/bin/app\n"
      "55d0c0b00000-55d0c0c00000 r-xp 00100000 fe:00 1234                       /usr/bin/app\n"
      "7f0000000000-7f0000001000 rwxp 00000000 00:00 0 \n"
      "7f0000002000-7f0000003000 r-xp 00000000 00:01 99                         /memfd:jit (deleted)\n"
      "7f0000004000-7f0000005000 r-xp 00001000 08:11 5                          /opt/my app/x y (deleted)\n"
      "7ffd00000000-7ffd00002000 r-xp 00000000 00:00 0                          [vdso]\n"
      "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]\n");
  ASSERT_EQ(mappings.size(), 6u);
  EXPECT_EQ(mappings[0].start, ProcessAddress(0x55d0c0b00000));
  EXPECT_EQ(mappings[0].end, ProcessAddress(0x55d0c0c00000));
  EXPECT_EQ(mappings[0].offset, FileOffset(0x100000));
  EXPECT_EQ(mappings[0].device, makedev(0xfe, 0));
  EXPECT_EQ(mappings[0].inode, 1234u);
  EXPECT_EQ(mappings[0].path, "/usr/bin/app");
  EXPECT_TRUE(mappings[0].is_file());
  EXPECT_EQ(mappings[1].path, "");
  EXPECT_FALSE(mappings[1].is_file());
  EXPECT_EQ(mappings[2].path, "/memfd:jit");
  EXPECT_EQ(mappings[3].path, "/opt/my app/x y");
  EXPECT_EQ(mappings[4].path, "[vdso]");
  EXPECT_EQ(mappings[5].path, "[vsyscall]");
}

TEST(Maps, LeavesOutDamagedLines) {
  EXPECT_TRUE(ParseMaps("").empty());
  EXPECT_TRUE(ParseMaps("\n\ngarbage\n-\n1-2 r-xp\n2-1 r-xp 0 0:0 0\n1-2 r-xp 0 0:0\n1-2 r-xp zz 0:0 0\n").empty());
  EXPECT_EQ(ParseMaps("1-2 r-xp 0 0:0 0").size(), 1u);  // no newline, no path
}

TEST(Maps, PathsOfSideBandRecords) {
  EXPECT_EQ(MappingPath("//anon"), "");
  EXPECT_EQ(MappingPath("anon_inode:bpf-map"), "");
  EXPECT_EQ(MappingPath("/usr/bin/x (deleted)"), "/usr/bin/x");
}

TEST(Maps, ReadsItsOwn) {
  const auto mappings = ReadMaps(Pid{::getpid()});
  ASSERT_TRUE(mappings.ok());
  const ProcessAddress here(reinterpret_cast<uint64_t>(&ParseMaps));
  EXPECT_TRUE(std::ranges::any_of(*mappings, [&](const Mapping& m) { return m.start <= here && here < m.end; }));
  EXPECT_EQ(ReadMaps(Pid{-1}).status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace kiln::agent
