// SPDX-License-Identifier: Apache-2.0
#include "agent/unwind/table_file.h"

#include <elf.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xxhash.h>

#include <cstring>
#include <functional>

#include "agent/unwind/testing/page.h"
#include "base/file.h"

namespace kiln::agent {
namespace {

using testing::MakeLargePage;
using testing::MakePage;
using testing::RuleRow;

TableKey AnyKey() {
  return MakeTableKey("00112233445566778899aabbccddeeff00112233", {.size = 1000, .ends_hash = 7}, kHostMachine);
}

constexpr TableFacts kFacts{.base = ElfAddress(0x10000), .page_count = 5, .tracked = 5};

class TableFileTest : public ::testing::Test {
 protected:
  // What `write` makes, as bytes.
  static std::vector<std::byte> Write(const TableKey& key, const TableFacts& facts,
                                      const std::function<void(TableFileWriter&)>& write) {
    const UniqueFd fd(::memfd_create("table", MFD_CLOEXEC));
    TableFileWriter writer(fd.get(), key, facts);
    write(writer);
    EXPECT_TRUE(writer.Finish().ok());
    std::vector<std::byte> bytes(writer.size());
    EXPECT_EQ(::pread(fd.get(), bytes.data(), bytes.size() + 1, 0), static_cast<ssize_t>(bytes.size()));
    return bytes;
  }
  static StatusOr<TableFile> Open(std::vector<std::byte> bytes, const TableKey& key = AnyKey()) {
    return TableFile::Open(symbolizer::MakeMemorySource(std::move(bytes)), key);
  }
  // Pages 1 and 4 compiled, 2 failed, the others missing.
  static std::vector<std::byte> SmallFile() {
    return Write(AnyKey(), kFacts, [](TableFileWriter& writer) {
      EXPECT_TRUE(writer.AddPage(4, MakePage({{.place = 0}, RuleRow(9, KILN_SPECIAL_INEXPRESSIBLE)})).ok());
      EXPECT_TRUE(writer.AddFailedPage(2).ok());
      EXPECT_TRUE(writer.AddPage(1, MakeLargePage(100)).ok());
    });
  }
  // Makes the hashes agree again after `change`.
  static std::vector<std::byte> Forge(const std::function<void(TableFileHeader&, TableFileEntry*)>& change) {
    std::vector<std::byte> bytes = SmallFile();
    TableFileHeader header;
    std::vector<TableFileEntry> directory(kFacts.page_count);
    const size_t directory_bytes = directory.size() * sizeof(TableFileEntry);
    std::memcpy(&header, bytes.data(), sizeof(header));
    std::memcpy(directory.data(), bytes.data() + sizeof(header), directory_bytes);
    change(header, directory.data());
    header.directory_hash = XXH3_64bits(directory.data(), directory_bytes);
    header.header_hash = XXH3_64bits(&header, offsetof(TableFileHeader, header_hash));
    std::memcpy(bytes.data(), &header, sizeof(header));
    std::memcpy(bytes.data() + sizeof(header), directory.data(), directory_bytes);
    return bytes;
  }
};

TEST_F(TableFileTest, ReadsWhatWasWritten) {
  const TableFile file = *Open(SmallFile());
  EXPECT_EQ(file.facts(), kFacts);
  EXPECT_EQ(file.counts().rows, 102u);
  EXPECT_EQ(file.counts().inexpressible, 1u);
  EXPECT_EQ(file.counts().derived, 0u);
  const PageState states[] = {PageState::kMissing, PageState::kCompiled, PageState::kFailed,
                              PageState::kMissing, PageState::kCompiled, PageState::kMissing};
  for (uint32_t i = 0; i < std::size(states); ++i) EXPECT_EQ(file.page_state(i), states[i]) << i;
  std::vector<uint32_t> words(file.page_words(1));
  ASSERT_TRUE(file.ReadPage(1, words).ok());
  EXPECT_EQ(words, MakeLargePage(100));
  EXPECT_EQ(file.page_words(0), 0u);
  EXPECT_EQ(file.page_words(1'000'000), 0u);
}

TEST_F(TableFileTest, ReadPageWantsTheRightSize) {
  const TableFile file = *Open(SmallFile());
  std::vector<uint32_t> words(file.page_words(1) + 1);
  EXPECT_EQ(file.ReadPage(1, words).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(file.ReadPage(0, {}).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(file.ReadPage(2, {}).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(file.ReadPage(99, words).code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(TableFileTest, WriterRefusesWhatIsNoPage) {
  const std::vector<std::byte> bytes = Write(AnyKey(), kFacts, [](TableFileWriter& writer) {
    const std::vector<uint32_t> page = MakePage({{.place = 0}});
    const uint64_t size = writer.size();
    EXPECT_EQ(writer.AddPage(5, page).code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(writer.AddFailedPage(5).code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(writer.AddPage(0, {}).code(), absl::StatusCode::kDataLoss);
    EXPECT_EQ(writer.AddPage(0, MakePage({RuleRow(0, 99)})).code(), absl::StatusCode::kDataLoss);
    EXPECT_EQ(writer.size(), size);
    EXPECT_TRUE(writer.AddPage(0, page).ok());
    EXPECT_EQ(writer.AddPage(0, page).code(), absl::StatusCode::kAlreadyExists);
    EXPECT_EQ(writer.AddFailedPage(0).code(), absl::StatusCode::kAlreadyExists);
  });
  EXPECT_EQ(Open(bytes)->counts().rows, 1u);
}

TEST_F(TableFileTest, WriterTakesPagesThatAreInUse) {
  std::vector<uint32_t> page = MakePage({{.place = 0}});
  page[0] = 0xffff;  // last_used, by the walk
  const TableFile file =
      *Open(Write(AnyKey(), kFacts, [&](TableFileWriter& w) { EXPECT_TRUE(w.AddPage(0, page).ok()); }));
  std::vector<uint32_t> words(page.size());
  ASSERT_TRUE(file.ReadPage(0, words).ok());
  EXPECT_EQ(words[0], 0u);
}

TEST_F(TableFileTest, WriterRefusesTablesBeyondTheLimit) {
  const UniqueFd fd(::memfd_create("table", MFD_CLOEXEC));
  TableFileWriter writer(fd.get(), AnyKey(), {.page_count = kMaxTablePages + 1});
  EXPECT_EQ(writer.Finish().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(TableFileTest, WriterReportsTheErrorOfTheFile) {
  const UniqueFd fd(::open("/dev/full", O_WRONLY | O_CLOEXEC));
  TableFileWriter writer(fd.get(), AnyKey(), kFacts);
  EXPECT_EQ(writer.AddPage(0, MakePage({{.place = 0}})).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(writer.page_state(0), PageState::kMissing);
}

TEST_F(TableFileTest, IsOfOneObjectFile) {
  TableKey key = AnyKey();
  key.build_id.back() ^= 1;
  EXPECT_EQ(Open(SmallFile(), key).status().code(), absl::StatusCode::kNotFound);
  key = AnyKey();
  key.file.size += 1;
  EXPECT_EQ(Open(SmallFile(), key).status().code(), absl::StatusCode::kNotFound);
  key = AnyKey();
  key.machine = EM_AARCH64 + EM_X86_64 - kHostMachine;
  EXPECT_EQ(Open(SmallFile(), key).status().code(), absl::StatusCode::kNotFound);
  key = AnyKey();
  key.build_id.clear();
  EXPECT_EQ(Open(SmallFile(), key).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(TableFileTest, KnowsOtherVersions) {
  const auto open = [](uint64_t format, uint32_t byte_order) {
    return Open(Forge([=](TableFileHeader& header, TableFileEntry*) {
             header.format = format;
             header.byte_order = byte_order;
           }))
        .status()
        .code();
  };
  EXPECT_EQ(open(kTableFormat, kTableFileByteOrder), absl::StatusCode::kOk);
  EXPECT_EQ(open(kTableFormat + 1, kTableFileByteOrder), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(open(kTableFormat, 0x04030201), absl::StatusCode::kFailedPrecondition);
}

// Whatever byte is damaged, nothing else than what was written comes out.
TEST_F(TableFileTest, EveryDamagedByteIsFound) {
  const std::vector<std::byte> good = SmallFile();
  for (size_t i = 0; i < good.size(); ++i) {
    for (const int bits : {0x01, 0x80, 0xff}) {
      std::vector<std::byte> bytes = good;
      bytes[i] ^= static_cast<std::byte>(bits);
      const StatusOr<TableFile> file = Open(bytes);
      if (!file.ok()) continue;
      int damaged = 0;
      for (const uint32_t index : {1, 4}) {
        std::vector<uint32_t> words(file->page_words(index));
        if (file->ReadPage(index, words).code() == absl::StatusCode::kDataLoss) ++damaged;
      }
      ASSERT_EQ(damaged, 1) << i;
    }
  }
}

TEST_F(TableFileTest, EveryCutIsFound) {
  const std::vector<std::byte> good = SmallFile();
  for (size_t size = 0; size < good.size(); ++size) {
    ASSERT_EQ(Open({good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size)}).status().code(),
              absl::StatusCode::kDataLoss)
        << size;
  }
}

TEST_F(TableFileTest, NumbersAreNotBelievedBecauseTheHashesAgree) {
  const auto open = [](const std::function<void(TableFileHeader&, TableFileEntry*)>& change) {
    return Open(Forge(change)).status().code();
  };
  constexpr auto kDamaged = absl::StatusCode::kDataLoss;
  EXPECT_EQ(open([](TableFileHeader& header, auto*) { header.page_count = UINT32_MAX; }), kDamaged);
  EXPECT_EQ(open([](TableFileHeader& header, auto*) { header.page_count = kMaxTablePages; }), kDamaged);
  EXPECT_EQ(open([](auto&, TableFileEntry* entry) { entry[1].offset = UINT32_MAX; }), kDamaged);
  EXPECT_EQ(open([](auto&, TableFileEntry* entry) { entry[1].offset = 0; }), kDamaged);
  EXPECT_EQ(open([](auto&, TableFileEntry* entry) { entry[1].offset += 1; }), kDamaged);  // the last one
  EXPECT_EQ(open([](auto&, TableFileEntry* entry) { entry[1].words = UINT32_MAX; }), kDamaged);
  EXPECT_EQ(open([](auto&, TableFileEntry* entry) { entry[1].words = kMinPageWords - 1; }), kDamaged);
  EXPECT_EQ(open([](auto&, TableFileEntry* entry) { entry[0].offset = 2; }), kDamaged);
  EXPECT_EQ(open([](auto&, TableFileEntry*) {}), absl::StatusCode::kOk);
}

}  // namespace
}  // namespace kiln::agent
