// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <compare>
#include <cstdint>
#include <utility>

namespace kiln {

// A number that the kernel gave out, as a type of its own. Host (initial) pid namespace unless a name says otherwise.
template <class Tag>
struct Id {
  int32_t value = 0;
  friend constexpr auto operator<=>(const Id&, const Id&) = default;
  template <typename H>
  friend H AbslHashValue(H hash, const Id& id) {
    return H::combine(std::move(hash), id.value);
  }
};

using Pid = Id<struct PidTag>;  // a process: the kernel's tgid
using Tid = Id<struct TidTag>;  // a thread: the kernel's pid

}  // namespace kiln
