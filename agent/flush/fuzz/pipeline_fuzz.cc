// SPDX-License-Identifier: Apache-2.0
// Stages 3 to 6 on any sequence of samples and process events, with a /proc that answers as the input says: pids that
// are reused, parents that are their children's children, execs and exits in any order, lost events. Nothing may get
// lost on the way, and the profile has to be valid.
//
// Naming kernel frames would read all of /proc/kallsyms for each input, so inputs that have any are only counted.
#include <sys/stat.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <deque>

#include "agent/aggregate/aggregator.h"
#include "agent/flush/profile_writer.h"
#include "base/byte_reader.h"
#include "profile/validate.h"

using namespace kiln;
using namespace kiln::agent;

namespace {

void Check(bool condition) {
  if (!condition) std::abort();
}

// Above any real process, so that none is ever looked at.
constexpr int kFirstPid = 1'000'000'000;
constexpr int kPids = 6;
constexpr const char* kProgram = "/bin/true";  // a real file; the others are none

// Numbers from the input, 0 at its end.
class Input {
 public:
  Input(const uint8_t* data, size_t size) : reader_({reinterpret_cast<const std::byte*>(data), size}) {}
  bool empty() const { return reader_.remaining() == 0; }
  uint8_t Byte() { return Take<uint8_t>(); }
  uint64_t Word() { return Take<uint64_t>(); }
  Pid AnyPid() { return {kFirstPid + Byte() % kPids}; }

 private:
  template <class T>
  T Take() {
    T value{};
    return reader_.Read(value) ? value : T{};
  }
  ByteReader reader_;
};

Mapping AnyMapping(Input& input) {
  static constexpr std::array<const char*, 6> kPaths = {kProgram, "/gone", "", "[vdso]", "[vsyscall]", "/memfd:x"};
  static const uint64_t program_inode = [] {
    struct stat info {};
    return ::stat(kProgram, &info) == 0 ? static_cast<uint64_t>(info.st_ino) : 0;
  }();
  const uint64_t start = input.Byte() % 16 * 0x1000;
  const uint8_t what = input.Byte();
  return {.start = ProcessAddress(start),
          .end = ProcessAddress(start + (1 + what % 4) * 0x1000),
          .offset = FileOffset(what / 4 % 8 * 0x1000),
          .device = 1,
          .inode = what % 2 == 0 ? program_inode : what,
          .path = kPaths[what % kPaths.size()]};
}

class FuzzedSystem : public ProcessSystem {
 public:
  explicit FuzzedSystem(Input& input) : input_(input) {}
  StatusOr<std::vector<Mapping>> ReadMaps(Pid pid) override {
    std::vector<Mapping> mappings(input_.Byte() % 5);
    if (mappings.size() == 4) return absl::NotFoundError("gone");
    for (Mapping& mapping : mappings) mapping = AnyMapping(input_);
    return mappings;
  }
  bool IsAlive(Pid pid, uint64_t start_ns) override { return input_.Byte() % 4 != 0; }
  uint64_t MonotonicNs() override { return now_ns + input_.Byte() * uint64_t{1'000'000}; }
  bool ExecFollows(Pid pid, uint64_t time_ns) override { return input_.Byte() % 8 == 1; }
  uint64_t now_ns = 0;

 private:
  Input& input_;
};

SideBandEvent AnyEvent(Input& input, uint64_t time_ns) {
  const Pid pid = input.AnyPid();
  const Tid tid{input.Byte() % 2 == 0 ? pid.value : pid.value + 100};
  switch (input.Byte() % 6) {
    case 0: {
      const Mapping mapping = AnyMapping(input);
      return {time_ns,
              MmapEvent{.pid = pid,
                        .start = mapping.start,
                        .length = input.Byte() == 0 ? input.Word() : mapping.end.value() - mapping.start.value(),
                        .offset = mapping.offset,
                        .device = mapping.device,
                        .inode = mapping.inode,
                        .path = mapping.path}};
    }
    case 1: return {time_ns, CommEvent{pid, tid, "name", input.Byte() % 4 != 0}};
    case 2: return {time_ns, ForkEvent{pid, tid, input.AnyPid()}};
    case 3: return {time_ns, ExitEvent{pid, tid}};
    case 4: return {time_ns, LostEvent{input.Byte()}};
    default: return {time_ns, KernelSymbolEvent{ProcessAddress(input.Word()), input.Byte(), "bpf_x", true, true}};
  }
}

uint64_t AnyFrameWord(Input& input, bool is_leaf) {
  const uint8_t page = input.Byte();
  if (page == 255) return input.Word();
  return KILN_FRAME_WORD(KILN_FRAME_NATIVE, is_leaf ? 0 : KILN_FRAME_RETURN_ADDRESS, 1,
                         page % 20 * uint64_t{0x1000} + input.Byte());
}

// What one input does, and what has to come out of it.
class Run {
 public:
  explicit Run(Input& input) : input_(input), system_(input) {}

  void Feed() {
    while (!input_.empty()) {
      system_.now_ns += input_.Byte() * uint64_t{10'000'000};
      const uint8_t what = input_.Byte();
      if (what == 255) {
        TakeWindow();
      } else if (what % 2 == 0) {
        FeedSample();
      } else {
        aggregator_.OnSideBand(AnyEvent(input_, system_.now_ns));
      }
    }
    TakeWindow();
  }

  void CheckResult() {
    Check(aggregator_.samples() + aggregator_.comm_filtered() == fed_);
    Check(aggregator_.complete_samples() <= aggregator_.samples());
    Check(in_windows_ == aggregator_.samples());
  }

 private:
  void TakeWindow() {
    Window window = TakeWindowOf(aggregator_, locator_, processes_);
    window.frequency_hz = 99;
    int64_t counted = 0;
    for (const Aggregate::Count& count : window.aggregate.counts) counted += count.samples;
    Check(counted == window.aggregate.samples);
    in_windows_ += counted;
    // What follows must not be missed by the window that was taken.
    processes_.ForgetRetired({});
    locator_.objects().ForgetUnused(0);
    const bool has_kernel_frames = std::exchange(has_kernel_frames_, false);
    if (has_kernel_frames) return;
    NamingCounts naming;
    const profile::Profile profile = MakeProfile(window, namer_, {}, naming);
    Check(profile::Validate(profile).ok());
    int64_t in_profile = 0;
    for (const profile::Sample& sample : profile.samples) in_profile += sample.values.at(0);
    Check(in_profile == counted);
  }

  void FeedSample() {
    const Pid pid = input_.AnyPid();
    const uint8_t who = input_.Byte();
    const uint8_t shape = input_.Byte();
    identities_.push_back({.process_start_ns = 1u + who % 2,
                           .namespaced_pid = {who / 2 % 2 == 0 ? pid.value : 1},
                           .mount_namespace = who / 4 % 4u,
                           .thread_comm = who / 16 % 2 == 0 ? "thread" : "\xff;\n",
                           .process_comm = "process"});
    std::vector<uint64_t> kernel, user;
    for (int i = 0; i < shape % 8 - 5; ++i) kernel.push_back(input_.Word());
    for (int i = 0; i < shape / 8 % 8; ++i) user.push_back(AnyFrameWord(input_, i == 0));
    has_kernel_frames_ = has_kernel_frames_ || !kernel.empty();
    aggregator_.OnSample({.time_ns = system_.now_ns,
                          .pid = pid,
                          .tid = {who / 32 % 2 == 0 ? pid.value : pid.value + 100},
                          .flags = shape / 64 % 2 == 0 ? uint16_t{0} : uint16_t{KILN_SAMPLE_UNDECIDED},
                          .kernel_stop = static_cast<kiln_stop>(input_.Byte() % KILN_STOP_COUNT),
                          .user_stop = static_cast<kiln_stop>(input_.Byte() % KILN_STOP_COUNT),
                          .identity = &identities_.back(),
                          .kernel = kernel,
                          .user = user});
    ++fed_;
  }

  Input& input_;
  FuzzedSystem system_;
  ProcessTable processes_{system_};
  Locator locator_{processes_};
  Aggregator aggregator_{processes_, locator_, [](const ThreadIdentity& i) { return i.thread_comm == "thread"; }};
  std::deque<ThreadIdentity> identities_;
  Namer namer_{4096};
  int64_t fed_ = 0;
  int64_t in_windows_ = 0;
  bool has_kernel_frames_ = false;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input input(data, size);
  Run run(input);
  run.Feed();
  run.CheckResult();
  return 0;
}
