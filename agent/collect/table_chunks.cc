// SPDX-License-Identifier: Apache-2.0
#include "agent/collect/table_chunks.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sys/mman.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "bpf/unwind_table.h"

namespace kiln::agent {

TableChunks::~TableChunks() {
  for (std::thread& thread : entering_) thread.join();
  for (void* memory : memory_) ::munmap(memory, KILN_CHUNK_BYTES);
}

void TableChunks::Enter(bpf_map* tables, uint32_t index, int map) {
  if (bpf_map__update_elem(tables, &index, sizeof(index), &map, sizeof(map), BPF_ANY) != 0) error_ = errno;
}

StatusOr<std::span<std::byte>> TableChunks::Add(bpf_map* tables, uint32_t index) {
  if (const int error = error_; error != 0) return ErrnoError(error, "cannot enter unwind table memory");
  LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_MMAPABLE);
  UniqueFd map(bpf_map_create(BPF_MAP_TYPE_ARRAY, "kiln_unwind", sizeof(uint32_t), KILN_VALUE_BYTES, KILN_CHUNK_VALUES,
                              &options));
  if (!map.valid()) return ErrnoError(errno, "cannot create unwind table memory of {} KiB", KILN_CHUNK_BYTES / 1024);
  void* memory = ::mmap(nullptr, KILN_CHUNK_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, map.get(), 0);
  if (memory == MAP_FAILED) return ErrnoError(errno, "cannot map unwind table memory");
  const int fd = map.get();
  maps_.push_back(std::move(map));
  memory_.push_back(memory);
  try {
    entering_.emplace_back([this, tables, index, fd] { Enter(tables, index, fd); });
  } catch (const std::system_error&) {  // no more threads: it takes longer then
    Enter(tables, index, fd);
  }
  return std::span(static_cast<std::byte*>(memory), KILN_CHUNK_BYTES);
}

}  // namespace kiln::agent
