// SPDX-License-Identifier: Apache-2.0
// kill -9 between any two steps: a child takes batches, sends and removes them, and dies at its n-th step (a system
// call by which SQLite changes the disk, or a step of ExportPath), for every n until it runs through. What came of it
// is in two files that stand for the rest of the world: `accepted`, who the child told that a batch is its own now, and
// `delivered`, the server. Then the queue is opened again and drained, and the parent compares.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <map>

#include "base/fd.h"
#include "pipeline/export_path.h"
#include "pipeline/testing/batches.h"
#include "pipeline/testing/sqlite_faults.h"

namespace kiln::pipeline {
namespace {

constexpr int kBatches = 4;

void AppendLine(const std::string& path, std::string line) {
  line += '\n';
  const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (::write(fd.get(), line.data(), line.size()) != static_cast<ssize_t>(line.size())) ::_exit(3);
}

// Counts to the step that is the last.
class Fuse {
 public:
  explicit Fuse(int steps) : left_(steps) {}
  void Step() {
    const std::lock_guard lock(mutex_);
    if (left_ > 0 && --left_ == 0) ::raise(SIGKILL);
  }

 private:
  std::mutex mutex_;
  int left_;
};

// Fails every third attempt, so that batches also wait for their back-off when the end comes.
class FileServer : public Exporter {
 public:
  FileServer(std::string path, Fuse& fuse) : path_(std::move(path)), fuse_(fuse) {}
  ExportResult Export(const Batch& batch, absl::Duration) override {
    if (++attempts_ % 3 == 2) return {.outcome = ExportResult::Outcome::kRetryable, .message = "busy"};
    AppendLine(path_, batch.bytes.substr(0, batch.bytes.find(' ')));
    fuse_.Step();
    return {};
  }

 private:
  const std::string path_;
  Fuse& fuse_;
  int attempts_ = 0;  // one consumer
};

// One life of the process: gives `batches` new ones named after `generation`, ends in order, and writes its books down.
int Live(const std::string& directory, int generation, int batches, int steps) {
  Fuse fuse(steps);
  SqliteFaults faults;
  faults.BeforeWrite([&] { fuse.Step(); });
  SystemClock clock;
  MetricRegistry metrics;
  FileServer server(directory + "/delivered", fuse);
  ExportPath::Options options{.exporter_id = "otlp",
                              .signal = Signal::kLogs,
                              .settings = {.retry = {.initial_interval = absl::Milliseconds(1)},
                                           .queue = {.num_consumers = 1, .storage = "file_storage"}},
                              .storage = FileStorageSettings{.directory = directory + "/queue"},
                              .step = [&](std::string_view) { fuse.Step(); }};
  auto path = ExportPath::Create(std::move(options), server, clock, metrics);
  if (!path.ok()) {
    fprintf(stderr, "%s\n", std::string(Message(path.status())).c_str());
    return 4;
  }
  for (int i = 0; i < batches; ++i) {
    const std::string name = fmt::format("{}.{}", generation, i);
    // Larger than a page; one takes many.
    const size_t padding = i == 2 ? 60'000 : 6000;
    if (!(*path)->Consume(TextBatch(name + " " + std::string(padding, 'x'), 1, 10)).ok()) return 5;
    AppendLine(directory + "/accepted", name);
    fuse.Step();
  }
  (*path)->Shutdown(absl::Seconds(60));
  const Ledger ledger = (*path)->ReadLedger();
  if (!ledger.Balanced()) {
    fprintf(stderr, "%s", ledger.Dump().c_str());
    return 6;
  }
  std::ofstream(directory + "/ledger") << ledger.restored.weight << ' ' << ledger.accepted.weight << ' '
                                       << ledger.delivered.weight << ' ' << ledger.redelivered.weight << ' '
                                       << ledger.queued.weight << '\n';
  return 0;
}

// Runs Live in a process of its own; its status as of waitpid.
int Spawn(const std::string& directory, int generation, int batches, int steps) {
  const std::string numbers[] = {std::to_string(generation), std::to_string(batches), std::to_string(steps)};
  const char* arguments[] = {"kill_test",        "--live", directory.c_str(), numbers[0].c_str(), numbers[1].c_str(),
                             numbers[2].c_str(), nullptr};
  pid_t child = 0;
  EXPECT_EQ(::posix_spawn(&child, "/proc/self/exe", nullptr, nullptr, const_cast<char**>(arguments), environ), 0);
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return status;
}

std::map<std::string, int> CountLines(const std::string& path) {
  std::map<std::string, int> lines;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) ++lines[line];
  return lines;
}

bool DiedOf(int status, int signal) { return WIFSIGNALED(status) && WTERMSIG(status) == signal; }

// Lives without a fuse until nothing is left; the sum of what the books call redelivered.
int64_t DrainAndSum(const std::string& directory, int first_generation) {
  int64_t sum = 0;
  for (int generation = first_generation; generation < first_generation + 20; ++generation) {
    EXPECT_EQ(Spawn(directory, generation, 0, 0), 0);
    int64_t restored = 0, accepted = 0, delivered = 0, redelivered = 0, queued = 0;
    std::ifstream(directory + "/ledger") >> restored >> accepted >> delivered >> redelivered >> queued;
    EXPECT_EQ(restored + accepted, delivered + queued);
    sum += redelivered;
    if (queued == 0) return sum;
  }
  ADD_FAILURE() << "the queue does not become empty";
  return sum;
}

void ExpectAllDelivered(const std::string& directory, int64_t most_duplicates) {
  const auto delivered = CountLines(directory + "/delivered");
  for (const auto& [name, count] : CountLines(directory + "/accepted")) {
    EXPECT_TRUE(delivered.contains(name)) << name << " was accepted and is lost";
  }
  int64_t duplicates = 0;
  for (const auto& [name, count] : delivered) duplicates += count - 1;
  EXPECT_LE(duplicates, most_duplicates);
}

TEST(Kill, BetweenAnyTwoStepsLosesNothing) {
  for (int step = 1;; ++step) {
    SCOPED_TRACE(fmt::format("killed at step {}", step));
    ASSERT_LT(step, 2000) << "it never runs through";
    const ScratchDirectory scratch;
    const int status = Spawn(scratch.path(), 0, kBatches, step);
    if (status != 0) {
      ASSERT_TRUE(DiedOf(status, SIGKILL)) << status;
    }
    const int64_t redelivered = DrainAndSum(scratch.path(), 1);
    ExpectAllDelivered(scratch.path(), redelivered / 10);
    if (::testing::Test::HasFailure()) return;
    if (status == 0) {
      EXPECT_GT(step, 50) << "fewer steps than there must be";
      printf("%d steps\n", step - 1);
      return;
    }
  }
}

// The one that cleans up behind the dead dies as well.
TEST(Kill, DuringRecoveryLosesNothing) {
  for (int step = 5; step < 200; step += 13) {
    SCOPED_TRACE(fmt::format("killed at step {}", step));
    const ScratchDirectory scratch;
    Spawn(scratch.path(), 0, kBatches, step);
    for (int second = 1; second < 40; second += 3) {
      const int status = Spawn(scratch.path(), second, 1, second);
      if (status != 0) {
        ASSERT_TRUE(DiedOf(status, SIGKILL)) << status;
      }
    }
    DrainAndSum(scratch.path(), 100);
    // The books of those who died are gone, and with them the number of what they sent again.
    ExpectAllDelivered(scratch.path(), 1000);
    if (::testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace kiln::pipeline

int main(int argc, char** argv) {
  if (argc == 6 && std::string_view(argv[1]) == "--live") {
    return kiln::pipeline::Live(argv[2], std::atoi(argv[3]), std::atoi(argv[4]), std::atoi(argv[5]));
  }
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
