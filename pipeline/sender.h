// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/clock.h"
#include "pipeline/exporter.h"
#include "pipeline/ledger.h"
#include "pipeline/queue.h"
#include "pipeline/settings.h"
#include "pipeline/stop_signal.h"

namespace kiln::pipeline {

// How the attempts to send go.
struct SendState {
  struct Attempt {
    int64_t unix_nano = 0;  // when it ended, by the wall clock
    ExportResult::Outcome outcome = ExportResult::Outcome::kDelivered;
    std::string message;
  };
  std::optional<Attempt> last;
  int64_t last_delivered_unix_nano = 0;  // 0 = never
  int64_t consecutive_failures = 0;      // since the last delivery
  int64_t under_way = 0;                 // attempts at this moment
};

// Brings one batch after the other to an exporter: cuts it to size, tries, waits, tries again, cuts what is too large
// for the server in halves, and enters into the books what becomes of each piece. Thread-safe.
class Sender {
 public:
  // All references must outlive the object.
  Sender(std::string exporter_id, const ExportPathSettings& settings, Exporter& exporter, Clock& clock,
         UniformRandom random, StopSignal& stop, Accounts& accounts, NoticeSink notify);

  struct Left {
    std::vector<BatchPtr> pieces;
    bool whole = false;  // the batch itself, nothing cut from it
  };
  // Sends a batch that is in flight in the books. Returns the pieces whose fate is not decided: those that were not
  // delivered when the end came, and with `keep_exhausted` those that retry gave up on. They are still in flight.
  Left Send(BatchPtr batch, bool keep_exhausted);

  SendState state() const;

 private:
  enum class Fate : uint8_t { kDecided, kTooLarge, kLeft };

  Fate SendPiece(const Batch& piece, bool keep_exhausted);
  ExportResult Attempt(const Batch& piece, absl::Duration timeout);
  void Record(const ExportResult& result);
  void Deliver(const Batch& piece, const ExportResult& result);
  void Drop(DropReason reason, const Batch& piece, std::string_view why);
  // Puts the halves of the first piece in its place, or drops it.
  void CutFirst(std::deque<BatchPtr>& pieces);
  void Tell(Notice::Level level, std::string_view text) const;

  const std::string exporter_id_;
  const ExportPathSettings settings_;
  Exporter& exporter_;
  Clock& clock_;
  const UniformRandom random_;
  StopSignal& stop_;
  Accounts& accounts_;
  const NoticeSink notify_;

  mutable std::mutex mutex_;
  SendState state_;  // guarded by mutex_
};

}  // namespace kiln::pipeline
