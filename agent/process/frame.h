// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <compare>
#include <cstdint>
#include <utility>

#include "profile/index.h"

namespace kiln::agent {

// Where a frame's address lives.
enum class FrameSpace : uint8_t {
  kObject,     // owner: ObjectId; address: ELF virtual address (file offset if the file could not be opened)
  kKernel,     // address: kernel address
  kJit,        // owner: ImageId; address: process address in memory without a file
  kUnmapped,   // owner: ImageId; address: process address outside of all known code
  kTruncated,  // no code: the mark of a cut stack; address: enum kiln_stop
};

// A place in the code, equal for all processes that run the same file. Addresses are those to look names up with
// (return addresses moved back by one).
struct Frame {
  FrameSpace space;
  uint32_t owner;
  uint64_t address;
  friend auto operator<=>(const Frame&, const Frame&) = default;
  template <typename H>
  friend H AbslHashValue(H hash, const Frame& f) {
    return H::combine(std::move(hash), f.space, f.owner, f.address);
  }
};

using FrameIndex = profile::Index<struct FrameTag>;

}  // namespace kiln::agent
