// SPDX-License-Identifier: Apache-2.0
// Allocator over table memory: the chunks of 1 MiB that user space fills and the walk reads (bpf/unwind_table.h).
//
// A value of 64 KiB is 256 granules of 256 bytes, one bit each. An object is a run of granules in one value, at the
// lowest place where it fits, so that objects gather in the first chunks. Pages of tables are some KiB: granules waste
// little of that, and no object needs a header among what the kernel reads.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/status.h"
#include "bpf/unwind_table.h"

namespace kiln::agent {

inline constexpr size_t kGranuleBytes = 256;
inline constexpr uint32_t kValueGranules = KILN_VALUE_BYTES / kGranuleBytes;

// Where chunks come from: BPF maps, or the heap for tables that only user space reads.
class ChunkSource {
 public:
  virtual ~ChunkSource() = default;
  // Chunk number `index`: KILN_CHUNK_BYTES zeroed bytes on an 8-byte boundary, which stay where they are as long as the
  // source lives. Asked once per index.
  virtual StatusOr<std::span<std::byte>> AddChunk(uint32_t index) = 0;
};

// Chunks in private memory. The kernel gives it out zeroed, page by page as it is touched.
class HeapChunks final : public ChunkSource {
 public:
  HeapChunks() = default;
  HeapChunks(const HeapChunks&) = delete;
  ~HeapChunks() override;
  StatusOr<std::span<std::byte>> AddChunk(uint32_t index) override;

 private:
  std::vector<void*> chunks_;
};

// Thread-compatible. It knows nothing of readers: an object is freed when no reader can see it any more, which is its
// owner's business.
class TableMemory {
 public:
  // Takes chunks `first_chunk`, `first_chunk` + 1 … from `source`, which must outlive this, on demand. The budget is
  // cut to whole chunks, at least one, at most what the numbers up to KILN_MAX_CHUNKS leave.
  TableMemory(ChunkSource& source, uint64_t budget_bytes, uint32_t first_chunk = 0);
  TableMemory(const TableMemory&) = delete;

  // `bytes` (1 … KILN_VALUE_BYTES) of zeroed memory on a boundary of kGranuleBytes, within one value. Never below
  // 64: the lowest numbers mean something else where references stand. nullopt if `bytes` is out of range, or if there
  // is no room and the budget is used up or the source refused a chunk (source_status).
  std::optional<kiln_ref> Allocate(size_t bytes);
  // Gives back what Allocate(bytes) returned. Anything else is a fault of the caller: an assertion, without assertions
  // nothing is freed.
  void Free(kiln_ref ref, size_t bytes);

  // `count` objects of T at `ref`; nullptr if they are not wholly inside one value that is held, or not aligned. That
  // they are allocated is not checked.
  template <typename T>
  T* At(kiln_ref ref, size_t count = 1) {
    static_assert(alignof(T) <= kGranuleBytes);
    return count > KILN_VALUE_BYTES / sizeof(T) ? nullptr
                                                : reinterpret_cast<T*>(Find(ref, count * sizeof(T), alignof(T)));
  }
  template <typename T>
  const T* At(kiln_ref ref, size_t count = 1) const {
    return const_cast<TableMemory*>(this)->At<T>(ref, count);
  }
  // From `ref` on to the end of its value; empty if no chunk that is held has it.
  std::span<uint32_t> Words(kiln_ref ref);

  // In granules that are taken.
  uint64_t allocated_bytes() const { return allocated_granules_ * kGranuleBytes; }
  // In chunks that the source gave. They are never returned.
  uint64_t chunk_bytes() const { return chunks_.size() * uint64_t{KILN_CHUNK_BYTES}; }
  uint64_t budget_bytes() const { return uint64_t{max_chunks_} * KILN_CHUNK_BYTES; }
  // Why the source refused a chunk; it is not asked again. OK if it did not.
  const Status& source_status() const { return source_status_; }

 private:
  using Bitmap = std::array<uint64_t, kValueGranules / 64>;  // 1: taken

  std::byte* Find(kiln_ref ref, size_t bytes, size_t alignment);
  bool AddChunk();
  void UpdateHole(uint32_t value);

  ChunkSource& source_;
  const uint32_t first_chunk_;
  const uint32_t max_chunks_;
  Status source_status_;
  std::vector<std::byte*> chunks_;
  // By the number of the value, counted from the first chunk of ours.
  std::vector<Bitmap> taken_;
  std::vector<uint16_t> largest_hole_;  // granules
  // By the size of an object in granules: no value below this one has room for it.
  std::array<uint32_t, kValueGranules + 1> first_with_room_{};
  uint64_t allocated_granules_ = 0;
};

}  // namespace kiln::agent
