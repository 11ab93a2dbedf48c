// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "pipeline/batch.h"

namespace kiln::pipeline {

// One consumer for several: each gets the same batch, keeps its own queue and its own books, and none waits for what
// another sends. One that blocks when it is full (Overflow::kBlock) holds up those behind it too. Thread-safe.
class FanOut : public Consumer {
 public:
  // They must outlive the object; at least one.
  explicit FanOut(std::vector<Consumer*> consumers) : consumers_(std::move(consumers)) {}

  // OK if one has taken it: giving it again would double it there. Whoever refused it has counted that. If nobody has:
  // an error that lets the caller try again, if one of them does.
  Status Consume(BatchPtr batch) override;

 private:
  const std::vector<Consumer*> consumers_;
};

}  // namespace kiln::pipeline
