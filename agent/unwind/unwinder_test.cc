// SPDX-License-Identifier: Apache-2.0
// The unwinder on stacks of this very program, copied as the kernel side would do it. The kernel is played.
#include "agent/unwind/unwinder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/uio.h>
#include <ucontext.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <filesystem>
#include <vector>

#include "agent/unwind/testing/fake_kernel.h"
#include "agent/unwind/testing/replay_process.h"

#if defined(KILN_X86)

namespace kiln::agent {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using testing::FramesOf;
using ::testing::IsEmpty;
using testing::ReturnTo;
using ::testing::SizeIs;
using testing::WalkedFrame;

struct Stack {
  kiln_stack header{};
  std::vector<std::byte> bytes;
  uint64_t return_address = 0;  // of the function that copied it
};

// Readable bytes from `address` on. By the kernel, since the compiler's checks don't like to see foreign frames read.
std::vector<std::byte> CopyMemory(uint64_t address, size_t size) {
  std::vector<std::byte> bytes(size);
  const iovec to{.iov_base = bytes.data(), .iov_len = bytes.size()};
  std::vector<iovec> from;  // by the page: a read ends where a page is missing
  for (size_t done = 0; done < size;) {
    const size_t block = std::min<size_t>(4096 - (address + done) % 4096, size - done);
    from.push_back({.iov_base = reinterpret_cast<void*>(address + done), .iov_len = block});
    done += block;
  }
  const ssize_t got = ::process_vm_readv(::getpid(), &to, 1, from.data(), from.size(), 0);
  bytes.resize(got < 0 ? 0 : static_cast<size_t>(got));
  return bytes;
}

[[gnu::noinline]] Stack CopyOwnStack() {
  Stack stack;
  stack.return_address = reinterpret_cast<uint64_t>(__builtin_return_address(0));
  ucontext_t context;
  ::getcontext(&context);
  const auto& from = context.uc_mcontext.gregs;
  kiln_regs& regs = stack.header.regs;
  const auto word = [&](int name) { return static_cast<uint64_t>(from[name]); };
  regs.r12 = word(REG_R12), regs.r13 = word(REG_R13), regs.r14 = word(REG_R14), regs.r15 = word(REG_R15);
  regs.bx = word(REG_RBX), regs.bp = word(REG_RBP), regs.sp = word(REG_RSP), regs.ip = word(REG_RIP);
  regs.cs = 0x33;
  stack.header.exec_pages = 1000;
  stack.header.exec_id = 3;
  stack.bytes = CopyMemory(regs.sp - KILN_RED_ZONE_BYTES, KILN_MAX_STACK_BYTES);
  stack.header.stack_bytes = static_cast<uint32_t>(stack.bytes.size());
  return stack;
}

// The maps are this program's for every process.
class OwnMaps final : public ProcessSystem {
 public:
  StatusOr<std::vector<Mapping>> ReadMaps(Pid) override {
    auto maps = kiln::agent::ReadMaps({::getpid()});
    if (maps.ok() && without_libraries) maps->resize(1);
    return maps;
  }
  bool IsAlive(Pid, uint64_t) override { return true; }
  uint64_t MonotonicNs() override { return now; }
  bool ExecFollows(Pid, uint64_t) override { return false; }

  uint64_t now = 1'000'000'000;
  bool without_libraries = false;
};

class UnwinderTest : public ::testing::Test {
 protected:
  struct Delivered {
    uint64_t time_ns;
    Pid pid;
    kiln_stop stop;
    std::vector<WalkedFrame> frames;
  };

  UnwinderTest() { Start({}); }
  void Start(const UnwinderOptions& options) {
    unwinder_ = std::make_unique<Unwinder>(kernel_, processes_, locator_, options, [] {});
  }

  void Deliver(const RawSample& sample, const ProcessMoment&) {
    delivered_.push_back({sample.time_ns, sample.pid, sample.user_stop, FramesOf(sample.user)});
  }
  auto deliver() {
    return [this](const RawSample& sample, const ProcessMoment& moment) { Deliver(sample, moment); };
  }
  // A sample of `pid` as the kernel side hands it over when it does not know the process.
  uint64_t Sample(Pid pid, kiln_stop stop = KILN_STOP_PROCESS_UNKNOWN, bool with_stack = true, uint16_t flags = 0,
                  uint32_t snapshot = 0) {
    identities_.push_back({.process_start_ns = 500});
    leaf_ = {KILN_FRAME_WORD(KILN_FRAME_NATIVE, 0, 1, stack_.header.regs.ip),
             KILN_FRAME_WORD(KILN_FRAME_NATIVE, KILN_FRAME_RETURN_ADDRESS, 1, stack_.return_address)};
    const std::span<const uint64_t> words(leaf_);
    RawSample sample{.time_ns = ++time_ns_,
                     .pid = pid,
                     .tid = {pid.value},
                     .flags = flags,
                     .kernel_stop = KILN_STOP_NONE,
                     .user_stop = stop,
                     .snapshot = snapshot,
                     .identity = &identities_.back(),
                     .user = stop == KILN_STOP_PROCESS_UNKNOWN ? words.first(1) : words};
    if (with_stack) sample.stack = {.header = &stack_.header, .bytes = stack_.bytes};
    unwinder_->OnSample(sample, processes_.OnSample(sample), deliver());
    return time_ns_;
  }
  template <typename Event>
  void SideBand(const Event& event) {
    const SideBandEvent side_band{.time_ns = ++time_ns_, .event = event};
    processes_.OnSideBand(side_band);
    unwinder_->OnSideBand(side_band);
  }
  void EndBatch() { unwinder_->EndBatch(deliver()); }
  void Finish() { unwinder_->Finish(deliver()); }
  // A process that the kernel side knows, with all its pages.
  void Learn(Pid pid) {
    Sample(pid);
    Finish();
    EndBatch();
    delivered_.clear();
    ASSERT_NE(kernel_.Process(pid), nullptr);
  }
  // Maps other code over the library function that began this program.
  MmapEvent OtherCode(Pid pid) {
    return {.pid = pid, .start = ProcessAddress(stack_.return_address & ~uint64_t{0xfff}), .length = 0x1000};
  }

  testing::FakeKernel kernel_;
  OwnMaps system_;
  ProcessTable processes_{system_};
  Locator locator_{processes_};
  std::unique_ptr<Unwinder> unwinder_;
  Stack stack_ = CopyOwnStack();
  std::deque<ThreadIdentity> identities_;
  std::vector<uint64_t> leaf_;
  uint64_t time_ns_ = 2'000'000'000;
  std::vector<Delivered> delivered_;
};

constexpr Pid kPid{41}, kChild{42};

TEST_F(UnwinderTest, AnUnknownProcessIsWalkedHereOnceItsPagesAreMade) {
  Sample(kPid);
  EXPECT_THAT(delivered_, IsEmpty());
  Finish();
  ASSERT_THAT(delivered_, SizeIs(1));
  EXPECT_EQ(delivered_[0].stop, KILN_STOP_ROOT);
  EXPECT_EQ(delivered_[0].frames.front().address, stack_.header.regs.ip);
  EXPECT_EQ(delivered_[0].frames[1], ReturnTo(stack_.return_address));
  EXPECT_EQ(unwinder_->counts().copied, 1u);
  EXPECT_EQ(unwinder_->counts().walked, 1u);
  EXPECT_GE(unwinder_->counts().waited, 1u);
}

TEST_F(UnwinderTest, TheKernelSideLearnsOfTheProcessAtTheEndOfTheBatch) {
  Sample(kPid);
  Sample(kPid);
  EXPECT_EQ(kernel_.Process(kPid), nullptr);
  EndBatch();
  const kiln_process* process = kernel_.Process(kPid);
  ASSERT_NE(process, nullptr);
  EXPECT_EQ(process->start_ns, 500u);
  EXPECT_EQ(process->exec_pages, 1000u);
  EXPECT_EQ(process->exec_id, 3u);
  EXPECT_EQ(process->snapshot, 1u);
  EXPECT_EQ(process->flags, 0u);
  EXPECT_EQ(unwinder_->counts().processes, 1u);
  EXPECT_NE(kernel_.epoch, 0u);
  Finish();
  EXPECT_EQ(kernel_.Walk(kPid, stack_.header.regs, stack_.bytes), KILN_STOP_ROOT);
}

TEST_F(UnwinderTest, SamplesThatWaitAreDeliveredInTheirOrderAndOnce) {
  const uint64_t first = Sample(kPid), second = Sample(kChild), third = Sample(kPid);
  Finish();
  EndBatch();
  Finish();
  ASSERT_THAT(delivered_, SizeIs(3));
  EXPECT_EQ(delivered_[0].time_ns, first);
  EXPECT_EQ(delivered_[1].time_ns, second);
  EXPECT_EQ(delivered_[2].time_ns, third);
}

TEST_F(UnwinderTest, WithThePagesThereNoSampleWaits) {
  Learn(kPid);
  Sample(kChild);
  ASSERT_THAT(delivered_, SizeIs(1));
  EXPECT_EQ(delivered_[0].stop, KILN_STOP_ROOT);
}

class UnwinderPrepareTest : public UnwinderTest {
 protected:
  UnwinderPrepareTest() {
    StartAnew();
    Learn({7});
    StartAnew();
  }
  ~UnwinderPrepareTest() override {
    unwinder_.reset();  // stores, too
    std::filesystem::remove_all(folder_);
  }

  void StartAnew() {
    unwinder_.reset();  // stores the pages
    Start({.cache_folder = folder_});
  }

  const std::string folder_ = fmt::format("{}/kiln_prepare_{}", ::testing::TempDir(), ::getpid());
};

TEST_F(UnwinderPrepareTest, TheFirstSampleFindsItsPages) {
  Sample({7});
  EXPECT_THAT(delivered_, IsEmpty());  // not without
  Finish();
  delivered_.clear();
  StartAnew();
  processes_.Preload({8});
  const std::vector<Process*> processes{processes_.Current({8})};
  unwinder_->Prepare(processes, std::chrono::hours(1));
  EXPECT_GT(unwinder_->table_counts().loaded_pages, 0u);
  Sample({8});
  EXPECT_THAT(delivered_, SizeIs(1));
}

TEST_F(UnwinderPrepareTest, TakesNoLongerThanItMay) {
  processes_.Preload({8});
  const std::vector<Process*> processes{processes_.Current({8})};
  unwinder_->Prepare(processes, std::chrono::nanoseconds(0));
  unwinder_->Prepare({}, std::chrono::hours(1));
  EXPECT_EQ(unwinder_->table_counts().loaded_pages, 0u);
  Sample({8});
  Finish();
  EXPECT_THAT(delivered_, SizeIs(1));
}

TEST_F(UnwinderTest, PagesAreMadeForASampleWithoutACopyToo) {
  Sample(kPid, KILN_STOP_TABLE_MISSING, /*with_stack=*/false);
  ASSERT_THAT(delivered_, SizeIs(1));
  EXPECT_EQ(delivered_[0].stop, KILN_STOP_TABLE_MISSING);
  Finish();
  EXPECT_GE(unwinder_->table_counts().loaded_pages, 1u);
  EXPECT_THAT(delivered_, SizeIs(1));
}

TEST_F(UnwinderTest, AFinishedSampleGoesThrough) {
  Sample(kPid, KILN_STOP_ROOT, /*with_stack=*/false);
  ASSERT_THAT(delivered_, SizeIs(1));
  EXPECT_EQ(delivered_[0].stop, KILN_STOP_ROOT);
  EXPECT_THAT(delivered_[0].frames, SizeIs(2));
}

TEST_F(UnwinderTest, AStackWhoseCopyIsTooShortIsCutThere) {
  Learn(kPid);
  stack_.bytes.resize(KILN_RED_ZONE_BYTES + 64);
  Sample(kPid);
  ASSERT_THAT(delivered_, SizeIs(1));
  EXPECT_EQ(delivered_[0].stop, KILN_STOP_STACK_COPY_ENDS);
}

TEST_F(UnwinderTest, WhatTheKernelSideHasFoundIsKeptIfTheCopyHoldsLess) {
  Learn(kPid);
  stack_.bytes.clear();
  Sample(kPid, KILN_STOP_TABLE_MISSING);
  ASSERT_THAT(delivered_, SizeIs(1));
  EXPECT_EQ(delivered_[0].stop, KILN_STOP_TABLE_MISSING);
  EXPECT_THAT(delivered_[0].frames, SizeIs(2));
}

TEST_F(UnwinderTest, AStackOfAProgramThatExecIsTakingAwayIsNoCutOne) {
  Learn(kPid);
  stack_.bytes.clear();
  Sample(kPid, KILN_STOP_PROCESS_UNKNOWN, true, KILN_SAMPLE_IN_EXEC);
  ASSERT_THAT(delivered_, SizeIs(1));
  EXPECT_EQ(delivered_[0].stop, KILN_STOP_MEMORY_GONE);
  EXPECT_THAT(delivered_[0].frames, IsEmpty());
}

TEST_F(UnwinderTest, ExecEndsWhatTheKernelSideKnows) {
  Learn(kPid);
  Sample(kPid);  // to be told of again at the end of the batch
  SideBand(CommEvent{.pid = kPid, .tid = {41}, .comm = "other", .exec = false});
  EXPECT_NE(kernel_.Process(kPid), nullptr);
  SideBand(CommEvent{.pid = kPid, .tid = {41}, .comm = "other", .exec = true});
  EXPECT_EQ(kernel_.Process(kPid), nullptr);
  EndBatch();
  EXPECT_EQ(kernel_.Process(kPid), nullptr);
}

TEST_F(UnwinderTest, ExitEndsWhatTheKernelSideKnowsAndThoseOfThreadsDoNot) {
  Learn(kPid);
  SideBand(ExitEvent{.pid = kPid, .tid = {99}});
  EXPECT_NE(kernel_.Process(kPid), nullptr);
  SideBand(ExitEvent{.pid = kPid, .tid = {41}});
  EXPECT_EQ(kernel_.Process(kPid), nullptr);
}

TEST_F(UnwinderTest, WhatTheKernelSideRemembersIsVoidBeforeMemoryIsReused) {
  Learn(kPid);
  EXPECT_EQ(kernel_.times_forgotten, 0);
  SideBand(ExitEvent{.pid = kPid, .tid = {kPid.value}});
  EndBatch();
  EXPECT_EQ(kernel_.times_forgotten, 1);
}

TEST_F(UnwinderTest, AThreadThatOutlivesTheFirstOneIsForgottenAtItsEnd) {
  Learn(kPid);
  SideBand(ExitEvent{.pid = kPid, .tid = {41}});
  Learn(kPid);
  SideBand(ExitEvent{.pid = kPid, .tid = {99}});
  EXPECT_EQ(kernel_.Process(kPid), nullptr);
}

TEST_F(UnwinderTest, AForkedChildIsAProcessOfItsOwnWithTheSameCode) {
  Learn(kPid);
  SideBand(ForkEvent{.pid = kChild, .tid = {42}, .parent_pid = kPid});
  EXPECT_EQ(kernel_.Process(kChild), nullptr);
  Learn(kChild);
  EXPECT_EQ(kernel_.Process(kChild)->ranges, kernel_.Process(kPid)->ranges);
  SideBand(ExitEvent{.pid = kChild, .tid = {42}});
  EXPECT_NE(kernel_.Process(kPid), nullptr);
  EXPECT_EQ(kernel_.Walk(kPid, stack_.header.regs, stack_.bytes), KILN_STOP_ROOT);
}

TEST_F(UnwinderTest, WhereCodeWasReplacedOnlyTheLeafOfAnOldWalkIsTrue) {
  Learn(kPid);
  SideBand(OtherCode(kPid));
  EXPECT_EQ(kernel_.Process(kPid), nullptr);
  Sample(kPid, KILN_STOP_ROOT, /*with_stack=*/false, 0, /*snapshot=*/1);
  ASSERT_THAT(delivered_, SizeIs(1));
  EXPECT_EQ(delivered_[0].stop, KILN_STOP_CODE_REPLACED);
  EXPECT_THAT(delivered_[0].frames, SizeIs(1));
  EXPECT_EQ(unwinder_->counts().replaced, 1u);
  Sample(kPid, KILN_STOP_ROOT, /*with_stack=*/false, 0, /*snapshot=*/2);
  EXPECT_EQ(delivered_.back().stop, KILN_STOP_ROOT);
}

TEST_F(UnwinderTest, CodeReplacedWithinTheBatchIsNotTold) {
  Learn(kPid);
  Sample(kPid);
  SideBand(OtherCode(kPid));
  EndBatch();
  EXPECT_EQ(kernel_.Process(kPid), nullptr);
  Sample(kPid);
  Finish();
  EndBatch();
  ASSERT_NE(kernel_.Process(kPid), nullptr);
  EXPECT_EQ(kernel_.Process(kPid)->snapshot, 2u);
  EXPECT_EQ(kernel_.Process(kPid)->flags, uint32_t{KILN_PROCESS_REPLACES_CODE});
}

TEST_F(UnwinderTest, AnOldWalkThatNoEventExplainsEndsWhatTheKernelSideKnows) {
  Learn(kPid);
  processes_.Current(kPid)->code_generation = 7;  // as after reading the maps anew
  Sample(kPid, KILN_STOP_ROOT, /*with_stack=*/false, 0, /*snapshot=*/1);
  EXPECT_EQ(delivered_.back().stop, KILN_STOP_CODE_REPLACED);
  EXPECT_EQ(kernel_.Process(kPid), nullptr);
}

TEST_F(UnwinderTest, LostEventsEndAllThatTheKernelSideKnows) {
  Learn(kPid);
  Learn(kChild);
  SideBand(LostEvent{.count = 1});
  EXPECT_THAT(kernel_.processes, IsEmpty());
  Learn(kPid);
}

TEST_F(UnwinderTest, AddressesThatAreSearchedInVainAreGivenUpUntilSomethingIsMapped) {
  Learn(kPid);
  stack_.header.regs.ip = 0x10;
  for (int i = 0; i < 20; ++i) Sample(kPid);
  EXPECT_EQ(delivered_.back().stop, KILN_STOP_NOT_CODE);
  EndBatch();
  ASSERT_NE(kernel_.Process(kPid), nullptr);
  EXPECT_NE(kernel_.Process(kPid)->flags & KILN_PROCESS_ALL_KNOWN, 0u);
  Sample(kPid);
  SideBand(MmapEvent{.pid = kPid, .start = ProcessAddress(0x10000), .length = 0x1000});
  EXPECT_EQ(kernel_.Process(kPid), nullptr);
  EndBatch();
  EXPECT_EQ(kernel_.Process(kPid), nullptr);  // what was learnt before counts no more
}

TEST_F(UnwinderTest, CodeThatTheMapsLackIsFoundByReadingThemAgain) {
  system_.without_libraries = true;
  Sample(kPid);
  Finish();
  ASSERT_THAT(delivered_, SizeIs(1));
  EXPECT_EQ(delivered_[0].stop, KILN_STOP_NOT_CODE);
  system_.without_libraries = false;
  system_.now += 100'000'000'000;
  time_ns_ = system_.now;
  Sample(kPid);
  Finish();
  ASSERT_THAT(delivered_, SizeIs(2));
  EXPECT_EQ(delivered_[1].stop, KILN_STOP_ROOT);
}

TEST_F(UnwinderTest, TooManyThatWaitAreCutAndCounted) {
  stack_.bytes.resize(1 << 20);
  for (int i = 0; i < 40; ++i) Sample(kPid);
  EXPECT_EQ(unwinder_->counts().waited, 32u);
  EXPECT_EQ(unwinder_->counts().not_awaited, 8u);
  EXPECT_THAT(delivered_, SizeIs(8));
  for (const Delivered& cut : delivered_) EXPECT_EQ(cut.stop, KILN_STOP_PROCESS_UNKNOWN);
  Finish();
  EXPECT_THAT(delivered_, SizeIs(40));
  EXPECT_EQ(unwinder_->counts().walked, 32u);
  Sample(kChild);  // there is room again
  EXPECT_EQ(unwinder_->counts().not_awaited, 8u);
}

TEST_F(UnwinderTest, WithoutTableMemoryAllIsDeliveredCut) {
  kernel_.add_chunk_status = absl::ResourceExhaustedError("none");
  Start({});
  Sample(kPid);
  Sample(kPid);
  EndBatch();
  Finish();
  ASSERT_THAT(delivered_, SizeIs(2));
  for (const Delivered& cut : delivered_) EXPECT_EQ(cut.stop, KILN_STOP_MEMORY_FULL);
  EXPECT_THAT(kernel_.processes, IsEmpty());
  EXPECT_EQ(unwinder_->counts().processes_full, 1u);
}

TEST_F(UnwinderTest, WhenTheKernelSideTakesNoMoreProcessesSamplesAreWalkedHere) {
  kernel_.set_process_status = absl::ResourceExhaustedError("full");
  Sample(kPid);
  Finish();
  EndBatch();
  Sample(kPid);
  Finish();
  EndBatch();
  ASSERT_THAT(delivered_, SizeIs(2));
  EXPECT_EQ(delivered_[1].stop, KILN_STOP_ROOT);
  EXPECT_EQ(unwinder_->counts().processes_full, 2u);
  kernel_.set_process_status = absl::OkStatus();
  Sample(kPid);
  EndBatch();
  EXPECT_NE(kernel_.Process(kPid), nullptr);
}

TEST_F(UnwinderTest, EndsWhileSamplesWait) {
  for (int i = 0; i < 10; ++i) Sample(kPid);
  unwinder_.reset();
  EXPECT_THAT(delivered_, IsEmpty());
}

}  // namespace
}  // namespace kiln::agent

#endif
