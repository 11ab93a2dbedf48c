// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "agent/process/frame.h"
#include "agent/process/process.h"
#include "base/address.h"

namespace kiln::agent {

// Remembers which frame an address of a process was located in: most frames of a stack that was never seen before were
// seen in another one. Each in the one place that its address leads to. Thread-compatible.
class FrameCache {
 public:
  // What holds for an address holds as long as the mappings do (Process::generation).
  struct Key {
    ProcessAddress address;  // to look up, not 0
    ImageId image;
    uint32_t generation;
    friend bool operator==(const Key&, const Key&) = default;
  };

  std::optional<FrameIndex> Find(const Key& key) const {
    const Place& place = places_[PlaceOf(key)];
    return place.key == key ? std::optional(FrameIndex(place.frame)) : std::nullopt;
  }
  void Remember(const Key& key, FrameIndex frame) { places_[PlaceOf(key)] = {key, frame.value()}; }

 private:
  struct Place {
    Key key;  // address 0 = nothing
    uint32_t frame;
  };
  static constexpr size_t kPlaces = 8192;  // a power of two; 192 KiB

  static size_t PlaceOf(const Key& key) {
    const uint64_t address = key.address.value();
    return (address ^ address >> 13) & (kPlaces - 1);
  }

  std::vector<Place> places_ = std::vector<Place>(kPlaces);
};

}  // namespace kiln::agent
