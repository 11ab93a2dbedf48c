// SPDX-License-Identifier: Apache-2.0
#include "agent/unwind/table_memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cassert>
#include <cerrno>
#include <cstring>

namespace kiln::agent {
namespace {

constexpr uint32_t kGranuleWords = kGranuleBytes / 4;

uint32_t GranulesOf(size_t bytes) { return static_cast<uint32_t>((bytes + kGranuleBytes - 1) / kGranuleBytes); }

// The first granule from `from` on whose bit is `bit`; the number of granules if there is none.
template <typename Bitmap>
uint32_t NextGranule(const Bitmap& bitmap, uint32_t from, bool bit) {
  while (from < kValueGranules) {
    const uint64_t word = (bit ? bitmap[from / 64] : ~bitmap[from / 64]) >> (from % 64);
    if (word != 0) return from + static_cast<uint32_t>(std::countr_zero(word));
    from = (from / 64 + 1) * 64;
  }
  return kValueGranules;
}

// Calls visit(first, count) for each hole, ascending, until it returns true.
template <typename Bitmap, typename Visit>
void ForEachHole(const Bitmap& bitmap, Visit visit) {
  for (uint32_t first = NextGranule(bitmap, 0, false); first < kValueGranules;) {
    const uint32_t end = NextGranule(bitmap, first, true);
    if (visit(first, end - first)) return;
    first = NextGranule(bitmap, end, false);
  }
}

// Calls visit(word, mask) for the words of a bitmap that hold `count` granules from `first` on.
template <typename Bitmap, typename Visit>
void ForEachWord(Bitmap& bitmap, uint32_t first, uint32_t count, Visit visit) {
  while (count > 0) {
    const uint32_t here = std::min(count, 64 - first % 64);
    visit(bitmap[first / 64], (~uint64_t{0} >> (64 - here)) << (first % 64));
    first += here;
    count -= here;
  }
}

uint32_t ChunksFor(uint64_t budget_bytes, uint32_t first_chunk) {
  const uint64_t numbers = first_chunk < KILN_MAX_CHUNKS ? KILN_MAX_CHUNKS - first_chunk : 0;
  return static_cast<uint32_t>(std::min(std::max<uint64_t>(budget_bytes / KILN_CHUNK_BYTES, 1), numbers));
}

}  // namespace

HeapChunks::~HeapChunks() {
  for (void* chunk : chunks_) ::munmap(chunk, KILN_CHUNK_BYTES);
}

StatusOr<std::span<std::byte>> HeapChunks::AddChunk(uint32_t) {
  void* chunk = ::mmap(nullptr, KILN_CHUNK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (chunk == MAP_FAILED) return ErrnoError(errno, "cannot get {} bytes for unwind tables", +KILN_CHUNK_BYTES);
  chunks_.push_back(chunk);
  return std::span(static_cast<std::byte*>(chunk), KILN_CHUNK_BYTES);
}

TableMemory::TableMemory(ChunkSource& source, uint64_t budget_bytes, uint32_t first_chunk)
    : source_(source), first_chunk_(first_chunk), max_chunks_(ChunksFor(budget_bytes, first_chunk)) {}

std::optional<kiln_ref> TableMemory::Allocate(size_t bytes) {
  if (bytes == 0 || bytes > KILN_VALUE_BYTES) return std::nullopt;
  const uint32_t count = GranulesOf(bytes);
  uint32_t value = first_with_room_[count];
  for (;; ++value) {
    if (value == largest_hole_.size() && !AddChunk()) {
      first_with_room_[count] = value;
      return std::nullopt;
    }
    if (largest_hole_[value] >= count) break;
  }
  first_with_room_[count] = value;

  uint32_t granule = 0;
  ForEachHole(taken_[value], [&](uint32_t first, uint32_t length) {
    granule = first;
    return length >= count;
  });
  ForEachWord(taken_[value], granule, count, [](uint64_t& word, uint64_t mask) { word |= mask; });
  allocated_granules_ += count;
  UpdateHole(value);
  const kiln_ref ref =
      ((first_chunk_ * KILN_CHUNK_VALUES + value) << KILN_REF_WORD_BITS) + granule * uint32_t{kGranuleWords};
  std::memset(Find(ref, bytes, 1), 0, count * kGranuleBytes);
  return ref;
}

void TableMemory::Free(kiln_ref ref, size_t bytes) {
  const uint32_t word = ref % KILN_VALUE_WORDS, granule = word / kGranuleWords, count = GranulesOf(bytes);
  bool allocated = bytes > 0 && word % kGranuleWords == 0 && Find(ref, bytes, 1) != nullptr;
  // The first granule of all is reserved, not allocated.
  if (ref < kGranuleWords) allocated = false;
  const uint32_t value = ref / KILN_VALUE_WORDS - first_chunk_ * KILN_CHUNK_VALUES;
  if (allocated) {
    ForEachWord(taken_[value], granule, count,
                [&](const uint64_t& bits, uint64_t mask) { allocated = allocated && (bits & mask) == mask; });
  }
  assert(allocated && "freed what was not allocated");
  if (!allocated) return;
  ForEachWord(taken_[value], granule, count, [](uint64_t& bits, uint64_t mask) { bits &= ~mask; });
  allocated_granules_ -= count;
  UpdateHole(value);
  for (uint32_t size = 1; size <= largest_hole_[value]; ++size) {
    first_with_room_[size] = std::min(first_with_room_[size], value);
  }
}

std::span<uint32_t> TableMemory::Words(kiln_ref ref) {
  const size_t count = KILN_VALUE_WORDS - ref % KILN_VALUE_WORDS;
  uint32_t* words = At<uint32_t>(ref, count);
  return words == nullptr ? std::span<uint32_t>() : std::span(words, count);
}

std::byte* TableMemory::Find(kiln_ref ref, size_t bytes, size_t alignment) {
  const uint32_t value = ref / KILN_VALUE_WORDS;
  const size_t offset = (ref % KILN_VALUE_WORDS) * size_t{4};
  // A chunk before the first one becomes a number beyond all.
  const uint32_t chunk = value / KILN_CHUNK_VALUES - first_chunk_;
  if (chunk >= chunks_.size() || bytes > KILN_VALUE_BYTES - offset || offset % alignment != 0) return nullptr;
  return chunks_[chunk] + (value % KILN_CHUNK_VALUES) * size_t{KILN_VALUE_BYTES} + offset;
}

bool TableMemory::AddChunk() {
  if (chunks_.size() >= max_chunks_ || !source_status_.ok()) return false;
  const uint32_t index = first_chunk_ + static_cast<uint32_t>(chunks_.size());
  StatusOr<std::span<std::byte>> chunk = source_.AddChunk(index);
  if (chunk.ok() && chunk->size() != KILN_CHUNK_BYTES) chunk = absl::InternalError("a chunk of the wrong size");
  if (!chunk.ok()) {
    source_status_ = chunk.status();
    return false;
  }
  chunks_.push_back(chunk->data());
  taken_.resize(taken_.size() + KILN_CHUNK_VALUES);
  largest_hole_.resize(taken_.size(), kValueGranules);
  if (index == 0) {
    taken_[0][0] = 1;  // holds the references that are none (KILN_PAGE_MISSING …)
    UpdateHole(0);
  }
  return true;
}

void TableMemory::UpdateHole(uint32_t value) {
  uint32_t largest = 0;
  ForEachHole(taken_[value], [&](uint32_t, uint32_t length) {
    largest = std::max(largest, length);
    return false;
  });
  largest_hole_[value] = static_cast<uint16_t>(largest);
}

}  // namespace kiln::agent
