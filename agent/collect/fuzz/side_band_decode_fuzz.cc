// SPDX-License-Identifier: Apache-2.0
// DecodeSideBandRecord on any bytes, and on the same bytes with a length in the header that agrees, which is what comes
// past PerfRing.
#include <linux/perf_event.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "agent/collect/side_band_decode.h"

using namespace kiln::agent;

namespace {

void CheckRecord(std::span<const std::byte> record) {
  const auto event = DecodeSideBandRecord(record);
  if (!event) return;
  size_t text = 0;
  if (const auto* mmap = std::get_if<MmapEvent>(&event->event)) {
    text = mmap->path.size();
  } else if (const auto* comm = std::get_if<CommEvent>(&event->event)) {
    text = comm->comm.size();
  } else if (const auto* symbol = std::get_if<KernelSymbolEvent>(&event->event)) {
    text = symbol->name.size();
  }
  if (text >= record.size()) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::vector<std::byte> record(size);
  if (size != 0) std::memcpy(record.data(), data, size);
  CheckRecord(record);
  if (size < sizeof(perf_event_header) || size > UINT16_MAX) return 0;
  const auto length = static_cast<uint16_t>(size);
  std::memcpy(record.data() + offsetof(perf_event_header, size), &length, sizeof(length));
  CheckRecord(record);
  return 0;
}
