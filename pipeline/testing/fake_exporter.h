// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "pipeline/exporter.h"
#include "pipeline/ledger.h"

namespace kiln::pipeline {

inline ExportResult Delivered() { return {}; }
inline ExportResult Retryable(std::optional<absl::Duration> after = std::nullopt) {
  return {.outcome = ExportResult::Outcome::kRetryable, .message = "connection refused", .retry_after = after};
}
inline ExportResult TooLarge() { return {.outcome = ExportResult::Outcome::kTooLarge, .message = "413"}; }
inline ExportResult Permanent() { return {.outcome = ExportResult::Outcome::kPermanent, .message = "400"}; }

// A server as the test wants it. Keeps what it took.
class FakeExporter : public Exporter {
 public:
  // Called for each attempt, on the thread that makes it, without locks; the default delivers all.
  using Script = std::function<ExportResult(const Batch&)>;
  explicit FakeExporter(Script script = {}) : script_(std::move(script)) {}

  ExportResult Export(const Batch& batch, absl::Duration timeout) override {
    Script script;
    {
      const std::lock_guard lock(mutex_);
      ++attempts_;
      timeouts_.push_back(timeout);
      script = script_;
      changed_.notify_all();
    }
    ExportResult result = script ? script(batch) : Delivered();
    const std::lock_guard lock(mutex_);
    if (result.outcome == ExportResult::Outcome::kDelivered) {
      delivered_.push_back(batch);
      amount_ += {.requests = 1, .items = batch.items - result.rejected_items};
      amount_.weight += batch.weight;
    }
    ++finished_;
    changed_.notify_all();
    return result;
  }

  void Cancel() override {
    const std::lock_guard lock(mutex_);
    cancelled_ = true;
    changed_.notify_all();
  }

  void SetScript(Script script) {
    const std::lock_guard lock(mutex_);
    script_ = std::move(script);
  }

  // For scripts: an attempt that hangs until it is cancelled.
  ExportResult HangUntilCancelled() {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, std::chrono::seconds(60), [&] { return cancelled_; }));
    return Retryable();
  }

  void AwaitAttempts(int count) {
    Await([&] { return attempts_ >= count; });
  }
  void AwaitFinished(int count) {
    Await([&] { return finished_ >= count; });
  }

  int attempts() const { return Locked(attempts_); }
  bool cancelled() const { return Locked(cancelled_); }
  std::vector<Batch> delivered() const { return Locked(delivered_); }
  std::vector<absl::Duration> timeouts() const { return Locked(timeouts_); }
  // Weight without regard to rejected items.
  Amount amount() const { return Locked(amount_); }
  std::vector<std::string> texts() const {
    std::vector<std::string> texts;
    for (const Batch& batch : delivered()) texts.push_back(batch.bytes);
    return texts;
  }

 private:
  template <typename Condition>
  void Await(Condition condition) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, std::chrono::seconds(60), condition)) << attempts_ << " attempts";
  }
  template <typename T>
  T Locked(const T& value) const {
    const std::lock_guard lock(mutex_);
    return value;
  }

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  Script script_;
  int attempts_ = 0;
  int finished_ = 0;
  bool cancelled_ = false;
  std::vector<Batch> delivered_;
  std::vector<absl::Duration> timeouts_;
  Amount amount_;
};

}  // namespace kiln::pipeline
