// SPDX-License-Identifier: Apache-2.0
#include "agent/telemetry/cgroup_limits.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace kiln::agent {
namespace {

namespace fs = std::filesystem;
using ::testing::DoubleEq;
using ::testing::Optional;

constexpr const char* kV2Mount = "29 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";

// A machine's /proc and /sys/fs/cgroup below a folder.
class CgroupTree : public testing::Test {
 protected:
  CgroupTree() {
    std::string name = (fs::temp_directory_path() / "kiln_cgroup_XXXXXX").string();
    root_ = ::mkdtemp(name.data());
  }
  ~CgroupTree() override { fs::remove_all(root_); }
  void Write(const std::string& path, std::string_view text) {
    fs::create_directories(fs::path(root_ + path).parent_path());
    std::ofstream(root_ + path) << text;
  }
  void Self(std::string_view cgroup, std::string_view mountinfo) {
    Write("/proc/self/cgroup", cgroup);
    Write("/proc/self/mountinfo", mountinfo);
  }
  CgroupLimits Limits() { return ReadCgroupLimits(root_); }
  std::string root_;
};

TEST_F(CgroupTree, TakesTheSmallestOnTheWayUp) {
  Self("0::/kube/pod/agent\n", kV2Mount);
  Write("/sys/fs/cgroup/kube/pod/agent/cpu.max", "200000 100000\n");
  Write("/sys/fs/cgroup/kube/pod/cpu.max", "50000 100000\n");
  Write("/sys/fs/cgroup/kube/cpu.max", "max 100000\n");
  Write("/sys/fs/cgroup/kube/pod/agent/memory.max", "67108864\n");
  Write("/sys/fs/cgroup/kube/memory.max", "1073741824\n");
  Write("/sys/fs/cgroup/kube/other/memory.max", "1\n");
  EXPECT_THAT(Limits().cpus, Optional(DoubleEq(0.5)));
  EXPECT_THAT(Limits().memory_bytes, Optional(64u << 20));
}

TEST_F(CgroupTree, SeesItsOwnLimitsAtTheRootOfANamespace) {
  Self("0::/\n", kV2Mount);
  Write("/sys/fs/cgroup/cpu.max", "150000 50000\n");
  Write("/sys/fs/cgroup/memory.max", "max\n");
  EXPECT_THAT(Limits().cpus, Optional(DoubleEq(3)));
  EXPECT_EQ(Limits().memory_bytes, std::nullopt);
}

TEST_F(CgroupTree, ReadsControllersOfVersion1) {
  Self("12:memory:/docker/abc\n5:cpu,cpuacct:/docker/abc\n1:name=systemd:/docker/abc\n0::/system.slice\n",
       "30 25 0:27 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n"
       "34 25 0:31 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
       "35 25 0:32 / /sys/fs/cgroup/memory rw shared:1 master:2 - cgroup cgroup rw,memory\n"
       "36 25 0:33 / /sys/fs/cgroup/unified rw - cgroup2 cgroup rw\n");
  Write("/sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_quota_us", "25000\n");
  Write("/sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_period_us", "100000\n");
  Write("/sys/fs/cgroup/cpu,cpuacct/docker/cpu.cfs_quota_us", "-1\n");
  Write("/sys/fs/cgroup/cpu,cpuacct/docker/cpu.cfs_period_us", "100000\n");
  Write("/sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", "9223372036854771712\n");
  Write("/sys/fs/cgroup/memory/docker/memory.limit_in_bytes", "134217728\n");
  EXPECT_THAT(Limits().cpus, Optional(DoubleEq(0.25)));
  EXPECT_THAT(Limits().memory_bytes, Optional(128u << 20));
}

TEST_F(CgroupTree, FindsTheMountOfAContainerWithoutNamespace) {
  Self("5:cpu:/docker/abc/inner\n", "34 25 0:31 /docker/abc /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n");
  Write("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "100000\n");
  Write("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "50000\n");
  Write("/sys/fs/cgroup/cpu/inner/cpu.cfs_quota_us", "-1\n");
  EXPECT_THAT(Limits().cpus, Optional(DoubleEq(2)));
}

TEST_F(CgroupTree, LooksAtTheMountWhereTheProcessIsOutside) {
  Self("0::/../../elsewhere\n", kV2Mount);
  Write("/sys/fs/cgroup/memory.max", "1000000\n");
  Write("/sys/elsewhere/memory.max", "1\n");
  EXPECT_THAT(Limits().memory_bytes, Optional(1'000'000u));
}

TEST_F(CgroupTree, HasNoLimitsWhereNothingIsMounted) {
  EXPECT_EQ(Limits().cpus, std::nullopt);
  Self("0::/a\n", "1 2 3:4 / / rw - ext4 /dev/sda rw\n");
  EXPECT_EQ(Limits().cpus, std::nullopt);
  EXPECT_EQ(Limits().memory_bytes, std::nullopt);
}

TEST(CgroupText, ReadsMountPointsWithBlanks) {
  const auto mount = FindCgroupMount("1 2 3:4 /a\\040b /mnt/c\\011d rw - cgroup2 none rw\n", "");
  ASSERT_TRUE(mount.has_value());
  EXPECT_EQ(mount->root, "/a b");
  EXPECT_EQ(mount->mount_point, "/mnt/c\td");
  for (const char* bad : {"", "- - - -", "1 2 3 4 5 6 - cgroup2", "1 2 3 - cgroup2 x y"}) {
    EXPECT_EQ(FindCgroupMount(bad, ""), std::nullopt) << bad;
  }
}

TEST(CgroupText, ReadsPathsWithColons) {
  EXPECT_EQ(FindCgroupPath("0::/a:b/c\n", ""), "/a:b/c");
  EXPECT_EQ(FindCgroupPath("3:cpuset,cpu:/x\n0::/y\n", "cpu"), "/x");
  EXPECT_EQ(FindCgroupPath("3:cpuset:/x\n0::/y\n", "cpu"), std::nullopt);
  EXPECT_EQ(FindCgroupPath("0::\nnonsense\n0:\n", ""), std::nullopt);
}

TEST(CgroupText, ReadsQuotas) {
  EXPECT_THAT(ParseCpuMax("1000 100000\n"), Optional(DoubleEq(0.01)));
  EXPECT_THAT(ParseCpuMax("50000"), Optional(DoubleEq(0.5)));
  for (const char* none :
       {"max 100000", "-1 100000", "0 100000", "1 0", "", "x y", "1 2 3", "99999999999999999999 1"}) {
    EXPECT_EQ(ParseCpuMax(none), std::nullopt) << none;
  }
}

TEST(MaxWaitingWorkers, FollowTheCpusOfTheCgroup) {
  EXPECT_EQ(MaxWaitingWorkers({}), 1000);
  EXPECT_EQ(MaxWaitingWorkers({.cpus = 0.01, .memory_bytes = std::nullopt}), 1);
  EXPECT_EQ(MaxWaitingWorkers({.cpus = 0.6, .memory_bytes = std::nullopt}), 3);
  EXPECT_EQ(MaxWaitingWorkers({.cpus = 1e9, .memory_bytes = std::nullopt}), 1000);
}

TEST(AvailableResources, AreWhatTheMachineHasWithinTheLimits) {
  const AvailableResources within = Available({.cpus = 1.5, .memory_bytes = 100}, 4, 1000);
  EXPECT_EQ(within.cpus, 1.5);
  EXPECT_EQ(within.memory_bytes, 100u);
  const AvailableResources machine = Available({.cpus = 64, .memory_bytes = std::nullopt}, 4, 1000);
  EXPECT_EQ(machine.cpus, 4);
  EXPECT_EQ(machine.memory_bytes, 1000u);
  EXPECT_EQ(Available({.cpus = 0.0001, .memory_bytes = 0}, 4, 1000).cpus, 0.01);
  EXPECT_GE(AvailableHere().cpus, 0.01);
  EXPECT_GT(AvailableHere().memory_bytes, uint64_t{1} << 20);
}

}  // namespace
}  // namespace kiln::agent
