// SPDX-License-Identifier: Apache-2.0
#include "agent/collect/decode.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "base/byte_reader.h"

namespace kiln::agent {
namespace {

kiln_identity Identity(const std::string& comm, uint64_t start_ns) {
  kiln_identity identity{};
  identity.version = KILN_WIRE_VERSION;
  identity.type = KILN_RECORD_IDENTITY;
  identity.process_start_ns = start_ns;
  identity.namespaced_pid = 5;
  comm.copy(identity.thread_comm, sizeof(identity.thread_comm));
  comm.copy(identity.process_comm, sizeof(identity.process_comm));
  return identity;
}

kiln_sample Sample(uint32_t tid, uint16_t cpu, uint16_t kernel_words, uint16_t user_words) {
  kiln_sample sample{};
  sample.version = KILN_WIRE_VERSION;
  sample.type = KILN_RECORD_SAMPLE;
  sample.pid = 100;
  sample.tid = tid;
  sample.cpu = cpu;
  sample.kernel_words = kernel_words;
  sample.user_words = user_words;
  sample.time_ns = 1234;
  sample.user_stop = KILN_STOP_ROOT;
  return sample;
}

template <class T>
void Append(std::string& record, const T& value) {
  record.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

template <class... Parts>
std::string Record(const Parts&... parts) {
  std::string record;
  (Append(record, parts), ...);
  return record;
}

class DecodeTest : public ::testing::Test {
 protected:
  void Decode(const std::string& record) { decoder_.Decode(AsBytes(record), batch_); }
  SampleDecoder decoder_;
  SampleBatch batch_;
};

TEST_F(DecodeTest, SplitsKernelAndUserWords) {
  Decode(Record(Identity("app", 7), Sample(101, 3, 1, 2), uint64_t{11}, uint64_t{22}, uint64_t{33}));
  ASSERT_EQ(batch_.size(), 1u);
  const RawSample sample = batch_[0];
  EXPECT_EQ(sample.pid, Pid{100});
  EXPECT_EQ(sample.tid, Tid{101});
  EXPECT_EQ(sample.cpu, 3u);
  EXPECT_EQ(sample.time_ns, 1234u);
  EXPECT_EQ(sample.user_stop, KILN_STOP_ROOT);
  EXPECT_EQ(std::vector(sample.kernel.begin(), sample.kernel.end()), (std::vector<uint64_t>{11}));
  EXPECT_EQ(std::vector(sample.user.begin(), sample.user.end()), (std::vector<uint64_t>{22, 33}));
  EXPECT_EQ(sample.identity->thread_comm, "app");
  EXPECT_EQ(sample.identity->process_start_ns, 7u);
  EXPECT_EQ(sample.identity->namespaced_pid, Pid{5});
}

TEST_F(DecodeTest, SamplesWithoutAnIdentityHaveTheLastOneOfTheirSlot) {
  Decode(Record(Identity("app", 7), Sample(101, 0, 0, 0)));
  Decode(Record(Sample(101, 0, 0, 0)));
  Decode(Record(Identity("renamed", 7), Sample(101, 0, 0, 0)));
  Decode(Record(Sample(101, 0, 0, 0)));
  ASSERT_EQ(batch_.size(), 4u);
  EXPECT_EQ(batch_[1].identity, batch_[0].identity);
  EXPECT_EQ(batch_[3].identity->thread_comm, "renamed");
  EXPECT_EQ(batch_[0].identity->thread_comm, "app");  // earlier samples keep theirs
}

TEST_F(DecodeTest, NeverLendsAnIdentityToAnotherThreadOrCpu) {
  Decode(Record(Identity("app", 7), Sample(101, 0, 0, 0)));
  Decode(Record(Sample(101, 1, 0, 0)));                        // other CPU
  Decode(Record(Sample(101 + KILN_IDENTITY_SLOTS, 0, 0, 0)));  // other thread, same slot
  EXPECT_EQ(batch_.size(), 1u);
  EXPECT_EQ(decoder_.counts().unknown_identity, 2u);
}

TEST_F(DecodeTest, ThreadsThatTakeTurnsInASlotAreKeptOnce) {
  for (int i = 0; i < 100; ++i) {
    Decode(Record(Identity("a", 7), Sample(1, 0, 0, 0)));
    Decode(Record(Identity("b", 7), Sample(1 + KILN_IDENTITY_SLOTS, 0, 0, 0)));
    Decode(Record(Identity("a", 7), Sample(1, 1, 0, 0)));  // and the other CPU's
  }
  EXPECT_EQ(decoder_.identity_count(), 2u);
  EXPECT_EQ(batch_[0].identity, batch_[297].identity);
  EXPECT_NE(batch_[0].identity, batch_[1].identity);
}

TEST_F(DecodeTest, LongNamesWithoutNulAreCutAtTheField) {
  Decode(Record(Identity("0123456789abcdef", 7), Sample(101, 0, 0, 0)));
  EXPECT_EQ(batch_[0].identity->thread_comm, "0123456789abcdef");
}

TEST_F(DecodeTest, RefusesWhatIsNoSample) {
  const std::string good = Record(Identity("app", 7), Sample(101, 0, 1, 1), uint64_t{1}, uint64_t{2});
  for (size_t length = 0; length < good.size(); ++length) Decode(good.substr(0, length));
  Decode(good + "x");
  kiln_sample other_version = Sample(1, 0, 0, 0);
  other_version.version = KILN_WIRE_VERSION + 1;
  Decode(Record(other_version));
  kiln_sample unknown_stop = Sample(1, 0, 0, 0);
  unknown_stop.user_stop = KILN_STOP_COUNT;
  Decode(Record(Identity("app", 7), unknown_stop));
  Decode(Record(Identity("app", 7), Sample(1, 60000, 0, 0)));
  EXPECT_TRUE(batch_.empty());
  EXPECT_EQ(decoder_.counts().malformed, good.size() + 4);
}

TEST_F(DecodeTest, BatchesSurviveClearing) {
  Decode(Record(Identity("app", 7), Sample(101, 0, 1, 0), uint64_t{1}));
  batch_.Clear();
  Decode(Record(Sample(101, 0, 1, 0), uint64_t{9}));
  ASSERT_EQ(batch_.size(), 1u);
  EXPECT_EQ(batch_[0].kernel[0], 9u);
  EXPECT_EQ(batch_[0].identity->thread_comm, "app");
}

TEST_F(DecodeTest, ForgetsIdentitiesThatNothingRefersTo) {
  Decode(Record(Identity("a", 7), Sample(1, 0, 0, 0)));
  Decode(Record(Identity("b", 7), Sample(1 + KILN_IDENTITY_SLOTS, 0, 0, 0)));      // takes the slot
  Decode(Record(Identity("c", 7), Sample(1 + 2 * KILN_IDENTITY_SLOTS, 0, 0, 0)));  // and so does this
  decoder_.ForgetIdentities({batch_[1].identity});
  EXPECT_EQ(decoder_.identity_count(), 2u);
  EXPECT_EQ(batch_[1].identity->thread_comm, "b");
  Decode(Record(Sample(1 + 2 * KILN_IDENTITY_SLOTS, 0, 0, 0)));
  ASSERT_EQ(batch_.size(), 4u);
  EXPECT_EQ(batch_[3].identity->thread_comm, "c");
}

}  // namespace
}  // namespace kiln::agent
