// SPDX-License-Identifier: Apache-2.0
#include "pipeline/export_path.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pipeline/fan_out.h"
#include "pipeline/testing/batches.h"
#include "pipeline/testing/fake_clock.h"
#include "pipeline/testing/fake_exporter.h"

namespace kiln::pipeline {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;
using Overflow = QueueSettings::Overflow;

class ExportPathTest : public ::testing::Test {
 protected:
  ExportPathTest() {
    options_.exporter_id = "otlp/eu";
    options_.signal = Signal::kLogs;
    options_.settings.retry.randomization_factor = 0;
    options_.settings.queue.num_consumers = 1;
    options_.notify = [this](const Notice& notice) {
      const std::lock_guard lock(mutex_);
      notices_.push_back(notice.text);
    };
  }
  // The exporter of a path; paths go before what they use.
  ExportPath& Make() {
    auto path = ExportPath::Create(options_, exporter_, clock_, metrics_);
    EXPECT_TRUE(path.ok()) << path.status();
    path_ = *std::move(path);
    return *path_;
  }
  static void Give(ExportPath& path, BatchPtr batch) { EXPECT_EQ(path.Consume(std::move(batch)), absl::OkStatus()); }
  void UseStorage() {
    options_.settings.queue.storage = "file_storage";
    options_.storage = {.directory = scratch_.path()};
  }
  void ExpectBalanced() {
    const Ledger ledger = path_->ReadLedger();
    EXPECT_TRUE(ledger.Balanced()) << ledger.Dump();
  }
  void AwaitDecided() {
    clock_.RunUntil([&] {
      const Ledger ledger = path_->ReadLedger();
      return ledger.queued == Amount{} && ledger.in_flight == Amount{} && ledger.Balanced();
    });
  }
  std::vector<std::string> notices() {
    const std::lock_guard lock(mutex_);
    return notices_;
  }

  ScratchDirectory scratch_;
  FakeClock clock_;
  MetricRegistry metrics_;
  FakeExporter exporter_;
  std::mutex mutex_;
  std::vector<std::string> notices_;
  ExportPath::Options options_;
  std::unique_ptr<ExportPath> path_;
};

TEST_F(ExportPathTest, DeliversInOrder) {
  ExportPath& path = Make();
  for (const char* text : {"a", "b", "c"}) EXPECT_EQ(path.Consume(TextBatch(text, 2, 7)), absl::OkStatus());
  exporter_.AwaitFinished(3);
  AwaitDecided();
  EXPECT_THAT(exporter_.texts(), ElementsAre("a", "b", "c"));
  EXPECT_EQ(path.ReadLedger().delivered, (Amount{3, 6, 21}));
  EXPECT_THAT(exporter_.timeouts(), Each(absl::Seconds(5)));
  EXPECT_EQ(path.state().consumers, 1);
  EXPECT_EQ(path.state().sending.last->outcome, ExportResult::Outcome::kDelivered);
  EXPECT_THAT(notices(), IsEmpty());
}

TEST_F(ExportPathTest, StartsThreadsOnlyForWork) {
  options_.settings.queue.num_consumers = 10;
  ExportPath& path = Make();
  EXPECT_EQ(path.state().consumers, 0);
  exporter_.SetScript([&](const Batch&) { return exporter_.HangUntilCancelled(); });
  for (int i = 1; i <= 3; ++i) {
    Give(path, TextBatch("x"));
    exporter_.AwaitAttempts(i);
    EXPECT_EQ(path.state().consumers, i);
  }
}

TEST_F(ExportPathTest, TriesAgainAfterTheBackOff) {
  exporter_.SetScript([&](const Batch&) { return exporter_.attempts() < 3 ? Retryable() : Delivered(); });
  ExportPath& path = Make();
  const absl::Duration start = clock_.Monotonic();
  Give(path, TextBatch("a"));
  EXPECT_EQ(clock_.AwaitWaiters() - start, absl::Seconds(5));
  clock_.Advance(absl::Seconds(4.999));
  EXPECT_EQ(exporter_.attempts(), 1);
  clock_.Advance(absl::Seconds(0.001));
  exporter_.AwaitAttempts(2);
  EXPECT_EQ(clock_.AwaitWaiters() - start, absl::Seconds(12.5));
  EXPECT_EQ(path.state().sending.consecutive_failures, 2);
  EXPECT_EQ(path.state().sending.last->message, "connection refused");
  clock_.AdvanceToNextDeadline();
  AwaitDecided();
  EXPECT_THAT(exporter_.texts(), ElementsAre("a"));
  EXPECT_EQ(path.state().sending.consecutive_failures, 0);
  EXPECT_THAT(notices(), ElementsAre("exporter otlp/eu: sending failed: connection refused",
                                     "exporter otlp/eu: sending works again after 2 failed attempts"));
}

TEST_F(ExportPathTest, RespectsRetryAfter) {
  exporter_.SetScript(
      [&](const Batch&) { return exporter_.attempts() == 1 ? Retryable(absl::Seconds(90)) : Delivered(); });
  Give(Make(), TextBatch("a"));
  const absl::Duration start = clock_.Monotonic();
  EXPECT_EQ(clock_.AwaitWaiters() - start, absl::Seconds(90));
}

TEST_F(ExportPathTest, GivesUpWhenTheTimeIsOverWhateverTheWallClockSays) {
  exporter_.SetScript([&](const Batch&) {
    clock_.JumpWall(exporter_.attempts() % 2 == 0 ? absl::Hours(7) : -absl::Hours(9));
    return Retryable();
  });
  ExportPath& path = Make();
  const absl::Duration start = clock_.Monotonic();
  Give(path, TextBatch("a", 3, 4));
  AwaitDecided();
  EXPECT_EQ(path.ReadLedger().Dropped(DropReason::kRetryExhausted), (Amount{1, 3, 4}));
  const absl::Duration elapsed = clock_.Monotonic() - start;
  EXPECT_LE(elapsed, absl::Minutes(5));
  EXPECT_GT(elapsed, absl::Minutes(4));
  EXPECT_THAT(notices(), Contains("exporter otlp/eu: 3 items were dropped (retry_exhausted): connection refused"));
}

TEST_F(ExportPathTest, DropsAtOnceWhatTheServerNeverTakes) {
  exporter_.SetScript([](const Batch& batch) { return batch.bytes == "bad" ? Permanent() : Delivered(); });
  ExportPath& path = Make();
  Give(path, TextBatch("bad", 2, 9));
  Give(path, TextBatch("good"));
  AwaitDecided();
  EXPECT_EQ(exporter_.attempts(), 2);
  EXPECT_EQ(path.ReadLedger().Dropped(DropReason::kPermanent), (Amount{1, 2, 9}));
  EXPECT_EQ(path.ReadLedger().delivered.items, 1);
}

TEST_F(ExportPathTest, CountsAPartialSuccessToTheLastItem) {
  exporter_.SetScript([](const Batch&) { return ExportResult{.message = "too old", .rejected_items = 3}; });
  ExportPath& path = Make();
  Give(path, TextBatch("a", 10, 101));
  AwaitDecided();
  const Ledger ledger = path.ReadLedger();
  EXPECT_EQ(ledger.delivered, (Amount{1, 7, 71}));
  EXPECT_EQ(ledger.Dropped(DropReason::kRejected), (Amount{0, 3, 30}));
  EXPECT_EQ(ledger.in_flight, Amount{});
  EXPECT_THAT(notices(), ElementsAre(HasSubstr("rejected 3 of 10 items: too old")));
}

TEST_F(ExportPathTest, ARejectionOfMoreThanThereWasIsAllOfIt) {
  exporter_.SetScript([](const Batch&) { return ExportResult{.rejected_items = 1'000'000}; });
  ExportPath& path = Make();
  Give(path, TextBatch("a", 10, 101));
  AwaitDecided();
  EXPECT_EQ(path.ReadLedger().Dropped(DropReason::kRejected), (Amount{0, 10, 101}));
}

TEST_F(ExportPathTest, CutsToTheLimits) {
  options_.settings.max_request_items = 50;
  ExportPath& path = Make();
  const BatchPtr batch = ProfileBatch(400);
  Give(path, batch);
  AwaitDecided();
  const auto delivered = exporter_.delivered();
  EXPECT_EQ(delivered.size(), static_cast<size_t>((batch->items + 49) / 50));
  for (const Batch& piece : delivered) EXPECT_LE(piece.items, 50);
  EXPECT_EQ(path.ReadLedger().delivered.weight, batch->weight);
}

TEST_F(ExportPathTest, HalvesWhatTheServerFindsTooLarge) {
  exporter_.SetScript([](const Batch& batch) { return batch.items > 30 ? TooLarge() : Delivered(); });
  ExportPath& path = Make();
  const BatchPtr batch = ProfileBatch(200);
  Give(path, batch);
  AwaitDecided();
  EXPECT_EQ(path.ReadLedger().delivered.items, batch->items);
  EXPECT_EQ(path.ReadLedger().delivered.weight, batch->weight);
  EXPECT_EQ(path.ReadLedger().in_flight, Amount{});
}

TEST_F(ExportPathTest, DropsTheSingleSampleThatIsTooLarge) {
  const BatchPtr batch = ProfileBatch(40);
  // One sample of the batch is the culprit.
  exporter_.SetScript([culprit = std::string("/usr/lib/libsynthetic 9")](const Batch& piece) {
    return piece.bytes.find(culprit) != std::string::npos ? TooLarge() : Delivered();
  });
  ExportPath& path = Make();
  Give(path, batch);
  Give(path, TextBatch("cannot be cut: culprit /usr/lib/libsynthetic 9"));
  AwaitDecided();
  const Ledger ledger = path.ReadLedger();
  EXPECT_GT(ledger.delivered.items, 0);
  EXPECT_GT(ledger.Dropped(DropReason::kTooLarge).items, 1);
  EXPECT_EQ(ledger.delivered.weight + ledger.Dropped(DropReason::kTooLarge).weight, batch->weight + 1);
}

TEST_F(ExportPathTest, DropsWhatCannotBeCutBecauseItIsDamaged) {
  options_.settings.max_request_items = 1;
  ExportPath& path = Make();
  Give(path, std::make_shared<const Batch>(Batch{.bytes = "no protobuf", .items = 5, .weight = 6}));
  AwaitDecided();
  EXPECT_EQ(path.ReadLedger().Dropped(DropReason::kMalformed), (Amount{1, 5, 6}));
  EXPECT_EQ(exporter_.attempts(), 0);
}

TEST_F(ExportPathTest, AQueueThatFillsDuringBackOffDropsTheOldest) {
  options_.settings.queue.queue_size = 2;
  exporter_.SetScript([](const Batch&) { return Retryable(); });
  ExportPath& path = Make();
  Give(path, TextBatch("in hand"));
  clock_.AwaitWaiters();
  for (const char* text : {"b", "c", "d"}) EXPECT_EQ(path.Consume(TextBatch(text)), absl::OkStatus());
  EXPECT_EQ(path.ReadLedger().Dropped(DropReason::kQueueFull).requests, 1);
  ExpectBalanced();
  exporter_.SetScript({});
  AwaitDecided();
  EXPECT_THAT(exporter_.texts(), ElementsAre("in hand", "c", "d"));
}

TEST_F(ExportPathTest, RefusesWhenFullIfToldTo) {
  options_.settings.queue.queue_size = 1;
  options_.settings.queue.overflow = Overflow::kRefuse;
  exporter_.SetScript([](const Batch&) { return Retryable(); });
  ExportPath& path = Make();
  Give(path, TextBatch("in hand"));
  clock_.AwaitWaiters();
  EXPECT_EQ(path.Consume(TextBatch("b")), absl::OkStatus());
  const Status status = path.Consume(TextBatch("c", 2, 3));
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(path.ReadLedger().refused[static_cast<size_t>(RefuseReason::kQueueFull)], (Amount{1, 2, 3}));
  ExpectBalanced();
}

TEST_F(ExportPathTest, ABlockedProducerGoesOnWhenThereIsRoom) {
  options_.settings.queue.queue_size = 1;
  options_.settings.queue.overflow = Overflow::kBlock;
  exporter_.SetScript([](const Batch&) { return Retryable(); });
  ExportPath& path = Make();
  Give(path, TextBatch("a"));
  clock_.AwaitWaiters();
  Give(path, TextBatch("b"));
  std::thread producer([&] { EXPECT_EQ(path.Consume(TextBatch("c")), absl::OkStatus()); });
  exporter_.SetScript({});
  clock_.AdvanceToNextDeadline();
  producer.join();
  AwaitDecided();
  EXPECT_THAT(exporter_.texts(), ElementsAre("a", "b", "c"));
}

TEST_F(ExportPathTest, ABlockedProducerIsRefusedAtTheEnd) {
  options_.settings.queue.queue_size = 1;
  options_.settings.queue.overflow = Overflow::kBlock;
  exporter_.SetScript([](const Batch&) { return Retryable(); });
  ExportPath& path = Make();
  Give(path, TextBatch("a"));
  clock_.AwaitWaiters();
  Give(path, TextBatch("b"));
  std::thread producer([&] { EXPECT_EQ(path.Consume(TextBatch("c")).code(), absl::StatusCode::kUnavailable); });
  path.Shutdown(absl::Seconds(1));
  producer.join();
  const Ledger ledger = path.ReadLedger();
  EXPECT_TRUE(ledger.Balanced()) << ledger.Dump();
  EXPECT_EQ(ledger.Dropped(DropReason::kShutdown).requests, 2);
}

TEST_F(ExportPathTest, RefusesWhatIsLargerThanTheQueue) {
  options_.settings.queue.sizer = Sizer::kItems;
  options_.settings.queue.queue_size = 10;
  EXPECT_EQ(Make().Consume(TextBatch("a", 11)).code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(ExportPathTest, ForgetsWhatIsEmpty) {
  ExportPath& path = Make();
  EXPECT_EQ(path.Consume(TextBatch("", 0, 0)), absl::OkStatus());
  EXPECT_EQ(path.Consume(nullptr), absl::OkStatus());
  EXPECT_EQ(path.ReadLedger().accepted, Amount{});
}

TEST_F(ExportPathTest, ShutdownFlushesWhatIsQueued) {
  exporter_.SetScript([](const Batch&) { return Retryable(); });
  ExportPath& path = Make();
  for (const char* text : {"a", "b", "c"}) Give(path, TextBatch(text));
  clock_.AwaitWaiters();
  exporter_.SetScript({});
  path.Shutdown(absl::Seconds(3));
  EXPECT_THAT(exporter_.texts(), ElementsAre("a", "b", "c"));
  EXPECT_FALSE(exporter_.cancelled());
  EXPECT_EQ(exporter_.timeouts().back(), absl::Seconds(3)) << "no attempt may outlast the end";
  EXPECT_EQ(path.Consume(TextBatch("d")).code(), absl::StatusCode::kUnavailable);
  path.Shutdown(absl::Seconds(3));
  ExpectBalanced();
}

TEST_F(ExportPathTest, ShutdownDropsWhatCantBeSentAfterOneLastAttempt) {
  exporter_.SetScript([](const Batch&) { return Retryable(); });
  ExportPath& path = Make();
  for (const char* text : {"a", "b", "c"}) Give(path, TextBatch(text, 1, 5));
  clock_.AwaitWaiters();
  path.Shutdown(absl::Seconds(3));
  EXPECT_EQ(exporter_.attempts(), 4);
  const Ledger ledger = path.ReadLedger();
  EXPECT_EQ(ledger.Dropped(DropReason::kShutdown), (Amount{3, 3, 15}));
  EXPECT_TRUE(ledger.Balanced()) << ledger.Dump();
  EXPECT_EQ(path.state().consumers, 0);
}

TEST_F(ExportPathTest, ShutdownCancelsAttemptsAtTheDeadline) {
  exporter_.SetScript([&](const Batch&) { return exporter_.HangUntilCancelled(); });
  ExportPath& path = Make();
  Give(path, TextBatch("a"));
  Give(path, TextBatch("b"));
  exporter_.AwaitAttempts(1);
  std::thread stopper([&] { path.Shutdown(absl::Seconds(10)); });
  clock_.AwaitWaiters();
  EXPECT_FALSE(exporter_.cancelled());
  clock_.AdvanceToNextDeadline();
  stopper.join();
  EXPECT_TRUE(exporter_.cancelled());
  EXPECT_EQ(path.ReadLedger().Dropped(DropReason::kShutdown).requests, 2);
  EXPECT_EQ(exporter_.attempts(), 1);
}

TEST_F(ExportPathTest, ShutdownLeavesOnDiskWhatCantBeSent) {
  UseStorage();
  exporter_.SetScript([](const Batch&) { return Retryable(); });
  ExportPath* path = &Make();
  for (const char* text : {"a", "b", "c"}) Give(*path, TextBatch(text));
  clock_.AwaitWaiters();
  path->Shutdown(absl::Seconds(3));
  EXPECT_EQ(exporter_.attempts(), 2) << "what fails now is kept; the rest would fail as well";
  EXPECT_EQ(path->ReadLedger().queued.requests, 3);
  ExpectBalanced();
  exporter_.SetScript({});
  path = &Make();
  EXPECT_EQ(path->ReadLedger().restored.requests, 3);
  AwaitDecided();
  EXPECT_THAT(exporter_.texts(), ElementsAre("a", "b", "c"));
  EXPECT_EQ(path->ReadLedger().redelivered, Amount{});
  EXPECT_THAT(metrics_.RenderPrometheus(),
              AllOf(HasSubstr("kiln_pipeline_left_samples_total{exporter=\"otlp/eu\",signal=\"logs\"} 3"),
                    HasSubstr("kiln_pipeline_restored_samples_total{exporter=\"otlp/eu\",signal=\"logs\"} 3"),
                    HasSubstr("kiln_pipeline_delivered_samples_total{exporter=\"otlp/eu\",signal=\"logs\"} 3")));
}

TEST_F(ExportPathTest, OnlyThePiecesThatWereNotSentStayOnDisk) {
  UseStorage();
  options_.settings.max_request_items = 10;
  const BatchPtr batch = ProfileBatch(50);
  exporter_.SetScript([&](const Batch&) { return exporter_.attempts() <= 2 ? Delivered() : Retryable(); });
  ExportPath* path = &Make();
  Give(*path, batch);
  clock_.AwaitWaiters();
  path->Shutdown(absl::Seconds(3));
  EXPECT_EQ(path->ReadLedger().queued.items, batch->items - 20);
  ExpectBalanced();
  exporter_.SetScript({});
  path = &Make();
  AwaitDecided();
  EXPECT_EQ(path->ReadLedger().restored.items, batch->items - 20);
  EXPECT_EQ(exporter_.amount().items, batch->items);
  EXPECT_EQ(exporter_.amount().weight, batch->weight);
}

TEST_F(ExportPathTest, WithoutAQueueTheCallerWaits) {
  options_.settings.queue.enabled = false;
  ExportPath& path = Make();
  EXPECT_EQ(path.Consume(TextBatch("a")), absl::OkStatus());
  EXPECT_THAT(exporter_.texts(), ElementsAre("a"));
  exporter_.SetScript([](const Batch&) { return Retryable(); });
  std::thread producer([&] { EXPECT_EQ(path.Consume(TextBatch("b", 2)).code(), absl::StatusCode::kUnavailable); });
  clock_.RunUntil([&] { return path.ReadLedger().refused[3].items == 2; });
  producer.join();
  exporter_.SetScript([](const Batch&) { return Permanent(); });
  EXPECT_EQ(path.Consume(TextBatch("c")), absl::OkStatus()) << "its fate is decided and counted";
  ExpectBalanced();
  EXPECT_EQ(path.ReadLedger().accepted.requests, 2);
}

TEST_F(ExportPathTest, WithoutAQueueWhatIsPartlyDeliveredIsAccepted) {
  options_.settings.queue.enabled = false;
  options_.settings.max_request_items = 10;
  options_.settings.retry.enabled = false;
  const BatchPtr batch = ProfileBatch(50);
  exporter_.SetScript([&](const Batch&) { return exporter_.attempts() == 1 ? Delivered() : Retryable(); });
  ExportPath& path = Make();
  EXPECT_EQ(path.Consume(batch), absl::OkStatus());
  EXPECT_EQ(path.ReadLedger().delivered.items, 10);
  EXPECT_EQ(path.ReadLedger().Dropped(DropReason::kRetryExhausted).items, batch->items - 10);
  ExpectBalanced();
}

TEST_F(ExportPathTest, RefusesSettingsThatCannotWork) {
  const auto code = [&] { return ExportPath::Create(options_, exporter_, clock_, metrics_).status().code(); };
  options_.settings.queue.storage = "file_storage/missing";
  EXPECT_EQ(code(), absl::StatusCode::kInvalidArgument);
  options_.settings.queue = {.num_consumers = 0};
  EXPECT_EQ(code(), absl::StatusCode::kInvalidArgument);
  options_.settings.queue = {.queue_size = 0};
  EXPECT_EQ(code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(ExportPathTest, ShowsTheCollectorsMetrics) {
  options_.settings.queue.queue_size = 5;
  exporter_.SetScript([](const Batch& batch) { return batch.bytes == "bad" ? Permanent() : Delivered(); });
  ExportPath& path = Make();
  Give(path, TextBatch("bad", 4));
  Give(path, TextBatch("good", 3));
  AwaitDecided();
  EXPECT_THAT(metrics_.RenderPrometheus(),
              AllOf(HasSubstr("otelcol_exporter_sent_log_records_total{exporter=\"otlp/eu\"} 3"),
                    HasSubstr("otelcol_exporter_send_failed_log_records_total{exporter=\"otlp/eu\"} 4"),
                    HasSubstr("otelcol_exporter_queue_capacity{data_type=\"logs\",exporter=\"otlp/eu\"} 5"),
                    HasSubstr("otelcol_exporter_queue_size{data_type=\"logs\",exporter=\"otlp/eu\"} 0")));
  path_ = nullptr;
  EXPECT_THAT(metrics_.RenderPrometheus(), ::testing::Not(HasSubstr("queue_size")));
}

class RecordingConsumer : public Consumer {
 public:
  explicit RecordingConsumer(Status answer) : answer_(std::move(answer)) {}
  Status Consume(BatchPtr batch) override {
    batches.push_back(std::move(batch));
    return answer_;
  }
  std::vector<BatchPtr> batches;

 private:
  const Status answer_;
};

TEST(FanOut, GivesAllTheSameBatch) {
  RecordingConsumer a(absl::OkStatus());
  RecordingConsumer b(absl::ResourceExhaustedError("full"));
  const BatchPtr batch = TextBatch("x");
  EXPECT_EQ(FanOut({&b, &a}).Consume(batch), absl::OkStatus());
  EXPECT_THAT(a.batches, ElementsAre(batch));
  EXPECT_THAT(b.batches, ElementsAre(batch));
}

TEST(FanOut, TellsToTryAgainIfNobodyTookItAndOneMay) {
  RecordingConsumer never(absl::InvalidArgumentError("never"));
  RecordingConsumer later(absl::UnavailableError("later"));
  EXPECT_EQ(FanOut({&never, &later, &never}).Consume(TextBatch("x")).code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(FanOut({&never, &never}).Consume(TextBatch("x")).code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace kiln::pipeline
