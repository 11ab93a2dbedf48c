// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <absl/container/flat_hash_map.h>

#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "pipeline/clock.h"
#include "pipeline/queue.h"
#include "pipeline/queue_database.h"

namespace kiln::pipeline {

// A queue in a file, which survives kill -9. At least once: a batch is in the file before Put says so, and leaves it
// when its fate is decided. What was given out when a process died is given out again, and counted as redelivered.
//
// max_size_mib bounds the bytes of all stored batches, those in flight included; it is one more limit beside
// queue_size, with the same overflow.
//
// When the disk fails: batches that can't be written are kept in kFallbackBytes of memory, and written as soon as
// that works again; what has no room there is dropped as kDiskFull or kDiskError. Each change is told once. A damaged
// file is set aside and a fresh one begun; what was in it is dropped as kCorruptStorage, but for batches in flight.
class DiskQueue : public Queue {
 public:
  static constexpr int64_t kFallbackBytes = int64_t{4} << 20;

  struct Options {
    QueueSettings queue;
    FileStorageSettings storage;
    std::string exporter_id;
    Signal signal = Signal::kProfiles;
    NoticeSink notify;      // may be empty
    int64_t max_pages = 0;  // for tests, see QueueDatabase
  };

  // Opens the file and counts what is in it as restored. Fails if the settings can't work: the directory is not to be
  // had, the file belongs to somebody else or is locked by another process. A full or failing disk is no error here:
  // the queue begins degraded. `accounts` and `clock` must outlive it.
  static StatusOr<std::unique_ptr<DiskQueue>> Open(Options options, Accounts& accounts, Clock& clock);
  ~DiskQueue() override;

  PutResult Put(const BatchPtr& batch) override;
  std::optional<Item> Take() override;
  void Finish(const Item& item) override;
  bool Return(const Item& item, std::span<const BatchPtr> left, bool whole) override;
  QueueState state() const override;
  void Close() override;

  const std::string& path() const { return path_; }

 private:
  enum class Fault : uint8_t { kNone, kFull, kIo };

  DiskQueue(Options options, std::string path, Accounts& accounts, Clock& clock);
  Status OpenDatabase();
  // The database, if there is one or it can be opened now.
  bool Ready();
  // What is done before each use: removes and writes what could not be until now.
  void CatchUp();
  // Takes note of how an operation on the file went, `status` OK included. If it tells of damage, the file is set
  // aside.
  void Note(const Status& status);
  void SetAside(const Status& status);
  void Tell(Notice::Level level, std::string text) const;

  bool Fits(const Amount& waiting, int64_t waiting_bytes, int64_t stored_bytes, const Batch& batch) const;
  // The oldest waiting rows that must go so that `batch` fits.
  struct Victims {
    std::vector<int64_t> ids;
    Amount amount;
    int64_t bytes = 0;
    bool enough = false;  // false: not even without all of them
  };
  StatusOr<Victims> ChooseVictims(const Batch& batch);
  // Writes one batch in place of what must go for it. False: what is in flight leaves no room.
  StatusOr<bool> Store(const Batch& batch);
  bool StoreAndNote(const Batch& batch);
  PutResult KeepInMemory(const BatchPtr& batch);
  DropReason FallbackReason() const;
  BatchPtr PopFallback();
  // Writes what waits in memory, if the disk lets us.
  void FlushFallback();
  // Removes rows whose fate is decided.
  void RemoveDecided();
  std::optional<Item> TakeStored();
  // Gives up the next waiting row, which can't be read.
  void DropRow(const StoredHead& head, DropReason reason);
  void UpdateState();

  const Options options_;
  const std::string path_;
  Accounts& accounts_;
  Clock& clock_;
  const int64_t max_bytes_;

  mutable std::mutex mutex_;  // guards all below but state_; held while the file is read and written
  std::unique_ptr<QueueDatabase> database_;
  absl::Duration next_open_ = -absl::InfiniteDuration();  // when to try again to open it
  Fault fault_ = Fault::kNone;
  int64_t next_id_ = 1;
  int64_t cursor_ = 1;                               // rows from here on wait
  absl::flat_hash_map<int64_t, int64_t> in_flight_;  // bytes by id; what came from the fallback has no row and id 0
  std::vector<int64_t> decided_;                     // rows that could not be removed yet …
  int64_t decided_bytes_ = 0;                        // … and their bytes
  int64_t stored_bytes_ = 0;                         // of all rows
  Amount stored_waiting_;
  int64_t stored_waiting_bytes_ = 0;
  std::deque<BatchPtr> fallback_;  // newer than all rows, but for those that could not be flushed
  Amount fallback_waiting_;
  int64_t fallback_bytes_ = 0;
  int64_t unreadable_id_ = 0;  // the row that could not be read last, and how often in a row
  int unreadable_times_ = 0;
  bool returning_ = false;
  bool closed_ = false;

  // Apart from mutex_, so that asking never waits for a disk.
  mutable std::mutex state_mutex_;
  QueueState state_;
};

}  // namespace kiln::pipeline
