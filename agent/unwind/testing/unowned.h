// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

namespace kiln::agent {

// For code that keeps what a test owns.
template <class T>
std::shared_ptr<const T> Unowned(const T& object) {
  return {std::shared_ptr<void>(), &object};
}

}  // namespace kiln::agent
