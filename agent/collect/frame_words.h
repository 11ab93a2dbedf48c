// SPDX-License-Identifier: Apache-2.0
// Reads the user frame words of bpf/wire.h.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/address.h"
#include "bpf/wire.h"

namespace kiln::agent {

// Appends the frames in `words`, as the kernel side sends them, to `out` with an address each: KILN_FRAME_RETURNS
// become KILN_FRAME_NATIVE. So stacks with the same outer frames end in the same words. What is no frame stays as it
// is.
void UnpackFrames(std::span<const uint64_t> words, std::vector<uint64_t>& out);

// Takes the next frame off the front of unpacked `words`; nullopt at the end, and for a frame that this version does
// not know, which ends the stack (words is then empty).
inline std::optional<CodeAddress<ProcessAddress>> TakeFrame(std::span<const uint64_t>& words) {
  if (words.empty()) return std::nullopt;
  const uint64_t word = words.front();
  const size_t length = (word >> 48) & 0xff;
  if ((word >> 60) != KILN_FRAME_NATIVE || length == 0 || length > 2 || length > words.size()) {
    words = {};
    return std::nullopt;
  }
  const uint64_t address = length == 2 ? words[1] : word & 0xffff'ffff'ffff;
  words = words.subspan(length);
  const bool is_return_address = ((word >> 56) & KILN_FRAME_RETURN_ADDRESS) != 0;
  return CodeAddress<ProcessAddress>{ProcessAddress(address),
                                     is_return_address ? AddressRole::kReturnAddress : AddressRole::kInstruction};
}

}  // namespace kiln::agent
