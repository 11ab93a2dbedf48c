// SPDX-License-Identifier: Apache-2.0
#include "pipeline/disk_queue.h"

#include <algorithm>
#include <utility>

#include "pipeline/storage_file.h"

namespace kiln::pipeline {
namespace {

// After a file could not be opened, and how often reading one row is tried.
constexpr absl::Duration kReopenInterval = absl::Seconds(1);
constexpr int kReadAttempts = 3;

// Errors that are no matter of the moment: starting with them would go on failing.
bool IsLasting(const Status& status) {
  return status.code() != absl::StatusCode::kResourceExhausted && status.code() != absl::StatusCode::kInternal;
}

}  // namespace

DiskQueue::DiskQueue(Options options, std::string path, Accounts& accounts, Clock& clock)
    : options_(std::move(options)),
      path_(std::move(path)),
      accounts_(accounts),
      clock_(clock),
      max_bytes_(std::clamp<int64_t>(options_.storage.max_size_mib, 1, int64_t{1} << 30) << 20) {}

StatusOr<std::unique_ptr<DiskQueue>> DiskQueue::Open(Options options, Accounts& accounts, Clock& clock) {
  KILN_ASSIGN_OR_RETURN(std::string path, PrepareStorageFile(options.storage, options.exporter_id, options.signal));
  std::unique_ptr<DiskQueue> queue(new DiskQueue(std::move(options), std::move(path), accounts, clock));
  const std::lock_guard lock(queue->mutex_);
  const Status status = queue->OpenDatabase();
  if (!status.ok() && status.code() != absl::StatusCode::kDataLoss && IsLasting(status)) return status;
  queue->Note(status);
  queue->UpdateState();
  return queue;
}

DiskQueue::~DiskQueue() { Close(); }

Status DiskQueue::OpenDatabase() {
  next_open_ = clock_.Monotonic() + kReopenInterval;
  KILN_ASSIGN_OR_RETURN(auto database, QueueDatabase::Open(path_, {.fsync = options_.storage.fsync,
                                                                   .lock_timeout = options_.storage.timeout,
                                                                   .max_pages = options_.max_pages}));
  KILN_ASSIGN_OR_RETURN(const QueueDatabase::Totals totals, database->ReadTotals());
  database_ = std::move(database);
  // Ids of rows that were set aside may still be in flight, so they are not used again.
  next_id_ = std::max(next_id_, totals.last_id + 1);
  cursor_ = 1;
  stored_waiting_ = totals.amount;
  stored_waiting_bytes_ = stored_bytes_ = totals.bytes;
  accounts_.Restore(totals.amount);
  return absl::OkStatus();
}

bool DiskQueue::Ready() {
  if (database_ == nullptr && clock_.Monotonic() >= next_open_) Note(OpenDatabase());
  return database_ != nullptr;
}

void DiskQueue::Tell(Notice::Level level, std::string text) const {
  if (options_.notify) options_.notify({level, std::move(text)});
}

void DiskQueue::Note(const Status& status) {
  if (status.code() == absl::StatusCode::kDataLoss) return SetAside(status);
  const Fault fault = status.ok()                                             ? Fault::kNone
                      : status.code() == absl::StatusCode::kResourceExhausted ? Fault::kFull
                                                                              : Fault::kIo;
  // As long as something waits in memory it is not over, even if there was room for something else.
  if (fault == fault_ || (fault == Fault::kNone && !fallback_.empty())) return;
  fault_ = fault;
  if (fault == Fault::kNone) {
    Tell(Notice::Level::kInfo, fmt::format("the queue {} can be written again", path_));
  } else {
    Tell(Notice::Level::kError, fmt::format("{}; new batches are kept in up to {} MiB of memory until that is over",
                                            Message(status), kFallbackBytes >> 20));
  }
}

void DiskQueue::SetAside(const Status& status) {
  database_ = nullptr;
  const Amount lost = std::exchange(stored_waiting_, {});
  accounts_.DropQueued(DropReason::kCorruptStorage, lost);
  accounts_.SetAside();
  in_flight_.clear();
  decided_.clear();
  stored_waiting_bytes_ = stored_bytes_ = decided_bytes_ = 0;
  const auto aside = SetAsideFile(path_);
  if (!aside.ok()) {
    // Comes by again with every attempt to open it.
    if (std::exchange(fault_, Fault::kIo) != Fault::kIo) {
      Tell(Notice::Level::kError, fmt::format("{}; {}", Message(status), Message(aside.status())));
    }
    next_open_ = clock_.Monotonic() + kReopenInterval;
    return;
  }
  Tell(Notice::Level::kError,
       fmt::format("{}; it was renamed to {} and a fresh one is begun; {} samples that waited in it are lost",
                   Message(status), *aside, lost.weight));
  if (Status opened = OpenDatabase(); opened.code() != absl::StatusCode::kDataLoss) Note(opened);
}

bool DiskQueue::Fits(const Amount& waiting, int64_t waiting_bytes, int64_t stored_bytes, const Batch& batch) const {
  const Sizer sizer = options_.queue.sizer;
  const int64_t bytes = BytesOf(batch);
  return SizeOf(sizer, waiting, waiting_bytes) <= options_.queue.queue_size - SizeOf(sizer, AmountOf(batch), bytes) &&
         stored_bytes <= max_bytes_ - bytes;
}

StatusOr<DiskQueue::Victims> DiskQueue::ChooseVictims(const Batch& batch) {
  Victims victims;
  int64_t from = cursor_;
  for (;;) {
    victims.enough =
        Fits(stored_waiting_ + fallback_waiting_ - victims.amount,
             stored_waiting_bytes_ + fallback_bytes_ - victims.bytes, stored_bytes_ - victims.bytes, batch);
    if (victims.enough) return victims;
    KILN_ASSIGN_OR_RETURN(const std::optional<StoredHead> head, database_->Next(from));
    if (!head) return victims;
    victims.ids.push_back(head->id);
    victims.amount += head->amount();
    victims.bytes += head->bytes;
    from = head->id + 1;
  }
}

StatusOr<bool> DiskQueue::Store(const Batch& batch) {
  KILN_ASSIGN_OR_RETURN(const Victims victims, ChooseVictims(batch));
  if (!victims.enough) return false;
  QueueDatabase::Change change{.remove = victims.ids, .insert = {{next_id_, &batch}}};
  KILN_RETURN_IF_ERROR(database_->Apply(change));
  ++next_id_;
  if (!victims.ids.empty()) {
    cursor_ = victims.ids.back() + 1;
    accounts_.DropQueued(DropReason::kQueueFull, victims.amount);
  }
  stored_waiting_ += AmountOf(batch) - victims.amount;
  stored_waiting_bytes_ += BytesOf(batch) - victims.bytes;
  stored_bytes_ += BytesOf(batch) - victims.bytes;
  return true;
}

bool DiskQueue::StoreAndNote(const Batch& batch) {
  for (int attempt = 0; attempt < 2 && database_ != nullptr; ++attempt) {
    const auto stored = Store(batch);
    if (stored.ok() && !*stored) return false;
    Note(stored.status());
    if (stored.ok()) return true;
    if (stored.status().code() != absl::StatusCode::kDataLoss) return false;
    // The file was set aside; there may be a fresh one now.
  }
  return false;
}

Queue::PutResult DiskQueue::Put(const BatchPtr& batch) {
  if (SizeOf(options_.queue.sizer, AmountOf(*batch), BytesOf(*batch)) > options_.queue.queue_size ||
      BytesOf(*batch) > max_bytes_) {
    return PutResult::kTooLarge;
  }
  const std::lock_guard lock(mutex_);
  CatchUp();
  if (options_.queue.overflow != QueueSettings::Overflow::kDropOldest &&
      !Fits(stored_waiting_ + fallback_waiting_, stored_waiting_bytes_ + fallback_bytes_,
            stored_bytes_ + fallback_bytes_, *batch)) {
    return PutResult::kFull;
  }
  PutResult result = PutResult::kTaken;
  // Behind others in memory it waits in memory too, so that the order stays.
  if (!fallback_.empty() || !StoreAndNote(*batch)) result = KeepInMemory(batch);
  UpdateState();
  return result;
}

DropReason DiskQueue::FallbackReason() const {
  switch (fault_) {
    case Fault::kNone: return DropReason::kQueueFull;  // in-flight batches take all of max_size_mib
    case Fault::kFull: return DropReason::kDiskFull;
    case Fault::kIo: return DropReason::kDiskError;
  }
  return DropReason::kDiskError;
}

BatchPtr DiskQueue::PopFallback() {
  BatchPtr batch = std::move(fallback_.front());
  fallback_.pop_front();
  fallback_waiting_ -= AmountOf(*batch);
  fallback_bytes_ -= BytesOf(*batch);
  return batch;
}

Queue::PutResult DiskQueue::KeepInMemory(const BatchPtr& batch) {
  const auto fits = [&] {
    return fallback_bytes_ <= kFallbackBytes - BytesOf(*batch) &&
           Fits(stored_waiting_ + fallback_waiting_, stored_waiting_bytes_ + fallback_bytes_, 0, *batch);
  };
  while (!fits()) {
    if (options_.queue.overflow != QueueSettings::Overflow::kDropOldest) return PutResult::kFull;
    const bool none = fallback_.empty();
    accounts_.DropQueued(FallbackReason(), AmountOf(none ? *batch : *PopFallback()));
    if (none) return PutResult::kTaken;
  }
  fallback_.push_back(batch);
  fallback_waiting_ += AmountOf(*batch);
  fallback_bytes_ += BytesOf(*batch);
  return PutResult::kTaken;
}

void DiskQueue::RemoveDecided() {
  if (decided_.empty() || database_ == nullptr) return;
  const Status status = database_->Apply({.remove = decided_});
  if (status.ok()) {
    decided_.clear();
    stored_bytes_ -= std::exchange(decided_bytes_, 0);
  }
  Note(status);
}

void DiskQueue::FlushFallback() {
  while (!fallback_.empty() && database_ != nullptr) {
    // Out of the fallback first, so that it does not count twice; back in if it can't be written.
    BatchPtr batch = PopFallback();
    if (StoreAndNote(*batch)) continue;
    fallback_waiting_ += AmountOf(*batch);
    fallback_bytes_ += BytesOf(*batch);
    fallback_.push_front(std::move(batch));
    return;
  }
}

void DiskQueue::CatchUp() {
  if (!Ready()) return;
  RemoveDecided();
  FlushFallback();
}

std::optional<Queue::Item> DiskQueue::Take() {
  const std::lock_guard lock(mutex_);
  if (returning_ || closed_) return std::nullopt;
  CatchUp();
  std::optional<Item> item = TakeStored();
  if (!item && !fallback_.empty()) item = Item{.batch = PopFallback()};
  UpdateState();
  return item;
}

std::optional<Queue::Item> DiskQueue::TakeStored() {
  while (database_ != nullptr) {
    const auto head = database_->Next(cursor_);
    if (!head.ok()) {
      Note(head.status());
      return std::nullopt;
    }
    if (!*head) return std::nullopt;
    const StoredHead& row = **head;
    auto bytes = database_->ReadBody(row);
    if (bytes.status().code() == absl::StatusCode::kInvalidArgument) {
      Tell(Notice::Level::kError, fmt::format("{}; its {} samples are lost", Message(bytes.status()), row.weight));
      DropRow(row, DropReason::kCorruptStorage);
      continue;
    }
    if (!bytes.ok()) {
      unreadable_times_ = unreadable_id_ == row.id ? unreadable_times_ + 1 : 1;
      unreadable_id_ = row.id;
      Note(bytes.status());
      if (unreadable_times_ < kReadAttempts || database_ == nullptr) return std::nullopt;
      DropRow(row, DropReason::kDiskError);
      continue;
    }
    // Before it is given out, so that after a crash it is known what may have been sent. Without a mark it is sent all
    // the same: a full disk must not keep what is on it from leaving.
    if (!row.taken) Note(database_->Apply({.mark_taken = row.id}));
    if (database_ == nullptr || stored_waiting_ == Amount{}) return std::nullopt;  // set aside, and counted as lost
    cursor_ = row.id + 1;
    in_flight_[row.id] = row.bytes;
    stored_waiting_ -= row.amount();
    stored_waiting_bytes_ -= row.bytes;
    return Item{.id = static_cast<uint64_t>(row.id),
                .batch = std::make_shared<const Batch>(Batch{.signal = row.signal,
                                                             .bytes = *std::move(bytes),
                                                             .items = row.items,
                                                             .weight = row.weight,
                                                             .created_unix_nano = row.created_unix_nano}),
                .redelivered = row.taken};
  }
  return std::nullopt;
}

void DiskQueue::DropRow(const StoredHead& head, DropReason reason) {
  accounts_.DropQueued(reason, head.amount());
  cursor_ = head.id + 1;
  stored_waiting_ -= head.amount();
  stored_waiting_bytes_ -= head.bytes;
  decided_.push_back(head.id);
  decided_bytes_ += head.bytes;
  RemoveDecided();
}

void DiskQueue::Finish(const Item& item) {
  const std::lock_guard lock(mutex_);
  const auto found = in_flight_.find(static_cast<int64_t>(item.id));
  if (found != in_flight_.end()) {
    decided_.push_back(found->first);
    decided_bytes_ += found->second;
    in_flight_.erase(found);
  }
  CatchUp();
  if (database_ != nullptr) database_->ReclaimSpace();
  UpdateState();
}

bool DiskQueue::Return(const Item& item, std::span<const BatchPtr> left, bool whole) {
  const std::lock_guard lock(mutex_);
  returning_ = true;
  if (!Ready()) return false;
  const auto found = in_flight_.find(static_cast<int64_t>(item.id));
  const bool has_row = found != in_flight_.end();
  Amount amount;
  int64_t bytes = 0;
  for (const BatchPtr& batch : left) {
    amount += AmountOf(*batch);
    bytes += BytesOf(*batch);
  }
  QueueDatabase::Change change;
  if (has_row && whole) {
    change.unmark_taken = found->first;
  } else {
    if (has_row) change.remove.push_back(found->first);
    int64_t id = next_id_;
    for (const BatchPtr& batch : left) change.insert.emplace_back(id++, batch.get());
  }
  const Status status = database_->Apply(change);
  if (status.ok()) {
    next_id_ += static_cast<int64_t>(change.insert.size());
    stored_bytes_ += bytes - (has_row ? found->second : 0);
  }
  Note(status);
  // If it could not be written, its row is still there as a whole, unless that was lost with its file.
  if (!status.ok() && !in_flight_.contains(static_cast<int64_t>(item.id))) return false;
  if (has_row) in_flight_.erase(static_cast<int64_t>(item.id));
  stored_waiting_ += amount;
  stored_waiting_bytes_ += bytes;
  UpdateState();
  return true;
}

void DiskQueue::UpdateState() {
  const Amount waiting = stored_waiting_ + fallback_waiting_;
  const int64_t bytes = stored_waiting_bytes_ + fallback_bytes_;
  const std::lock_guard lock(state_mutex_);
  state_ = {.waiting = waiting,
            .bytes = bytes,
            .size = SizeOf(options_.queue.sizer, waiting, bytes),
            .capacity = options_.queue.queue_size,
            .durable = true,
            .degraded = fault_ != Fault::kNone};
}

QueueState DiskQueue::state() const {
  const std::lock_guard lock(state_mutex_);
  return state_;
}

void DiskQueue::Close() {
  const std::lock_guard lock(mutex_);
  if (closed_) return;
  closed_ = true;
  CatchUp();
  while (!fallback_.empty()) accounts_.DropQueued(DropReason::kShutdown, AmountOf(*PopFallback()));
  accounts_.Leave(stored_waiting_);
  database_ = nullptr;
  UpdateState();
}

}  // namespace kiln::pipeline
