// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace kiln::symbolizer {

inline constexpr size_t kMaxBuildIdBytes = 64;

// The NT_GNU_BUILD_ID of one note area in lower-case hex, "" if it has none. `alignment` is that of its segment. Stops
// at the first note that contradicts itself.
std::string BuildIdIn(std::span<const std::byte> notes, uint64_t alignment);

// The same of a file that is a note area: /sys/kernel/notes, /sys/module/NAME/notes/.note.gnu.build-id. "" also if it
// can't be read or is larger than 64 KiB.
std::string BuildIdOfNotesFile(const std::string& path);

}  // namespace kiln::symbolizer
