// SPDX-License-Identifier: Apache-2.0
#include "agent/unwind/table_key.h"

#include <elf.h>
#include <gtest/gtest.h>

#include "agent/unwind/testing/temp_folder.h"

namespace kiln::agent {
namespace {

constexpr char kBuildId[] = "0123456789abcdef0123456789abcdef01234567";

FileFingerprint AnyFingerprint() {
  return {.identity = {.device = 1, .inode = 2}, .size = 3, .mtime_ns = 4, .ends_hash = 5};
}

TEST(TableKeyTest, ABuildIdStandsForTheFileWhereverItLies) {
  FileFingerprint elsewhere = AnyFingerprint();
  elsewhere.identity.inode = 77;
  elsewhere.mtime_ns = 78;
  const TableKey key = MakeTableKey(kBuildId, AnyFingerprint(), EM_X86_64);
  EXPECT_EQ(key, MakeTableKey(kBuildId, elsewhere, EM_X86_64));
  EXPECT_EQ(TableFileName(key), std::string(kBuildId) + ".unwind");
  FileFingerprint other = AnyFingerprint();
  other.ends_hash = 6;
  EXPECT_NE(key, MakeTableKey(kBuildId, other, EM_X86_64));
  EXPECT_NE(key, MakeTableKey(kBuildId, AnyFingerprint(), EM_AARCH64));
}

TEST(TableKeyTest, WithoutABuildIdEveryNumberCounts) {
  const std::string name = TableFileName(MakeTableKey("", AnyFingerprint(), EM_X86_64));
  EXPECT_EQ(name.size(), 2 + 32 + kTableFileSuffix.size());
  EXPECT_TRUE(name.starts_with("f-"));
  uint64_t FileFingerprint::*numbers[] = {&FileFingerprint::size, &FileFingerprint::mtime_ns,
                                          &FileFingerprint::ends_hash};
  for (const auto number : numbers) {
    FileFingerprint other = AnyFingerprint();
    other.*number += 1;
    EXPECT_NE(TableFileName(MakeTableKey("", other, EM_X86_64)), name);
  }
  for (const auto number : {&FileIdentity::device, &FileIdentity::inode}) {
    FileFingerprint other = AnyFingerprint();
    other.identity.*number += 1;
    EXPECT_NE(TableFileName(MakeTableKey("", other, EM_X86_64)), name);
  }
}

TEST(TableKeyTest, NoNameLeavesTheFolder) {
  for (const std::string& hostile :
       {std::string("../../../../etc/passwd"), std::string("/0123456789abcdef"), std::string("0123456789abcde/"),
        std::string("0123456789abcde\0", 16), std::string("0123456789ABCDEF"), std::string("0123456789abcdef0"),
        std::string("01234567"), std::string(130, 'a'), std::string("..")}) {
    const TableKey key = MakeTableKey(hostile, AnyFingerprint(), EM_X86_64);
    EXPECT_EQ(key.build_id, "");
    EXPECT_TRUE(IsTableFileName(TableFileName(key)));
    EXPECT_FALSE(IsTableFileName(hostile + std::string(kTableFileSuffix))) << hostile;
  }
  EXPECT_TRUE(IsTableFileName(std::string(128, 'a') + ".unwind"));
  EXPECT_FALSE(IsTableFileName(kBuildId));
  EXPECT_FALSE(IsTableFileName(".unwind"));
  EXPECT_FALSE(IsTableFileName("f-0123.unwind"));
}

TEST(TableKeyTest, FingerprintSeesBothEnds) {
  testing::TempFolder folder;
  const auto fingerprint = [&](const std::string& content) {
    EXPECT_TRUE(WriteFileAtomically(folder.Path("file"), content).ok());
    return *TakeFingerprint(*File::Open(folder.Path("file")));
  };
  const std::string content(200'000, 'x');
  const FileFingerprint plain = fingerprint(content);
  EXPECT_EQ(plain.size, content.size());
  EXPECT_GT(plain.mtime_ns, 1'600'000'000'000'000'000u);
  EXPECT_NE(plain.identity.inode, 0u);
  for (const size_t seen : {size_t{0}, size_t{65535}, content.size() - 65536, content.size() - 1}) {
    std::string other = content;
    other[seen] = 'y';
    EXPECT_NE(fingerprint(other).ends_hash, plain.ends_hash) << seen;
  }
  EXPECT_NE(fingerprint("").ends_hash, fingerprint("a").ends_hash);
  EXPECT_NE(fingerprint(std::string(70'000, 'a')).ends_hash, fingerprint(std::string(70'001, 'a')).ends_hash);
}

}  // namespace
}  // namespace kiln::agent
