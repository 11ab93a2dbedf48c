// SPDX-License-Identifier: Apache-2.0
#include "exporters/backups.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace kiln::exporters {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr int64_t kDay = int64_t{86'400} * 1'000'000'000;

TEST(Backups, AreNamedByTheirTime) {
  constexpr int64_t kTime = 1'700'000'000'123'000'000;
  EXPECT_EQ(BackupPath("/var/log/out.json", kTime, false), "/var/log/out-2023-11-14T22-13-20.123.json");
  EXPECT_EQ(BackupPath("out", kTime, false), "out-2023-11-14T22-13-20.123");
  EXPECT_EQ(BackupPath("/a.b/.hidden", kTime, false), "/a.b/.hidden-2023-11-14T22-13-20.123");
}

TEST(Backups, TheOldestGoFirst) {
  const std::vector<Backup> files = {
      {"b", 2 * kDay, 10}, {"d", 4 * kDay, 10}, {"a", 1 * kDay, 10}, {"c", 3 * kDay, 10}};
  EXPECT_THAT(ExpiredBackups(files, {}, 100 * kDay), IsEmpty());
  EXPECT_THAT(ExpiredBackups(files, {.max_backups = 3}, 4 * kDay), ElementsAre("a"));
  EXPECT_THAT(ExpiredBackups(files, {.max_days = 2}, 4 * kDay), ElementsAre("b", "a"));
  EXPECT_THAT(ExpiredBackups(files, {.max_bytes = 25}, 4 * kDay), ElementsAre("b", "a"));
  EXPECT_THAT(ExpiredBackups(files, {.max_bytes = 5}, 4 * kDay), ElementsAre("c", "b", "a"));
}

}  // namespace
}  // namespace kiln::exporters
