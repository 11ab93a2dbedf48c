// SPDX-License-Identifier: Apache-2.0
// Faults, and whether the books still add up: every sample that was accepted is delivered, dropped under a name, or
// still there. What the books say is compared with what the server counted.
#include "pipeline/ledger.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <random>

#include "pipeline/export_path.h"
#include "pipeline/testing/batches.h"
#include "pipeline/testing/fake_clock.h"
#include "pipeline/testing/fake_exporter.h"
#include "pipeline/testing/sqlite_faults.h"

namespace kiln::pipeline {
namespace {

using Overflow = QueueSettings::Overflow;

// Random numbers that any thread may draw.
class Dice {
 public:
  explicit Dice(uint32_t seed) : engine_(seed) {}
  int Roll(int sides) {
    const std::lock_guard lock(mutex_);
    return static_cast<int>(engine_() % static_cast<uint32_t>(sides));
  }

 private:
  std::mutex mutex_;
  std::mt19937 engine_;
};

// A server that counts for itself.
class CountingExporter : public Exporter {
 public:
  explicit CountingExporter(FakeExporter::Script script) : script_(std::move(script)) {}
  ExportResult Export(const Batch& batch, absl::Duration timeout) override {
    EXPECT_GT(timeout, absl::ZeroDuration());
    const ExportResult result = script_(batch);
    if (result.outcome == ExportResult::Outcome::kDelivered) {
      taken_items += batch.items - std::min(result.rejected_items, batch.items);
      taken_requests += 1;
    }
    ++attempts;
    return result;
  }
  std::atomic<int64_t> taken_items = 0, taken_requests = 0, attempts = 0;

 private:
  const FakeExporter::Script script_;
};

struct Scene {
  const char* name;
  FakeExporter::Script script;
  ExportPathSettings settings;
  bool storage = false;
};

class LedgerTest : public ::testing::Test {
 protected:
  // Lets `producers` threads give `batches` each while time flies, waits until all is decided, and ends it.
  Ledger Play(const Scene& scene, int producers = 1, int batches = 20) {
    SCOPED_TRACE(scene.name);
    CountingExporter exporter(scene.script);
    ExportPath::Options options{.exporter_id = scene.name, .settings = scene.settings, .random = [] { return 0.5; }};
    if (scene.storage) {
      options.settings.queue.storage = "file_storage";
      options.storage = {.directory = scratch_.path(), .max_size_mib = 4};
    }
    MetricRegistry metrics;
    auto path = ExportPath::Create(options, exporter, clock_, metrics);
    EXPECT_TRUE(path.ok()) << path.status();
    std::atomic<int> running = producers;
    std::atomic<int64_t> given = 0;
    std::vector<std::thread> threads;
    for (int p = 0; p < producers; ++p) {
      threads.emplace_back([&] {
        for (int i = 0; i < batches; ++i) {
          const BatchPtr& batch = batches_[static_cast<size_t>(dice_.Roll(static_cast<int>(batches_.size())))];
          given += batch->weight;
          (void)(*path)->Consume(batch);  // refused or not: both are in the books
        }
        --running;
      });
    }
    clock_.RunUntil([&] {
      const Ledger ledger = (*path)->ReadLedger();
      return running == 0 && ledger.queued == Amount{} && ledger.in_flight.weight == 0 && ledger.Balanced();
    });
    for (std::thread& thread : threads) thread.join();
    (*path)->Shutdown(absl::Seconds(1));
    const Ledger ledger = (*path)->ReadLedger();
    EXPECT_TRUE(ledger.Balanced()) << ledger.Dump();
    EXPECT_EQ(ledger.in_flight, Amount{}) << ledger.Dump();
    EXPECT_EQ(ledger.delivered.items, exporter.taken_items) << ledger.Dump();
    EXPECT_EQ(ledger.delivered.requests, exporter.taken_requests) << ledger.Dump();
    int64_t refused = 0;
    for (const Amount& amount : ledger.refused) refused += amount.weight;
    EXPECT_EQ(ledger.accepted.weight + refused, given) << ledger.Dump();
    return ledger;
  }

  ScratchDirectory scratch_;
  FakeClock clock_;
  Dice dice_{7};
  const std::vector<BatchPtr> batches_ = {ProfileBatch(20), ProfileBatch(3, 2), ProfileBatch(120, 3)};
};

TEST_F(LedgerTest, DownForMinutes) {
  const absl::Duration back = clock_.Monotonic() + absl::Minutes(4);
  const Ledger ledger =
      Play({"down", [&](const Batch&) { return clock_.Monotonic() < back ? Retryable() : Delivered(); }});
  EXPECT_EQ(ledger.TotalDropped(), Amount{}) << ledger.Dump();
}

TEST_F(LedgerTest, DownForLongerThanRetryLasts) {
  const absl::Duration back = clock_.Monotonic() + absl::Minutes(12);
  const Ledger ledger = Play({"down",
                              [&](const Batch&) { return clock_.Monotonic() < back ? Retryable() : Delivered(); },
                              {.queue = {.num_consumers = 2}}});
  EXPECT_GT(ledger.Dropped(DropReason::kRetryExhausted).weight, 0);
  EXPECT_GT(ledger.delivered.weight, 0);
}

TEST_F(LedgerTest, SlowSoThatTheQueueFills) {
  for (const Overflow overflow : {Overflow::kDropOldest, Overflow::kRefuse, Overflow::kBlock}) {
    for (const bool storage : {false, true}) {
      // Each second attempt fails, which takes five seconds of the clock that only moves when somebody waits for it.
      std::atomic<int> attempts = 0;
      const Ledger ledger = Play({"slow",
                                  [&](const Batch&) { return ++attempts % 2 == 1 ? Retryable() : Delivered(); },
                                  {.queue = {.num_consumers = 2, .queue_size = 3, .overflow = overflow}},
                                  storage},
                                 3);
      const bool drops = overflow == Overflow::kDropOldest;
      if (!drops) {
        EXPECT_EQ(ledger.TotalDropped(), Amount{}) << ledger.Dump();
      }
      if (overflow == Overflow::kBlock) {
        EXPECT_EQ(ledger.accepted.requests, 60);
      }
    }
  }
}

TEST_F(LedgerTest, UnavailableWithRetryAfter) {
  std::atomic<int> attempts = 0;
  const absl::Duration start = clock_.Monotonic();
  const Ledger ledger =
      Play({"503",
            [&](const Batch&) { return ++attempts % 3 == 0 ? Delivered() : Retryable(absl::Seconds(100)); },
            {.retry = {.max_elapsed_time = absl::ZeroDuration()}}});
  EXPECT_EQ(ledger.TotalDropped(), Amount{}) << ledger.Dump();
  EXPECT_GE(clock_.Monotonic() - start, absl::Seconds(200));
}

TEST_F(LedgerTest, TooLargePermanentAndPartial) {
  const Ledger too_large = Play({"413", [](const Batch& b) { return b.items > 7 ? TooLarge() : Delivered(); }});
  EXPECT_EQ(too_large.TotalDropped(), Amount{});
  const Ledger never = Play({"413 always", [](const Batch&) { return TooLarge(); }});
  EXPECT_EQ(never.Dropped(DropReason::kTooLarge).weight, never.accepted.weight);
  const Ledger permanent = Play({"400", [](const Batch&) { return Permanent(); }});
  EXPECT_EQ(permanent.Dropped(DropReason::kPermanent).weight, permanent.accepted.weight);
  const Ledger partial = Play({"partial", [](const Batch& b) { return ExportResult{.rejected_items = b.items / 3}; }});
  EXPECT_GT(partial.Dropped(DropReason::kRejected).weight, 0);
}

// Whatever a server may answer, in any order, also to the pieces of one batch; the wall clock jumps meanwhile.
TEST_F(LedgerTest, RandomMixtures) {
  for (uint32_t seed = 1; seed <= 12; ++seed) {
    Dice dice(seed);
    const auto script = [&](const Batch& batch) -> ExportResult {
      switch (dice.Roll(12)) {
        case 0: return Permanent();
        case 1: return TooLarge();
        case 2: return Retryable(absl::Seconds(dice.Roll(400)));
        case 3: return {.rejected_items = dice.Roll(9)};
        case 4: clock_.JumpWall(absl::Hours(dice.Roll(100) - 50)); return Retryable();
        case 5:
        case 6: return Retryable();
        default: return Delivered();
      }
    };
    const ExportPathSettings settings{.retry = {.max_elapsed_time = absl::Seconds(dice.Roll(60))},
                                      .queue = {.enabled = dice.Roll(6) != 0,
                                                .num_consumers = 1 + dice.Roll(5),
                                                .queue_size = 50 + dice.Roll(400),
                                                .sizer = Sizer::kItems,
                                                .overflow = static_cast<Overflow>(dice.Roll(3))},
                                      .max_request_bytes = dice.Roll(2) * 20'000,
                                      .max_request_items = dice.Roll(2) * (1 + dice.Roll(40))};
    SCOPED_TRACE(seed);
    Play({"random", script, settings, seed % 2 == 0}, 1 + dice.Roll(4), 25);
  }
}

TEST_F(LedgerTest, TheDiskFillsAndRecoversUnderLoad) {
  for (const int error_number : {ENOSPC, EIO, EFBIG}) {
    SqliteFaults faults;
    std::atomic<int> attempts = 0;
    const Ledger ledger = Play({"disk",
                                [&](const Batch&) {
                                  ++attempts;
                                  faults.FailWrites(attempts / 7 % 2 == 0 ? error_number : 0);
                                  return attempts % 3 == 0 ? Retryable() : Delivered();
                                },
                                {.queue = {.num_consumers = 3}},
                                true},
                               3, 60);
    EXPECT_GT(ledger.delivered.weight, 0);
  }
}

TEST(Ledger, NamesWhatIsNotZero) {
  Ledger ledger{.accepted = {1, 2, 3}};
  ledger.dropped[0] = {1, 2, 3};
  EXPECT_EQ(ledger.Dump(),
            "accepted: 3 samples, 2 items, 1 requests\ndropped queue_full: 3 samples, 2 items, 1 requests\n");
  EXPECT_TRUE(ledger.Balanced());
  ledger.queued.items = 1;
  EXPECT_FALSE(ledger.Balanced());
}

}  // namespace
}  // namespace kiln::pipeline
