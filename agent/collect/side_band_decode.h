// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>
#include <span>

#include "agent/collect/side_band_event.h"

namespace kiln::agent {

// Decodes one record of a ring opened by SideBand (sample_id_all with TID | TIME | CPU). `record` includes its
// perf_event_header. nullopt for records of other types and for damaged ones.
std::optional<SideBandEvent> DecodeSideBandRecord(std::span<const std::byte> record);

}  // namespace kiln::agent
