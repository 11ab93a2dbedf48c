// SPDX-License-Identifier: Apache-2.0
#include "pipeline/sender.h"

#include <algorithm>

#include "pipeline/retry.h"
#include "pipeline/splitter.h"

namespace kiln::pipeline {
namespace {

// A server's answer as it goes into logs and pages.
constexpr size_t kMaxMessageBytes = 1024;

std::string_view Shortened(std::string_view message) { return message.substr(0, kMaxMessageBytes); }

std::string_view OrUnknown(std::string_view message) { return message.empty() ? "no reason was given" : message; }

}  // namespace

Sender::Sender(std::string exporter_id, const ExportPathSettings& settings, Exporter& exporter, Clock& clock,
               UniformRandom random, StopSignal& stop, Accounts& accounts, NoticeSink notify)
    : exporter_id_(std::move(exporter_id)),
      settings_(settings),
      exporter_(exporter),
      clock_(clock),
      random_(std::move(random)),
      stop_(stop),
      accounts_(accounts),
      notify_(std::move(notify)) {}

Sender::Left Sender::Send(BatchPtr batch, bool keep_exhausted) {
  auto cut = SplitBatch(batch, {.max_bytes = settings_.max_request_bytes, .max_items = settings_.max_request_items});
  if (!cut.ok()) {
    Drop(DropReason::kMalformed, *batch, Message(cut.status()));
    return {};
  }
  bool whole = cut->size() == 1 && cut->front() == batch;
  batch = nullptr;  // the pieces are all that is needed
  std::deque<BatchPtr> pieces(cut->begin(), cut->end());
  cut->clear();
  accounts_.Split(static_cast<int64_t>(pieces.size()));
  while (!pieces.empty()) {
    switch (SendPiece(*pieces.front(), keep_exhausted)) {
      case Fate::kDecided: pieces.pop_front(); break;
      case Fate::kTooLarge:
        whole = false;
        CutFirst(pieces);
        break;
      case Fate::kLeft: return {.pieces = {pieces.begin(), pieces.end()}, .whole = whole};
    }
  }
  return {};
}

void Sender::CutFirst(std::deque<BatchPtr>& pieces) {
  const BatchPtr first = std::move(pieces.front());
  pieces.pop_front();
  auto halves = HalveBatch(first);
  if (!halves.ok()) return Drop(DropReason::kMalformed, *first, Message(halves.status()));
  if (halves->size() == 1) {
    return Drop(DropReason::kTooLarge, *first,
                fmt::format("the server found {} bytes too large, and they can't be cut further", first->bytes.size()));
  }
  accounts_.Split(static_cast<int64_t>(halves->size()));
  pieces.insert(pieces.begin(), halves->begin(), halves->end());
}

Sender::Fate Sender::SendPiece(const Batch& piece, bool keep_exhausted) {
  Backoff backoff(settings_.retry, clock_.Monotonic(), random_);
  for (;;) {
    const absl::Duration timeout = std::min(
        settings_.timeout > absl::ZeroDuration() ? settings_.timeout : absl::InfiniteDuration(), stop_.TimeLeft());
    if (timeout <= absl::ZeroDuration()) return Fate::kLeft;
    const ExportResult result = Attempt(piece, timeout);
    switch (result.outcome) {
      case ExportResult::Outcome::kDelivered: Deliver(piece, result); return Fate::kDecided;
      case ExportResult::Outcome::kTooLarge: return Fate::kTooLarge;
      case ExportResult::Outcome::kPermanent:
        Drop(DropReason::kPermanent, piece, OrUnknown(result.message));
        return Fate::kDecided;
      case ExportResult::Outcome::kRetryable: break;
    }
    if (stop_.stopping()) return Fate::kLeft;
    const auto next = backoff.NextAttempt(clock_.Monotonic(), result.retry_after);
    if (!next) {
      if (keep_exhausted) return Fate::kLeft;
      Drop(DropReason::kRetryExhausted, piece, OrUnknown(result.message));
      return Fate::kDecided;
    }
    // When the end comes it is over at once, and one last attempt is made.
    stop_.WaitUntil(*next);
  }
}

ExportResult Sender::Attempt(const Batch& piece, absl::Duration timeout) {
  {
    const std::lock_guard lock(mutex_);
    ++state_.under_way;
  }
  ExportResult result = exporter_.Export(piece, timeout);
  result.message = Shortened(result.message);
  Record(result);
  return result;
}

void Sender::Record(const ExportResult& result) {
  const int64_t now = clock_.UnixNano();
  const bool delivered = result.outcome == ExportResult::Outcome::kDelivered;
  int64_t failures_before = 0;
  {
    const std::lock_guard lock(mutex_);
    --state_.under_way;
    failures_before = state_.consecutive_failures;
    state_.last = {.unix_nano = now, .outcome = result.outcome, .message = result.message};
    state_.consecutive_failures = delivered ? 0 : failures_before + 1;
    if (delivered) state_.last_delivered_unix_nano = now;
  }
  // Each change once; what is dropped is told where that is decided.
  if (delivered && failures_before > 0) {
    Tell(Notice::Level::kInfo, fmt::format("sending works again after {} failed attempts", failures_before));
  } else if (result.outcome == ExportResult::Outcome::kRetryable && failures_before == 0) {
    Tell(Notice::Level::kWarning, fmt::format("sending failed: {}", OrUnknown(result.message)));
  }
}

void Sender::Deliver(const Batch& piece, const ExportResult& result) {
  const int64_t rejected_items = std::clamp<int64_t>(result.rejected_items, 0, piece.items);
  // Which ones were rejected is not told, so their weight is the average.
  const int64_t rejected_weight =
      piece.items == 0 ? 0 : static_cast<int64_t>(static_cast<__int128>(piece.weight) * rejected_items / piece.items);
  if (rejected_items > 0 || !result.message.empty()) {
    Tell(Notice::Level::kWarning,
         fmt::format("the server rejected {} of {} items: {}", rejected_items, piece.items, OrUnknown(result.message)));
  }
  accounts_.Deliver({.requests = 1, .items = piece.items - rejected_items, .weight = piece.weight - rejected_weight});
  if (rejected_items > 0) {
    accounts_.DropInFlight(DropReason::kRejected, {.items = rejected_items, .weight = rejected_weight});
  }
}

void Sender::Drop(DropReason reason, const Batch& piece, std::string_view why) {
  Tell(Notice::Level::kError,
       fmt::format("{} items were dropped ({}): {}", piece.items, DropReasonName(reason), Shortened(why)));
  accounts_.DropInFlight(reason, AmountOf(piece));
}

void Sender::Tell(Notice::Level level, std::string_view text) const {
  if (notify_) notify_({level, fmt::format("exporter {}: {}", exporter_id_, text)});
}

SendState Sender::state() const {
  const std::lock_guard lock(mutex_);
  return state_;
}

}  // namespace kiln::pipeline
