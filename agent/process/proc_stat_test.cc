// SPDX-License-Identifier: Apache-2.0
#include "agent/process/proc_stat.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/clock.h"
#include "base/file.h"

namespace kiln::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::string Stat(const std::string& name, char state, const std::string& user, const std::string& start) {
  std::string text = "12 (" + name + ") " + state;
  for (int field = 4; field < 14; ++field) text += " " + std::to_string(field);
  text += " " + user + " 3";
  for (int field = 16; field < 22; ++field) text += " -" + std::to_string(field);
  return text + " " + start + " 23 24\n";
}

TEST(ProcStat, FindsFieldsBehindAnyName) {
  for (const char* name : {"sh", "a) R 1 2 (b", "", "\n) "}) {
    const auto stat = ParseProcStat(Stat(name, 'S', "7", "4711"));
    ASSERT_TRUE(stat) << name;
    EXPECT_EQ(stat->state, 'S');
    EXPECT_EQ(stat->parent_pid, Pid{4});
    EXPECT_EQ(stat->flags, 9u);
    EXPECT_EQ(stat->cpu_ticks, 10u);
    EXPECT_EQ(stat->start_ticks, 4711u);
  }
}

TEST(ProcStat, RefusesDamagedText) {
  for (const char* bad : {"", "1 sh S 1", "1 (sh)", "1 (sh) S 1 2 3", "1 (sh) SR 1"}) {
    EXPECT_FALSE(ParseProcStat(bad)) << bad;
  }
  EXPECT_FALSE(ParseProcStat(Stat("sh", 'S', "7", "x")));
  EXPECT_FALSE(ParseProcStat(Stat("sh", 'S', "-7", "1")));
  EXPECT_FALSE(ParseProcStat(Stat("sh", 'S', "99999999999999999999", "1")));
}

class BusyProcessesTest : public ::testing::Test {
 protected:
  BusyProcessesTest() { std::filesystem::create_directories(proc_); }
  ~BusyProcessesTest() override { std::filesystem::remove_all(proc_); }

  void Add(const std::string& pid, const std::string& stat) {
    std::filesystem::create_directories(proc_ + "/" + pid);
    std::ofstream(proc_ + "/" + pid + "/stat") << stat;
  }
  std::vector<Pid> Busy(double seconds, size_t limit = 100) const {
    return BusyProcesses(proc_, static_cast<uint64_t>(seconds * 1e9), limit);
  }

  const std::string proc_ = fmt::format("{}/kiln_busy_{}", ::testing::TempDir(), ::getpid());
  const std::string hour_ = std::to_string(3600 * ::sysconf(_SC_CLK_TCK));
};

TEST_F(BusyProcessesTest, ListsTheBusiestFirst) {
  Add("7", Stat("half", 'S', std::to_string(50 * ::sysconf(_SC_CLK_TCK)), hour_));
  Add("8", Stat("idle", 'S', "3", hour_));
  Add("9", Stat("runs", 'R', "0", hour_));
  Add("10", Stat("runs", 'R', "0", hour_));
  Add("11", Stat("some", 'D', std::to_string(10 * ::sysconf(_SC_CLK_TCK)), hour_));
  EXPECT_THAT(Busy(3700), ElementsAre(Pid{9}, Pid{10}, Pid{7}, Pid{11}));
  EXPECT_THAT(Busy(3700, 3), ElementsAre(Pid{9}, Pid{10}, Pid{7}));
  EXPECT_THAT(Busy(3700, 0), IsEmpty());
}

TEST_F(BusyProcessesTest, PassesOverWhatIsNoProcess) {
  Add("self", Stat("runs", 'R', "0", hour_));
  Add("12x", Stat("runs", 'R', "0", hour_));
  Add("0", Stat("runs", 'R', "0", hour_));
  Add("99999999999", Stat("runs", 'R', "0", hour_));
  Add("13", "damaged");
  Add("14", std::string(100'000, '1'));
  std::filesystem::create_directories(proc_ + "/15");  // gone meanwhile
  EXPECT_THAT(Busy(3700), IsEmpty());
  EXPECT_THAT(BusyProcesses(proc_ + "/none", 0, 9), IsEmpty());
}

// A clock behind the start is no reason for a fault.
TEST_F(BusyProcessesTest, BearsAStartInTheFuture) {
  Add("7", Stat("future", 'S', "3", hour_));
  EXPECT_THAT(Busy(1), ElementsAre(Pid{7}));
}

TEST(BusyProcesses, FindsThisOne) {
  const auto found = BusyProcesses("/proc", static_cast<uint64_t>(ReadClockNs(CLOCK_BOOTTIME)), SIZE_MAX);
  EXPECT_THAT(found, ::testing::Contains(Pid{::getpid()}));
}

}  // namespace
}  // namespace kiln::agent
