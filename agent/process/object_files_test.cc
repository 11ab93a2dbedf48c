// SPDX-License-Identifier: Apache-2.0
#include "agent/process/object_files.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>

namespace kiln::agent {
namespace {

using symbolizer::Miss;

class ObjectFilesTest : public ::testing::Test {
 protected:
  ObjectFilesTest() {
    const auto mappings = ReadMaps(self_.pid);
    const ProcessAddress here(reinterpret_cast<uint64_t>(&ReadMaps));
    for (const Mapping& mapping : *mappings) {
      if (mapping.start <= here && here < mapping.end) own_ = mapping;
    }
  }
  std::vector<Pid> Views() {
    ++asked_;
    return {self_.pid};
  }
  const ObjectFile& Find(ObjectFiles& files, const Process& process, const Mapping& mapping) {
    return files.object(files.Find(process, mapping, [this] { return Views(); }));
  }

  Process self_{.pid = {::getpid()}};
  Mapping own_;
  int asked_ = 0;
};

TEST_F(ObjectFilesTest, OpensAFileOnce) {
  ObjectFiles files;
  const ObjectFile& object = Find(files, self_, own_);
  EXPECT_TRUE(object.elf.has_value());
  EXPECT_EQ(object.miss, Miss::kNone);
  EXPECT_EQ(&Find(files, self_, own_), &object);
  EXPECT_EQ(files.size(), 1u);
  EXPECT_EQ(asked_, 1);
}

TEST_F(ObjectFilesTest, AFileThatIsNotThereIsTriedOncePerProcess) {
  ObjectFiles files;
  const Mapping gone{.start = ProcessAddress(1), .end = ProcessAddress(2), .inode = 1, .path = "/nonexistent"};
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Find(files, self_, gone).miss, Miss::kNoFile);
  EXPECT_EQ(asked_, 1);
  const Process other{.id = {1}, .pid = self_.pid};
  EXPECT_EQ(Find(files, other, gone).miss, Miss::kNoFile);
  EXPECT_EQ(asked_, 2);
}

TEST_F(ObjectFilesTest, APathAloneIsNotBelieved) {
  ObjectFiles files;
  Mapping other = own_;
  other.start = ProcessAddress(1);  // no such range: map_files does not help
  other.end = ProcessAddress(2);
  other.inode += 1;
  EXPECT_EQ(Find(files, self_, other).miss, Miss::kNoFile);
}

// As when a library was unloaded, and another one took its place before anybody looked.
TEST_F(ObjectFilesTest, WhatIsMappedThereNowIsNotBelieved) {
  ObjectFiles files;
  Mapping other = own_;
  other.inode += 1;
  EXPECT_EQ(Find(files, self_, other).miss, Miss::kNoFile);
}

TEST_F(ObjectFilesTest, WhereNumbersDifferByFileSystemTheNameCounts) {
  ObjectFiles files;
  Mapping other = own_;
  other.device += 1;
  other.inode += 1;
  EXPECT_EQ(Find(files, self_, other).miss, Miss::kNone);
  other.path = "/another/name";
  EXPECT_EQ(Find(files, self_, other).miss, Miss::kNoFile);
}

TEST_F(ObjectFilesTest, LeavesTheLastDescriptorsToOthers) {
  ObjectFiles files(0);
  const ObjectFile& object = Find(files, self_, own_);
  EXPECT_FALSE(object.elf.has_value());
  EXPECT_EQ(object.miss, Miss::kTooManyFiles);
  EXPECT_GT(LastObjectFd(), 0);
}

TEST_F(ObjectFilesTest, ClosesWhatNobodyAsksForAndNobodyShares) {
  ObjectFiles files;
  const auto find = [&] { return files.Find(self_, own_, [this] { return Views(); }); };
  const ObjectId id = find();
  std::shared_ptr<const ObjectFile> shared = files.Share(id);
  files.ForgetUnused(1);
  files.ForgetUnused(1);
  EXPECT_EQ(files.size(), 1u);
  shared.reset();
  EXPECT_EQ(find(), id);
  files.ForgetUnused(1);
  EXPECT_EQ(files.size(), 1u);
  files.ForgetUnused(1);
  EXPECT_EQ(files.size(), 0u);
  const ObjectId again = find();
  EXPECT_NE(again, id);  // numbers are not given twice
  EXPECT_TRUE(files.object(again).elf.has_value());
}

TEST_F(ObjectFilesTest, AFileThatIsFoundLaterLeavesWhatWasSharedAsItIs) {
  ObjectFiles files;
  Mapping mapping = own_;
  mapping.start = ProcessAddress(1);  // no such range: only a path through a view helps
  mapping.end = ProcessAddress(2);
  const auto no_views = [] { return std::vector<Pid>(); };
  const Process elsewhere{.id = {1}, .pid = {1'000'000'000}, .mount_namespace = 1};
  const ObjectId id = files.Find(elsewhere, mapping, no_views);
  const std::shared_ptr<const ObjectFile> before = files.Share(id);
  EXPECT_FALSE(before->elf.has_value());
  EXPECT_EQ(files.Find(self_, mapping, [this] { return Views(); }), id);
  EXPECT_FALSE(before->elf.has_value());
  EXPECT_TRUE(files.object(id).elf.has_value());
}

}  // namespace
}  // namespace kiln::agent
