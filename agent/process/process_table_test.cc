// SPDX-License-Identifier: Apache-2.0
#include "agent/process/process_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

namespace kiln::agent {
namespace {

// A /proc that the test writes.
class FakeSystem : public ProcessSystem {
 public:
  StatusOr<std::vector<Mapping>> ReadMaps(Pid pid) override {
    ++reads;
    const auto found = maps.find(pid);
    if (found == maps.end()) return absl::NotFoundError("gone");
    return found->second;
  }
  bool IsAlive(Pid pid, uint64_t start_ns) override { return maps.contains(pid) && !reused.contains(pid); }
  uint64_t MonotonicNs() override { return now; }
  bool ExecFollows(Pid pid, uint64_t time_ns) override { return exec_follows; }

  std::map<Pid, std::vector<Mapping>> maps;
  std::set<Pid> reused;
  uint64_t now = 1'000'000'000;
  bool exec_follows = false;
  int reads = 0;
};

Mapping File(uint64_t start, uint64_t end, const std::string& path) {
  return {.start = ProcessAddress(start), .end = ProcessAddress(end), .inode = 1, .path = path};
}

class ProcessTableTest : public ::testing::Test {
 protected:
  Process& Sample(int pid, uint64_t start_ns, uint64_t time_ns = 500) {
    identities_.push_back({.process_start_ns = start_ns, .namespaced_pid = {pid}, .mount_namespace = 7});
    return table_.OnSample({.time_ns = time_ns, .pid = {pid}, .tid = {pid}, .identity = &identities_.back()});
  }
  void Event(uint64_t time_ns, decltype(SideBandEvent::event) event) { table_.OnSideBand({time_ns, std::move(event)}); }
  std::string PathAt(Process& process, uint64_t address, uint64_t time_ns = 500) {
    const Mapping* mapping = table_.FindMapping(process, ProcessAddress(address), time_ns);
    return mapping == nullptr ? "-" : mapping->path;
  }

  FakeSystem system_;
  ProcessTable table_{system_};
  std::deque<ThreadIdentity> identities_;
};

TEST_F(ProcessTableTest, ReadsTheMapsOfAnOldProcessOnceAtItsFirstSample) {
  system_.maps[{1}] = {File(10, 20, "/a")};
  Process& process = Sample(1, 100);
  EXPECT_EQ(PathAt(process, 15), "/a");
  EXPECT_EQ(PathAt(process, 16), "/a");
  EXPECT_EQ(&Sample(1, 100), &process);
  EXPECT_EQ(system_.reads, 1);
}

TEST_F(ProcessTableTest, KnowsAnExecedProcessFromEventsAloneAfterItIsGone) {
  Event(10, ForkEvent{{2}, {2}, {1}});
  Event(11, CommEvent{{2}, {2}, "x", true});
  Event(12, MmapEvent{.pid = {2}, .start = ProcessAddress(10), .length = 10, .path = "/x"});
  Event(600, ExitEvent{{2}, {2}});
  EXPECT_EQ(PathAt(Sample(2, 100), 15), "/x");
  EXPECT_EQ(system_.reads, 0);
}

TEST_F(ProcessTableTest, AnExecBeginsANewImage) {
  system_.maps[{1}] = {File(10, 20, "/before")};
  Process& before = Sample(1, 100);
  EXPECT_EQ(PathAt(before, 15), "/before");
  Event(600, CommEvent{{1}, {1}, "y", true});
  Event(601, MmapEvent{.pid = {1}, .start = ProcessAddress(10), .length = 10, .path = "/after"});
  Process& after = Sample(1, 100, 700);
  EXPECT_NE(after.id, before.id);
  EXPECT_EQ(PathAt(after, 15, 700), "/after");
  EXPECT_EQ(PathAt(before, 15), "-");  // takes no more samples: its maps are let go
}

TEST_F(ProcessTableTest, MapsReadAfterAnExecAreNotThoseOfTheSampleBeforeIt) {
  system_.maps[{1}] = {File(10, 20, "/after")};
  system_.exec_follows = true;
  EXPECT_EQ(PathAt(Sample(1, 100), 15), "-");
  EXPECT_EQ(table_.counts().maps_unknown, 1u);
}

TEST_F(ProcessTableTest, AReusedPidIsAnotherProcess) {
  system_.maps[{1}] = {File(10, 20, "/a")};
  Process& first = Sample(1, 100);
  EXPECT_EQ(PathAt(first, 15), "/a");
  system_.maps[{1}] = {File(10, 20, "/b")};
  Process& second = Sample(1, 200);
  EXPECT_NE(first.id, second.id);
  EXPECT_EQ(PathAt(second, 15), "/b");
}

TEST_F(ProcessTableTest, MapsOfAnotherProcessWithTheSamePidAreNotTaken) {
  system_.maps[{1}] = {File(10, 20, "/b")};
  system_.reused.insert({1});
  EXPECT_EQ(PathAt(Sample(1, 100), 15), "-");
}

TEST_F(ProcessTableTest, AForkedChildThatIsGoneRanItsParentsCode) {
  system_.maps[{1}] = {File(10, 20, "/parent")};
  Event(10, ForkEvent{{2}, {2}, {1}});
  EXPECT_EQ(PathAt(Sample(2, 100), 15), "/parent");
}

TEST_F(ProcessTableTest, ChildAndParentPartWhenOneMapsSomethingNew) {
  Event(10, CommEvent{{1}, {1}, "x", true});
  Event(11, MmapEvent{.pid = {1}, .start = ProcessAddress(10), .length = 10, .path = "/x"});
  Event(12, ForkEvent{{2}, {2}, {1}});
  Event(13, MmapEvent{.pid = {2}, .start = ProcessAddress(10), .length = 10, .path = "/child"});
  EXPECT_EQ(PathAt(Sample(1, 100), 15), "/x");
  Process& child = Sample(2, 200);
  EXPECT_EQ(PathAt(child, 15), "/child");
  EXPECT_EQ(child.generation, 1u);
}

TEST_F(ProcessTableTest, EventsOlderThanTheMapsAreInThemAlready) {
  system_.maps[{1}] = {File(10, 20, "/now")};
  Process& process = Sample(1, 100);
  EXPECT_EQ(PathAt(process, 15), "/now");
  Event(system_.now - 1, MmapEvent{.pid = {1}, .start = ProcessAddress(10), .length = 10, .path = "/old"});
  EXPECT_EQ(PathAt(process, 15), "/now");
  Event(system_.now + 1, MmapEvent{.pid = {1}, .start = ProcessAddress(10), .length = 10, .path = "/new"});
  EXPECT_EQ(PathAt(process, 15), "/new");
  EXPECT_EQ(process.generation, 1u);
}

TEST_F(ProcessTableTest, ReadsAgainForUnknownCodeButNotForEverySample) {
  system_.maps[{1}] = {File(10, 20, "/a")};
  Process& process = Sample(1, 100);
  EXPECT_EQ(PathAt(process, 35), "-");
  system_.maps[{1}].push_back(File(30, 40, "/late"));
  EXPECT_EQ(PathAt(process, 35, system_.now + 50'000'000), "-");
  system_.now += 200'000'000;
  EXPECT_EQ(PathAt(process, 35, system_.now), "/late");
  EXPECT_EQ(system_.reads, 2);
}

TEST_F(ProcessTableTest, APreloadedProcessMayBeGoneBeforeItsFirstSample) {
  system_.maps[{1}] = {File(10, 20, "/a")};
  table_.Preload({1});
  system_.maps.clear();
  EXPECT_EQ(PathAt(Sample(1, 100), 15), "/a");
}

TEST_F(ProcessTableTest, LooksForFilesThroughTheProcessItsParentAndItsMountNamespace) {
  Event(10, ForkEvent{{2}, {2}, {1}});
  Process& child = Sample(2, 100);
  Sample(3, 100);
  EXPECT_THAT(table_.FileViews(child), ::testing::ElementsAre(Pid{2}, Pid{1}, Pid{3}));
}

TEST_F(ProcessTableTest, ReadingTheSameMapsAgainIsNoNewGeneration) {
  system_.maps[{1}] = {File(10, 20, "/a")};
  Process& process = Sample(1, 100);
  EXPECT_EQ(PathAt(process, 15), "/a");
  system_.now += 200'000'000;
  EXPECT_EQ(PathAt(process, 35, system_.now), "-");
  EXPECT_EQ(system_.reads, 2);
  EXPECT_EQ(process.generation, 0u);
}

TEST_F(ProcessTableTest, ReadsLessAndLessOftenWhileItDoesNotHelp) {
  system_.maps[{1}] = {File(10, 20, "/a")};
  Process& process = Sample(1, 100);
  for (int i = 0; i < 600; ++i, system_.now += 100'000'000) (void)PathAt(process, 35, system_.now);  // a minute
  EXPECT_LT(system_.reads, 20);
  system_.maps[{1}].push_back(File(30, 40, "/late"));
  system_.now += 10'000'000'000;
  EXPECT_EQ(PathAt(process, 35, system_.now), "/late");
}

TEST_F(ProcessTableTest, DoesNotReadTheMapsOfAGoneOrUnreadableProcessForEverySample) {
  Process& process = Sample(1, 100);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(PathAt(process, 15, system_.now), "-");
  EXPECT_EQ(system_.reads, 1);
}

TEST_F(ProcessTableTest, AParentThatExecedSinceItsForkDoesNotLendItsCode) {
  Event(10, ForkEvent{{2}, {2}, {1}});
  Event(20, CommEvent{{1}, {1}, "x", true});
  Event(21, MmapEvent{.pid = {1}, .start = ProcessAddress(10), .length = 10, .path = "/x"});
  EXPECT_EQ(PathAt(Sample(2, 100), 15), "-");
}

TEST_F(ProcessTableTest, ParentsThatReuseEachOthersPidsAreNoEndlessChain) {
  Event(10, ForkEvent{{2}, {2}, {1}});
  Event(20, ForkEvent{{1}, {1}, {2}});
  EXPECT_EQ(PathAt(Sample(2, 100), 15), "-");
  EXPECT_EQ(PathAt(Sample(1, 200), 15), "-");
}

TEST_F(ProcessTableTest, ALongChainOfGoneParentsLeadsToTheirCode) {
  constexpr int kChain = 100'000;
  system_.maps[{1}] = {File(10, 20, "/first")};
  for (int pid = 1; pid < kChain; ++pid) Event(10, ForkEvent{{pid + 1}, {pid + 1}, {pid}});
  EXPECT_EQ(PathAt(Sample(kChain, 100), 15), "/first");
}

TEST_F(ProcessTableTest, AChildMapsMoreAfterItsForkThoughItsParentsMapsAreYounger) {
  system_.maps[{1}] = {File(10, 20, "/parent")};
  EXPECT_EQ(PathAt(Sample(1, 100), 15), "/parent");  // read now, at system_.now
  Event(system_.now - 20, ForkEvent{{2}, {2}, {1}});
  Event(system_.now - 10, MmapEvent{.pid = {2}, .start = ProcessAddress(30), .length = 10, .path = "/plugin"});
  EXPECT_EQ(PathAt(Sample(2, 200), 35), "/plugin");
}

TEST_F(ProcessTableTest, LooksAgainAfterEventsWereLost) {
  system_.maps[{1}] = {File(10, 20, "/a")};
  EXPECT_EQ(PathAt(Sample(1, 100), 15), "/a");
  system_.maps[{1}] = {File(10, 20, "/unseen")};
  system_.now += 200'000'000;
  Event(system_.now, LostEvent{1});
  Process& process = Sample(1, 100, system_.now);
  EXPECT_EQ(PathAt(process, 15, system_.now), "/unseen");
  EXPECT_EQ(process.generation, 1u);
  (void)Sample(1, 100, system_.now + 1'000'000'000);
  EXPECT_EQ(system_.reads, 2);
}

TEST_F(ProcessTableTest, ThreadsGoOnAfterTheFirstOneHasEnded) {
  Event(10, CommEvent{{2}, {2}, "x", true});
  Event(11, MmapEvent{.pid = {2}, .start = ProcessAddress(10), .length = 10, .path = "/x"});
  const ImageId image = Sample(2, 100).id;
  Event(600, ExitEvent{{2}, {2}});
  identities_.push_back({.process_start_ns = 100});
  const RawSample thread{.time_ns = 700, .pid = {2}, .tid = {3}, .identity = &identities_.back()};
  EXPECT_EQ(table_.OnSample(thread).id, image);
  Event(5'000'000'000, LostEvent{1});  // long after
  ASSERT_NE(table_.Current({2}), nullptr);
  EXPECT_EQ(PathAt(*table_.Current({2}), 15), "/x");
  Event(5'000'000'001, ExitEvent{{2}, {3}});  // the last thread
  Event(9'000'000'000, LostEvent{1});
  EXPECT_EQ(table_.Current({2}), nullptr);
}

TEST_F(ProcessTableTest, GoneProcessesAndThoseOfUnknownNamespacesAreNoViews) {
  Process& first = Sample(1, 100);
  Sample(2, 100);
  EXPECT_THAT(table_.NamespaceViews(first), ::testing::ElementsAre(Pid{1}, Pid{2}));
  Event(600, ExitEvent{{2}, {2}});
  EXPECT_THAT(table_.NamespaceViews(first), ::testing::ElementsAre(Pid{1}));
  Event(601, ExitEvent{{1}, {1}});
  EXPECT_THAT(table_.NamespaceViews(first), ::testing::ElementsAre());
  for (const int pid : {8, 9}) {
    identities_.push_back({.process_start_ns = 100, .mount_namespace = 0});
    (void)table_.OnSample({.time_ns = 700, .pid = {pid}, .tid = {pid}, .identity = &identities_.back()});
  }
  EXPECT_THAT(table_.NamespaceViews(*table_.Current({8})), ::testing::ElementsAre(Pid{8}));
}

TEST_F(ProcessTableTest, ForgetsAPidSomeTimeAfterItsExit) {
  Event(10, CommEvent{{2}, {2}, "x", true});
  Event(20, ExitEvent{{2}, {2}});
  EXPECT_NE(table_.Current({2}), nullptr);
  Event(2'000'000'000, LostEvent{3});
  EXPECT_EQ(table_.Current({2}), nullptr);
  EXPECT_EQ(table_.counts().side_band_lost, 3u);
}

TEST_F(ProcessTableTest, ForgetsImagesThatHaveEndedButNoneInUse) {
  const ImageId first = Sample(1, 100).id;
  Event(10, CommEvent{{1}, {1}, "x", true});  // another program in the same process
  const ImageId second = Sample(1, 100).id;
  Sample(2, 100);
  Event(20, ExitEvent{{2}, {2}});
  Event(2'000'000'000, CommEvent{{3}, {3}, "y", true});
  EXPECT_EQ(table_.size(), 4u);
  table_.ForgetRetired({first});
  EXPECT_EQ(table_.size(), 3u);
  EXPECT_EQ(table_.image(first).pid, Pid{1});
  EXPECT_EQ(table_.image(second).pid, Pid{1});
  table_.ForgetRetired({});
  EXPECT_EQ(table_.size(), 2u);
  EXPECT_EQ(table_.Current({1})->id, second);
}

TEST_F(ProcessTableTest, LooksForProcessesWhoseEndWasLost) {
  system_.maps[{1}] = {File(10, 20, "/a")};
  Sample(1, 100);
  Sample(2, 100);
  table_.ForgetRetired({});
  EXPECT_EQ(table_.size(), 2u);  // nothing was lost: nobody is looked for
  Event(20, LostEvent{1});
  table_.ForgetRetired({});
  EXPECT_EQ(table_.Current({2}), nullptr);
  EXPECT_NE(table_.Current({1}), nullptr);
  EXPECT_EQ(table_.size(), 1u);
}

}  // namespace
}  // namespace kiln::agent
