// SPDX-License-Identifier: Apache-2.0
// SampleDecoder and FrameReader on a sequence of ring records, each after its length in two bytes. Every record is
// either a sample or counted, and what comes out lies inside of what went in.
#include <cstdint>
#include <cstdlib>

#include "agent/collect/decode.h"
#include "agent/collect/frame_words.h"
#include "base/byte_reader.h"

using namespace kiln;
using namespace kiln::agent;

namespace {

void Check(bool condition) {
  if (!condition) std::abort();
}

void CheckFrames(std::span<const uint64_t> words) {
  FrameReader reader(words);
  size_t frames = 0;
  while (reader.Next()) Check(++frames <= 2 * words.size());
  Check(reader.rest().empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ByteReader input({reinterpret_cast<const std::byte*>(data), size});
  SampleDecoder decoder;
  SampleBatch batch;
  size_t records = 0, words = 0;
  uint16_t length = 0;
  while (input.Read(length)) {
    const auto record = input.Bytes(std::min<size_t>(length, input.remaining()));
    decoder.Decode(*record, batch);
    words += record->size() / sizeof(uint64_t);
    ++records;
  }
  Check(batch.size() + decoder.counts().malformed + decoder.counts().unknown_identity + decoder.counts().stacks ==
        records);
  Check(decoder.identity_count() <= records);
  for (size_t i = 0; i < batch.size(); ++i) {
    const RawSample sample = batch[i];
    Check(sample.identity != nullptr && sample.kernel_stop < KILN_STOP_COUNT && sample.user_stop < KILN_STOP_COUNT);
    Check(sample.identity->thread_comm.size() <= KILN_COMM_BYTES);
    Check(sample.kernel.size() + sample.user.size() <= words);
    Check(sample.stack.header == nullptr || sample.stack.bytes.size() <= KILN_MAX_STACK_BYTES);
    words -= sample.kernel.size() + sample.user.size();
    CheckFrames(sample.user);
    CheckFrames(sample.kernel);
  }
  return 0;
}
