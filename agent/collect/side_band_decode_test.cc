// SPDX-License-Identifier: Apache-2.0
#include "agent/collect/side_band_decode.h"

#include <gtest/gtest.h>
#include <linux/perf_event.h>
#include <sys/sysmacros.h>

#include <string>

#include "base/byte_reader.h"

namespace kiln::agent {
namespace {

constexpr uint64_t kTime = 987654321;

// A record as the kernel writes it: header, body, sample_id { pid, tid, time, cpu, reserved }.
class RecordWriter {
 public:
  RecordWriter(uint32_t type, uint16_t misc) : header_{.type = type, .misc = misc, .size = 0} {}

  template <class T>
  RecordWriter& Put(T value) {
    body_.append(reinterpret_cast<const char*>(&value), sizeof(value));
    return *this;
  }
  RecordWriter& Text(std::string text) {
    text.resize((text.size() + 8) & ~size_t{7});  // NUL, padded to 8 bytes
    body_ += text;
    return *this;
  }
  std::string Finish() {
    Put<uint32_t>(1).Put<uint32_t>(2).Put<uint64_t>(kTime).Put<uint64_t>(0);
    header_.size = static_cast<uint16_t>(sizeof(header_) + body_.size());
    return std::string(reinterpret_cast<const char*>(&header_), sizeof(header_)) + body_;
  }

 private:
  perf_event_header header_;
  std::string body_;
};

std::optional<SideBandEvent> Decode(const std::string& record) { return DecodeSideBandRecord(AsBytes(record)); }

RecordWriter MmapStart(uint16_t misc) {
  return RecordWriter(PERF_RECORD_MMAP2, misc)
      .Put<uint32_t>(10)
      .Put<uint32_t>(11)
      .Put<uint64_t>(0x1000)
      .Put<uint64_t>(0x2000)
      .Put<uint64_t>(0x3000);
}

// Of a file with device 8:1 and inode 77.
std::string MmapOf(const std::string& path, uint16_t misc) {
  return MmapStart(misc)
      .Put<uint32_t>(8)
      .Put<uint32_t>(1)
      .Put<uint64_t>(77)
      .Put<uint64_t>(0)
      .Put<uint32_t>(5)
      .Put<uint32_t>(2)
      .Text(path)
      .Finish();
}

// Whether or not another user's event has left the flag for build ids in the record.
class MmapDecode : public ::testing::TestWithParam<uint16_t> {};
INSTANTIATE_TEST_SUITE_P(Flags, MmapDecode, ::testing::Values(0, 1 << 14));

TEST_P(MmapDecode, HasDeviceAndInode) {
  const auto event = Decode(MmapOf("/usr/lib/libc.so.6", GetParam()));
  ASSERT_TRUE(event.has_value());
  EXPECT_EQ(event->time_ns, kTime);
  const auto& mmap = std::get<MmapEvent>(event->event);
  EXPECT_EQ(mmap.pid, Pid{10});
  EXPECT_EQ(mmap.start, ProcessAddress(0x1000));
  EXPECT_EQ(mmap.length, 0x2000u);
  EXPECT_EQ(mmap.offset, FileOffset(0x3000));
  EXPECT_EQ(mmap.device, makedev(8, 1));
  EXPECT_EQ(mmap.inode, 77u);
  EXPECT_EQ(mmap.path, "/usr/lib/libc.so.6");
}

TEST(SideBandDecode, CommWithAndWithoutExec) {
  const auto plain = Decode(RecordWriter(PERF_RECORD_COMM, 0).Put<uint32_t>(1).Put<uint32_t>(2).Text("name").Finish());
  ASSERT_TRUE(plain.has_value());
  EXPECT_EQ(std::get<CommEvent>(plain->event).comm, "name");
  EXPECT_FALSE(std::get<CommEvent>(plain->event).exec);
  const auto exec = Decode(
      RecordWriter(PERF_RECORD_COMM, PERF_RECORD_MISC_COMM_EXEC).Put<uint32_t>(1).Put<uint32_t>(1).Text("x").Finish());
  EXPECT_TRUE(std::get<CommEvent>(exec->event).exec);
}

TEST(SideBandDecode, ForkExitLostAndKernelSymbol) {
  const auto ids = [](uint32_t type) {
    return RecordWriter(type, 0)
        .Put<uint32_t>(5)
        .Put<uint32_t>(3)
        .Put<uint32_t>(6)
        .Put<uint32_t>(4)
        .Put<uint64_t>(0)
        .Finish();
  };
  const auto fork = Decode(ids(PERF_RECORD_FORK));
  EXPECT_EQ(std::get<ForkEvent>(fork->event).pid, Pid{5});
  EXPECT_EQ(std::get<ForkEvent>(fork->event).parent_pid, Pid{3});
  EXPECT_EQ(std::get<ForkEvent>(fork->event).tid, Tid{6});
  EXPECT_EQ(std::get<ExitEvent>(Decode(ids(PERF_RECORD_EXIT))->event).tid, Tid{6});
  const auto lost = Decode(RecordWriter(PERF_RECORD_LOST, 0).Put<uint64_t>(1).Put<uint64_t>(42).Finish());
  EXPECT_EQ(std::get<LostEvent>(lost->event).count, 42u);
  const auto symbol = Decode(RecordWriter(PERF_RECORD_KSYMBOL, 0)
                                 .Put<uint64_t>(0xffff)
                                 .Put<uint32_t>(16)
                                 .Put<uint16_t>(PERF_RECORD_KSYMBOL_TYPE_BPF)
                                 .Put<uint16_t>(PERF_RECORD_KSYMBOL_FLAGS_UNREGISTER)
                                 .Text("bpf_prog_x")
                                 .Finish());
  EXPECT_TRUE(std::get<KernelSymbolEvent>(symbol->event).removed);
  EXPECT_TRUE(std::get<KernelSymbolEvent>(symbol->event).is_bpf);
  EXPECT_EQ(std::get<KernelSymbolEvent>(symbol->event).name, "bpf_prog_x");
}

TEST(SideBandDecode, RefusesCutRecordsAndOtherTypes) {
  const std::string good = MmapOf("/x", 0);
  for (size_t length = 0; length < good.size(); ++length) {
    EXPECT_FALSE(Decode(good.substr(0, length)).has_value()) << length;
    // Also with a header that agrees with the cut.
    std::string cut = good.substr(0, length);
    if (length >= sizeof(perf_event_header)) {
      const uint16_t size = static_cast<uint16_t>(length);
      cut.replace(6, 2, reinterpret_cast<const char*>(&size), 2);
    }
    const bool only_padding_is_cut = good.size() - length <= 5;  // "/x" and its NUL are still there
    EXPECT_EQ(Decode(cut).has_value(), only_padding_is_cut) << length;
  }
  EXPECT_FALSE(Decode(RecordWriter(PERF_RECORD_SAMPLE, 0).Put<uint64_t>(1).Finish()).has_value());
}

}  // namespace
}  // namespace kiln::agent
