// SPDX-License-Identifier: Apache-2.0
#include "agent/collect/table_chunks.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sys/mman.h>

#include <cerrno>
#include <chrono>
#include <system_error>
#include <utility>

#include "bpf/unwind_table.h"

namespace kiln::agent {

TableChunks::~TableChunks() {
  entering_.clear();  // waits for each
  for (void* memory : memory_) ::munmap(memory, KILN_CHUNK_BYTES);
}

Status TableChunks::TakeEntered() {
  int error = 0;
  std::erase_if(entering_, [&](std::future<int>& entered) {
    if (entered.wait_for(std::chrono::seconds(0)) != std::future_status::ready) return false;
    if (const int result = entered.get(); result != 0) error = result;
    return true;
  });
  return error == 0 ? absl::OkStatus() : ErrnoError(error, "cannot enter unwind table memory");
}

void TableChunks::AwaitEntered() {
  for (std::future<int>& entered : entering_) entered.wait();
}

StatusOr<std::span<std::byte>> TableChunks::Add(bpf_map* tables, uint32_t index) {
  KILN_RETURN_IF_ERROR(TakeEntered());
  LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_MMAPABLE);
  UniqueFd map(bpf_map_create(BPF_MAP_TYPE_ARRAY, "kiln_unwind", sizeof(uint32_t), KILN_VALUE_BYTES, KILN_CHUNK_VALUES,
                              &options));
  if (!map.valid()) return ErrnoError(errno, "cannot create unwind table memory of {} KiB", KILN_CHUNK_BYTES / 1024);
  void* memory = ::mmap(nullptr, KILN_CHUNK_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, map.get(), 0);
  if (memory == MAP_FAILED) return ErrnoError(errno, "cannot map unwind table memory");
  const int fd = map.get();
  maps_.push_back(std::move(map));
  memory_.push_back(memory);
  const auto enter = [tables, index, fd] {
    return bpf_map__update_elem(tables, &index, sizeof(index), &fd, sizeof(fd), BPF_ANY) == 0 ? 0 : errno;
  };
  try {
    entering_.push_back(std::async(std::launch::async, enter));
  } catch (const std::system_error&) {  // no more threads: it takes longer then
    if (const int error = enter(); error != 0) return ErrnoError(error, "cannot enter unwind table memory");
  }
  return std::span(static_cast<std::byte*>(memory), KILN_CHUNK_BYTES);
}

}  // namespace kiln::agent
