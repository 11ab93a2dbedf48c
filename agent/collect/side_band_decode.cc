// SPDX-License-Identifier: Apache-2.0
#include "agent/collect/side_band_decode.h"

#include <linux/perf_event.h>
#include <sys/sysmacros.h>

#include "base/byte_reader.h"

namespace kiln::agent {
namespace {

// Layouts: man perf_event_open, "MMAP2", "COMM", "FORK", "KSYMBOL"; include/uapi/linux/perf_event.h.
struct ProcessIds {
  uint32_t pid, parent_pid, tid, parent_tid;
  uint64_t time;
};

// The sample_id that ends each record: { u32 pid, tid; u64 time; u32 cpu, reserved; }
constexpr size_t kSampleIdBytes = 24;

// The layout with device and inode. PERF_RECORD_MISC_MMAP_BUILD_ID is no reason to read the other one: see
// side_band.cc.
std::optional<MmapEvent> DecodeMmap(ByteReader& reader) {
  uint32_t pid = 0, tid = 0, major = 0, minor = 0;
  uint64_t start = 0, length = 0, offset = 0, inode = 0;
  if (!reader.Read(pid) || !reader.Read(tid) || !reader.Read(start) || !reader.Read(length) || !reader.Read(offset) ||
      !reader.Read(major) || !reader.Read(minor) || !reader.Read(inode) ||
      !reader.Skip(16)) {  // inode generation, prot, flags
    return std::nullopt;
  }
  const auto path = reader.CString();
  if (!path) return std::nullopt;
  return MmapEvent{.pid = {static_cast<int32_t>(pid)},
                   .start = ProcessAddress(start),
                   .length = length,
                   .offset = FileOffset(offset),
                   .device = inode == 0 ? 0 : makedev(major, minor),
                   .inode = inode,
                   .path = std::string(*path)};
}

std::optional<CommEvent> DecodeComm(ByteReader& reader, bool exec) {
  uint32_t pid = 0, tid = 0;
  if (!reader.Read(pid) || !reader.Read(tid)) return std::nullopt;
  const auto comm = reader.CString();
  if (!comm) return std::nullopt;
  return CommEvent{{static_cast<int32_t>(pid)}, {static_cast<int32_t>(tid)}, std::string(*comm), exec};
}

std::optional<KernelSymbolEvent> DecodeKernelSymbol(ByteReader& reader) {
  uint64_t start = 0;
  uint32_t length = 0;
  uint16_t type = 0, flags = 0;
  if (!reader.Read(start) || !reader.Read(length) || !reader.Read(type) || !reader.Read(flags)) return std::nullopt;
  const auto name = reader.CString();
  if (!name) return std::nullopt;
  return KernelSymbolEvent{.start = ProcessAddress(start),
                           .length = length,
                           .name = std::string(*name),
                           .is_bpf = type == PERF_RECORD_KSYMBOL_TYPE_BPF,
                           .removed = (flags & PERF_RECORD_KSYMBOL_FLAGS_UNREGISTER) != 0};
}

template <class T>
std::optional<SideBandEvent> WithTime(uint64_t time_ns, std::optional<T> event) {
  if (!event) return std::nullopt;
  return SideBandEvent{.time_ns = time_ns, .event = *std::move(event)};
}

}  // namespace

std::optional<SideBandEvent> DecodeSideBandRecord(std::span<const std::byte> record) {
  ByteReader whole(record);
  perf_event_header header{};
  if (!whole.Read(header) || header.size != record.size()) return std::nullopt;
  if (record.size() < sizeof(header) + kSampleIdBytes) return std::nullopt;
  const auto body = record.subspan(sizeof(header), record.size() - sizeof(header) - kSampleIdBytes);
  ByteReader reader(body);
  uint64_t time_ns = 0;
  ByteReader sample_id(record.last(kSampleIdBytes));
  if (!sample_id.Skip(8) || !sample_id.Read(time_ns)) return std::nullopt;

  switch (header.type) {
    case PERF_RECORD_MMAP2: return WithTime(time_ns, DecodeMmap(reader));
    case PERF_RECORD_COMM:
      return WithTime(time_ns, DecodeComm(reader, (header.misc & PERF_RECORD_MISC_COMM_EXEC) != 0));
    case PERF_RECORD_FORK:
    case PERF_RECORD_EXIT: {
      ProcessIds ids{};
      if (!reader.Read(ids)) return std::nullopt;
      const Pid pid{static_cast<int32_t>(ids.pid)};
      const Tid tid{static_cast<int32_t>(ids.tid)};
      if (header.type == PERF_RECORD_EXIT) return SideBandEvent{time_ns, ExitEvent{pid, tid}};
      return SideBandEvent{time_ns, ForkEvent{pid, tid, {static_cast<int32_t>(ids.parent_pid)}}};
    }
    case PERF_RECORD_KSYMBOL: return WithTime(time_ns, DecodeKernelSymbol(reader));
    case PERF_RECORD_LOST: {
      uint64_t id = 0, lost = 0;
      if (!reader.Read(id) || !reader.Read(lost)) return std::nullopt;
      return SideBandEvent{time_ns, LostEvent{lost}};
    }
    default: return std::nullopt;
  }
}

}  // namespace kiln::agent
