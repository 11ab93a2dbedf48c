// SPDX-License-Identifier: Apache-2.0
// What SplitBatch makes of a request that DecodeProfilesData accepts is accepted too, and counts add up whatever it
// gets.
#include <cstdlib>

#include "otlp/profiles.h"
#include "pipeline/splitter.h"

namespace {

using kiln::pipeline::Batch;
using kiln::pipeline::BatchPtr;

void Check(const Batch& whole, const std::vector<BatchPtr>& pieces, bool valid) {
  int64_t items = 0;
  int64_t weight = 0;
  int looked_into = 0;  // some are enough: reading is slow under a fuzzer
  for (const BatchPtr& piece : pieces) {
    if (piece->items < 0 || piece->weight < 0) std::abort();
    items += piece->items;
    weight += piece->weight;
    if (valid && ++looked_into <= 8 && !kiln::otlp::DecodeProfilesData(piece->bytes).ok()) {
      // A piece may hold only a resource without profiles.
      if (piece->items > 0) std::abort();
    }
  }
  if (items != whole.items || weight != whole.weight) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2 || size > 1 << 16) return 0;
  const Batch batch{
      .bytes = std::string(reinterpret_cast<const char*>(data) + 2, size - 2), .items = 1000, .weight = 77};
  const auto whole = std::make_shared<const Batch>(batch);
  const bool valid = kiln::otlp::DecodeProfilesData(batch.bytes).ok();
  const auto pieces = SplitBatch(whole, {.max_bytes = int64_t{data[0]} * 16, .max_items = 1 + data[1]});
  if (pieces.ok()) {
    Check(*whole, *pieces, valid);
  } else if (valid && pieces.status().code() != absl::StatusCode::kResourceExhausted) {
    std::abort();
  }
  const auto halves = HalveBatch(whole);
  if (halves.ok()) Check(*whole, *halves, valid);
  return 0;
}
