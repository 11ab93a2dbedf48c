// SPDX-License-Identifier: Apache-2.0
#include "agent/collect/perf_ring.h"

#include <sys/syscall.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <utility>

namespace kiln::agent {

UniqueFd OpenPerfEvent(perf_event_attr& attributes, int cpu) {
  attributes.size = sizeof(attributes);
  return UniqueFd(static_cast<int>(::syscall(SYS_perf_event_open, &attributes, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC)));
}

StatusOr<PerfRing> PerfRing::Map(UniqueFd event, std::initializer_list<size_t> data_pages) {
  const size_t page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  for (const size_t pages : data_pages) {
    void* memory = ::mmap(nullptr, (pages + 1) * page, PROT_READ | PROT_WRITE, MAP_SHARED, event.get(), 0);
    if (memory != MAP_FAILED) return PerfRing(std::move(event), memory, pages * page);
  }
  if (errno == EPERM) {
    return absl::PermissionDeniedError(
        "the kernel gives this user no more memory for buffers of perf events: give kiln the capability IPC_LOCK, or "
        "raise "
        "the limit by: sysctl kernel.perf_event_mlock_kb=4096");
  }
  return ErrnoError(errno, "cannot map a perf ring");
}

PerfRing::PerfRing(UniqueFd event, void* memory, size_t data_bytes)
    : event_(std::move(event)),
      control_(static_cast<perf_event_mmap_page*>(memory)),
      data_(static_cast<const std::byte*>(memory) + ::sysconf(_SC_PAGESIZE)),
      data_bytes_(data_bytes) {}

PerfRing::PerfRing(PerfRing&& other) noexcept
    : event_(std::move(other.event_)),
      control_(std::exchange(other.control_, nullptr)),
      data_(other.data_),
      data_bytes_(other.data_bytes_),
      joined_(std::move(other.joined_)) {}

PerfRing::~PerfRing() {
  if (control_ != nullptr) ::munmap(control_, data_bytes_ + static_cast<size_t>(::sysconf(_SC_PAGESIZE)));
}

void PerfRing::Consume(const std::function<void(std::span<const std::byte>)>& handle) {
  static_assert(sizeof(control_->data_head) == sizeof(uint64_t));
  // The kernel writes data_head after the records (release); data_tail tells it what may be overwritten.
  const uint64_t head = std::atomic_ref(control_->data_head).load(std::memory_order_acquire);
  uint64_t tail = std::atomic_ref(control_->data_tail).load(std::memory_order_relaxed);
  while (head - tail >= sizeof(perf_event_header)) {
    const size_t position = tail % data_bytes_;
    perf_event_header header;  // records are 8-byte aligned, so a header never wraps
    std::memcpy(&header, data_ + position, sizeof(header));
    if (header.size < sizeof(header) || header.size > head - tail) {
      tail = head;  // never seen; nothing after it can be trusted
      break;
    }
    if (position + header.size <= data_bytes_) {
      handle({data_ + position, header.size});
    } else {
      const size_t first = data_bytes_ - position;
      joined_.assign(data_ + position, data_ + data_bytes_);
      joined_.insert(joined_.end(), data_, data_ + (header.size - first));
      handle(joined_);
    }
    tail += header.size;
  }
  std::atomic_ref(control_->data_tail).store(tail, std::memory_order_release);
}

}  // namespace kiln::agent
