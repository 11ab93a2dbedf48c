// SPDX-License-Identifier: Apache-2.0
#include "agent/unwind/table_memory.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <random>
#include <set>

namespace kiln::agent {
namespace {

constexpr uint64_t kMiB = 1 << 20;

// Remembers what it was asked for, and refuses chunks from `limit` on.
class CountingChunks : public ChunkSource {
 public:
  StatusOr<std::span<std::byte>> AddChunk(uint32_t index) override {
    asked.push_back(index);
    if (asked.size() > limit) return absl::ResourceExhaustedError("no more");
    return heap_.AddChunk(index);
  }
  std::vector<uint32_t> asked;
  size_t limit = KILN_MAX_CHUNKS;

 private:
  HeapChunks heap_;
};

// The place of a reference in all of table memory, in bytes.
uint64_t PlaceOf(kiln_ref ref) { return uint64_t{ref} * 4; }

TEST(TableMemoryTest, TakesChunksOnDemandAndInOrder) {
  CountingChunks chunks;
  TableMemory memory(chunks, 3 * kMiB + 5, 7);
  EXPECT_EQ(memory.budget_bytes(), 3 * kMiB);
  EXPECT_EQ(memory.chunk_bytes(), 0u);
  for (int i = 0; i < 3 * KILN_CHUNK_VALUES; ++i) {
    const std::optional<kiln_ref> ref = memory.Allocate(KILN_VALUE_BYTES);
    ASSERT_TRUE(ref.has_value());
    EXPECT_EQ(PlaceOf(*ref), 7 * kMiB + i * uint64_t{KILN_VALUE_BYTES});
  }
  EXPECT_EQ(memory.Allocate(1), std::nullopt);
  EXPECT_EQ(chunks.asked, (std::vector<uint32_t>{7, 8, 9}));
  EXPECT_EQ(memory.chunk_bytes(), 3 * kMiB);
  EXPECT_EQ(memory.allocated_bytes(), 3 * kMiB);
  EXPECT_TRUE(memory.source_status().ok());
}

TEST(TableMemoryTest, BudgetIsAtLeastOneChunkAndAtMostTheNumbersLeft) {
  HeapChunks chunks;
  EXPECT_EQ(TableMemory(chunks, 0).budget_bytes(), kMiB);
  EXPECT_EQ(TableMemory(chunks, UINT64_MAX).budget_bytes(), uint64_t{KILN_MAX_CHUNKS} * KILN_CHUNK_BYTES);
  EXPECT_EQ(TableMemory(chunks, UINT64_MAX, KILN_MAX_CHUNKS - 1).budget_bytes(), kMiB);
  TableMemory none(chunks, kMiB, KILN_MAX_CHUNKS);
  EXPECT_EQ(none.Allocate(1), std::nullopt);
}

TEST(TableMemoryTest, KeepsTheFirstGranuleOfAll) {
  HeapChunks chunks;
  TableMemory memory(chunks, kMiB);
  EXPECT_EQ(PlaceOf(*memory.Allocate(1)), kGranuleBytes);
  EXPECT_EQ(PlaceOf(*memory.Allocate(KILN_VALUE_BYTES)), uint64_t{KILN_VALUE_BYTES});
  EXPECT_EQ(PlaceOf(*memory.Allocate(KILN_VALUE_BYTES - 2 * kGranuleBytes)), 2 * kGranuleBytes);
}

TEST(TableMemoryTest, RefusesWhatFitsNoValue) {
  HeapChunks chunks;
  TableMemory memory(chunks, kMiB);
  EXPECT_EQ(memory.Allocate(0), std::nullopt);
  EXPECT_EQ(memory.Allocate(KILN_VALUE_BYTES + 1), std::nullopt);
  EXPECT_EQ(memory.Allocate(SIZE_MAX), std::nullopt);
  EXPECT_EQ(memory.chunk_bytes(), 0u);
}

TEST(TableMemoryTest, GivesZeroedMemoryAgainAfterFree) {
  HeapChunks chunks;
  TableMemory memory(chunks, kMiB);
  const kiln_ref ref = *memory.Allocate(1000);
  std::memset(memory.At<char>(ref, 1000), 'x', 1000);
  memory.Free(ref, 1000);
  EXPECT_EQ(memory.allocated_bytes(), 0u);
  ASSERT_EQ(memory.Allocate(1024), ref);
  const char* bytes = memory.At<char>(ref, 1024);
  EXPECT_EQ(std::count(bytes, bytes + 1024, 0), 1024);
}

TEST(TableMemoryTest, DoesNotAskASourceAgainThatRefused) {
  CountingChunks chunks;
  chunks.limit = 1;
  TableMemory memory(chunks, 8 * kMiB);
  while (memory.Allocate(KILN_VALUE_BYTES)) {
  }
  EXPECT_EQ(memory.Allocate(KILN_VALUE_BYTES), std::nullopt);
  EXPECT_EQ(chunks.asked.size(), 2u);
  EXPECT_EQ(Message(memory.source_status()), "no more");
  EXPECT_TRUE(memory.Allocate(KILN_VALUE_BYTES - kGranuleBytes));  // what is held is still used
}

TEST(TableMemoryTest, AtChecksBoundsAndAlignment) {
  HeapChunks chunks;
  TableMemory memory(chunks, kMiB, 2);
  const kiln_ref first = *memory.Allocate(KILN_VALUE_BYTES);
  EXPECT_NE(memory.At<kiln_process>(first), nullptr);
  EXPECT_EQ(memory.At<kiln_process>(first + 1), nullptr);
  EXPECT_NE(memory.At<kiln_directory>(first + 1), nullptr);
  EXPECT_NE(memory.At<uint32_t>(first, KILN_VALUE_WORDS), nullptr);
  EXPECT_EQ(memory.At<uint32_t>(first, KILN_VALUE_WORDS + 1), nullptr);
  EXPECT_EQ(memory.At<uint32_t>(first + 1, KILN_VALUE_WORDS), nullptr);
  EXPECT_EQ(memory.At<uint32_t>(first, SIZE_MAX / 2), nullptr);
  EXPECT_EQ(memory.At<uint32_t>(0), nullptr);                                             // before the first chunk
  EXPECT_EQ(memory.At<uint32_t>(first + KILN_CHUNK_VALUES * KILN_VALUE_WORDS), nullptr);  // behind the last
  EXPECT_EQ(memory.At<uint32_t>(UINT32_MAX), nullptr);
  EXPECT_EQ(memory.Words(first).size(), size_t{KILN_VALUE_WORDS});
  EXPECT_EQ(memory.Words(first + 1000).size(), KILN_VALUE_WORDS - 1000u);
  EXPECT_TRUE(memory.Words(0).empty());
}

TEST(TableMemoryTest, FreeingWhatIsNotAllocatedChangesNothing) {
  HeapChunks chunks;
  TableMemory memory(chunks, kMiB);
  const kiln_ref ref = *memory.Allocate(512);
  const auto free = [&](kiln_ref which, size_t bytes) {
    EXPECT_DEBUG_DEATH(memory.Free(which, bytes), "freed what was not allocated");
  };
  free(0, 1);
  free(ref + 1, 256);
  free(ref, 0);
  free(ref, 768);
  free(ref, KILN_VALUE_BYTES + 1);
  free(ref + 128, 256);
  free(UINT32_MAX, 256);
  EXPECT_EQ(memory.allocated_bytes(), 512u);
  memory.Free(ref, 512);
  free(ref, 512);
}

// Random steps beside the simplest model: a map of what is allocated.
TEST(TableMemoryTest, AgreesWithAModelUnderRandomUse) {
  HeapChunks chunks;
  TableMemory memory(chunks, 4 * kMiB);
  std::mt19937 random(4);
  std::map<uint64_t, size_t> objects;  // place -> bytes
  const auto rounded = [](size_t bytes) { return (bytes + kGranuleBytes - 1) / kGranuleBytes * kGranuleBytes; };
  // The largest hole in one value, by the model.
  const auto largest_hole = [&] {
    uint64_t largest = 0, end = kGranuleBytes;
    const auto hole = [&](uint64_t to) {
      for (uint64_t from = end; from < to;) {
        const uint64_t stop = std::min<uint64_t>(to, (from / KILN_VALUE_BYTES + 1) * KILN_VALUE_BYTES);
        largest = std::max(largest, stop - from);
        from = stop;
      }
    };
    for (const auto& [place, bytes] : objects) {
      hole(place);
      end = place + rounded(bytes);
    }
    hole(4 * kMiB);
    return largest;
  };
  uint64_t allocated = 0;
  int refused = 0;
  for (int step = 0; step < 24000; ++step) {
    const bool grow = step % 4000 < 2500;  // fills up, then empties
    if (random() % 100 < (grow ? 70 : 30) || objects.empty()) {
      const size_t bytes = random() % 8 == 0 ? 1 + random() % KILN_VALUE_BYTES : 1 + random() % 12000;
      const std::optional<kiln_ref> ref = memory.Allocate(bytes);
      if (!ref) {
        ++refused;
        ASSERT_LT(largest_hole(), rounded(bytes));
        continue;
      }
      const uint64_t place = PlaceOf(*ref);
      ASSERT_GE(place, kGranuleBytes);
      ASSERT_EQ(place / KILN_VALUE_BYTES, (place + bytes - 1) / KILN_VALUE_BYTES);
      const auto [object, inserted] = objects.emplace(place, bytes);
      ASSERT_TRUE(inserted);
      if (object != objects.begin()) {
        ASSERT_LE(std::prev(object)->first + rounded(std::prev(object)->second), place);
      }
      if (std::next(object) != objects.end()) {
        ASSERT_LE(place + rounded(bytes), std::next(object)->first);
      }
      const auto* content = memory.At<unsigned char>(*ref, bytes);
      ASSERT_TRUE(std::all_of(content, content + bytes, [](unsigned char byte) { return byte == 0; }));
      std::memset(memory.At<unsigned char>(*ref, bytes), static_cast<int>(place >> 8 & 0xff) | 1, bytes);
      allocated += rounded(bytes);
    } else {
      auto object = objects.lower_bound(random() % (4 * kMiB));
      if (object == objects.end()) object = objects.begin();
      const auto [place, bytes] = *object;
      const auto ref = static_cast<kiln_ref>(place / 4);
      const auto* content = memory.At<unsigned char>(ref, bytes);
      const unsigned char mark = static_cast<unsigned char>((place >> 8 & 0xff) | 1);
      ASSERT_TRUE(std::all_of(content, content + bytes, [mark](unsigned char byte) { return byte == mark; }));
      memory.Free(ref, bytes);
      allocated -= rounded(bytes);
      objects.erase(object);
    }
    ASSERT_EQ(memory.allocated_bytes(), allocated);
    ASSERT_LE(memory.chunk_bytes(), memory.budget_bytes());
  }
  EXPECT_GT(refused, 100);
  for (const auto& [place, bytes] : objects) memory.Free(static_cast<kiln_ref>(place / 4), bytes);
  EXPECT_EQ(memory.allocated_bytes(), 0u);
  for (int value = 1; value < 4 * KILN_CHUNK_VALUES; ++value) ASSERT_TRUE(memory.Allocate(KILN_VALUE_BYTES));
  ASSERT_TRUE(memory.Allocate(KILN_VALUE_BYTES - kGranuleBytes));
  EXPECT_EQ(memory.Allocate(1), std::nullopt);
}

}  // namespace
}  // namespace kiln::agent
