// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "base/status.h"
#include "pipeline/batch.h"

namespace kiln::pipeline {

struct SplitLimits {
  int64_t max_bytes = 0;  // of a request, before compression; 0 = no limit
  int64_t max_items = 0;  // of a request, and so of each Profile in it; 0 = no limit
};

// Cuts a batch of profiles that is above one of `limits` into requests that aren't, in order. Each is a valid request
// of its own: with the resources, scopes and profiles that it has samples of, and with a dictionary of just what it
// refers to. Items and weight of the pieces add up to the batch's exactly; the weight goes by the values of the
// samples. A sample that is too large alone is a piece of its own, above the limit. Where a Profile is cut, its later
// parts have an id of their own (the same at each splitting), and no original payload, since that is of the whole.
//
// A batch within the limits comes back as it is, without a look at its bytes; so do, for now, all other signals.
// kInvalidArgument: the bytes are no OTLP profiles, or their references lead nowhere. kResourceExhausted: the pieces
// would be many times as large as the batch together.
StatusOr<std::vector<BatchPtr>> SplitBatch(const BatchPtr& batch, const SplitLimits& limits);

// The same for a server that said "too large" and no more: two pieces with half of the samples each. One piece = it
// can't be cut further.
StatusOr<std::vector<BatchPtr>> HalveBatch(const BatchPtr& batch);

}  // namespace kiln::pipeline
