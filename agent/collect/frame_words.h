// SPDX-License-Identifier: Apache-2.0
// Reads the user frame words of bpf/wire.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>

#include "base/address.h"
#include "bpf/wire.h"

namespace kiln::agent {

// The frames in user frame words, leaf first.
class FrameReader {
 public:
  // `words` must outlive this.
  explicit FrameReader(std::span<const uint64_t> words) : words_(words) {}

  // nullopt at the end, and for a frame that this version does not know, which ends the stack.
  std::optional<CodeAddress<ProcessAddress>> Next() {
    if (second_ != 0) return ReturnFrom(std::exchange(second_, 0) >> KILN_DIFFERENCE_BITS);
    if (words_.empty()) return std::nullopt;
    const uint64_t word = words_.front();
    if ((word & KILN_FRAME_RETURNS) != 0) {
      words_ = words_.subspan(1);
      if ((word & KILN_FRAME_RETURNS_TWO) != 0) second_ = word;
      return ReturnFrom(word);
    }
    const size_t length = (word >> 48) & 0xff;
    if ((word >> 60) != KILN_FRAME_NATIVE || length == 0 || length > 2 || length > words_.size()) {
      words_ = {};
      return std::nullopt;
    }
    address_ = length == 2 ? words_[1] : word & KILN_FRAME_PAYLOAD_MASK;
    words_ = words_.subspan(length);
    const bool is_return_address = ((word >> 56) & KILN_FRAME_RETURN_ADDRESS) != 0;
    return CodeAddress<ProcessAddress>{ProcessAddress(address_),
                                       is_return_address ? AddressRole::kReturnAddress : AddressRole::kInstruction};
  }

  // The words behind those that were read.
  std::span<const uint64_t> rest() const { return words_; }

 private:
  // The lowest KILN_DIFFERENCE_BITS of `bits` are a signed difference to the frame before.
  CodeAddress<ProcessAddress> ReturnFrom(uint64_t bits) {
    constexpr int kUnused = 64 - KILN_DIFFERENCE_BITS;
    address_ += static_cast<uint64_t>(static_cast<int64_t>(bits << kUnused) >> kUnused);
    return {ProcessAddress(address_), AddressRole::kReturnAddress};
  }

  std::span<const uint64_t> words_;
  uint64_t address_ = 0;  // of the last frame
  uint64_t second_ = 0;   // a word of KILN_FRAME_RETURNS_TWO whose second frame comes next, or 0
};

}  // namespace kiln::agent
