// SPDX-License-Identifier: Apache-2.0
#include "agent/collect/frame_words.h"

#include <algorithm>

namespace kiln::agent {
namespace {

// The lowest KILN_DIFFERENCE_BITS of `bits` as a signed number.
uint64_t Difference(uint64_t bits) {
  constexpr int kUnused = 64 - KILN_DIFFERENCE_BITS;
  return static_cast<uint64_t>(static_cast<int64_t>(bits << kUnused) >> kUnused);
}

void AppendReturn(uint64_t address, std::vector<uint64_t>& out) {
  const bool is_long = (address >> 48) != 0;
  out.push_back(KILN_FRAME_WORD(KILN_FRAME_NATIVE, KILN_FRAME_RETURN_ADDRESS, is_long ? 2 : 1, is_long ? 0 : address));
  if (is_long) out.push_back(address);
}

}  // namespace

void UnpackFrames(std::span<const uint64_t> words, std::vector<uint64_t>& out) {
  uint64_t address = 0;
  for (size_t i = 0; i < words.size();) {
    const uint64_t word = words[i];
    if ((word & KILN_FRAME_RETURNS) != 0) {
      AppendReturn(address += Difference(word), out);
      if ((word & KILN_FRAME_RETURNS_TWO) != 0) AppendReturn(address += Difference(word >> KILN_DIFFERENCE_BITS), out);
      ++i;
      continue;
    }
    const size_t length = std::clamp<size_t>((word >> 48) & 0xff, 1, words.size() - i);
    if ((word >> 60) == KILN_FRAME_NATIVE) address = length == 2 ? words[i + 1] : word & KILN_FRAME_PAYLOAD_MASK;
    out.insert(out.end(), words.begin() + static_cast<ptrdiff_t>(i),
               words.begin() + static_cast<ptrdiff_t>(i + length));
    i += length;
  }
}

}  // namespace kiln::agent
