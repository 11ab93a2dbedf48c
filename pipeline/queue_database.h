// SPDX-License-Identifier: Apache-2.0
// The file of a disk queue: an SQLite database with one row per batch. What to keep, drop and count is DiskQueue's
// business; this is the file and nothing else.
//
// - WAL, in exclusive mode: one process at a time, without a shared memory file. A commit is in the page cache of the
//   kernel and survives the death of the process; with `fsync` also that of the machine. Without, the newest commits
//   may be lost with the machine, but the file stays whole (synchronous=NORMAL).
// - Batches are read one by one, straight into their string; SQLite's own cache is bounded to 512 KiB.
// - Rows in two tables: heads are small and dense, so marking one rewrites no page of its body, and the sums at a start
//   read no bodies.
// - Contents are hostile: heads are checked, bodies have a checksum, triggers and views do not run.
//
// Codes of all errors: kResourceExhausted (disk full), kDataLoss (the file is damaged), kUnavailable (locked by another
// process), kFailedPrecondition (not our file, or of a newer kiln), kInternal and others (I/O errors). Messages name
// the file.
#pragma once

#include <absl/time/time.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "pipeline/batch.h"
#include "pipeline/ledger.h"

struct sqlite3;
struct sqlite3_stmt;

namespace kiln::pipeline {

// What is known of a stored batch without its bytes.
struct StoredHead {
  int64_t id = 0;
  Signal signal = Signal::kProfiles;
  int64_t items = 0;
  int64_t weight = 0;
  int64_t created_unix_nano = 0;
  int64_t bytes = 0;
  uint64_t checksum = 0;
  bool taken = false;  // was given out, and its fate was not decided by this or an earlier process

  Amount amount() const { return {.requests = 1, .items = items, .weight = weight}; }
};

// Thread-compatible.
class QueueDatabase {
 public:
  struct Options {
    bool fsync = false;
    absl::Duration lock_timeout;
    int64_t max_pages = 0;  // for tests: a full disk of so many pages; 0 = no limit
  };
  struct Totals {
    Amount amount;
    int64_t bytes = 0;
    int64_t last_id = 0;
  };
  // One transaction.
  struct Change {
    std::vector<int64_t> remove;
    std::optional<int64_t> mark_taken;
    std::optional<int64_t> unmark_taken;
    std::vector<std::pair<int64_t, const Batch*>> insert;
  };

  // Opens, or makes, the file `path`, which must be free of symbolic links.
  static StatusOr<std::unique_ptr<QueueDatabase>> Open(const std::string& path, const Options& options);
  ~QueueDatabase();
  QueueDatabase(const QueueDatabase&) = delete;
  QueueDatabase& operator=(const QueueDatabase&) = delete;

  StatusOr<Totals> ReadTotals();
  // The first batch with an id of at least `from`. A head that makes no sense is kDataLoss.
  StatusOr<std::optional<StoredHead>> Next(int64_t from);
  // kInvalidArgument: this body is missing or is not what was stored; the others may be well.
  StatusOr<std::string> ReadBody(const StoredHead& head);
  // All or nothing. Once OK it survives the process. A full disk is tried again after the WAL was emptied.
  Status Apply(const Change& change);
  // Gives pages that nobody uses back to the file system, some at a time, once they are many. Cheap if they aren't.
  void ReclaimSpace();

 private:
  explicit QueueDatabase(std::string path) : path_(std::move(path)) {}
  using Statement = std::unique_ptr<sqlite3_stmt, void (*)(sqlite3_stmt*)>;

  Status Configure(const Options& options);
  Status CheckSchema();
  Status Prepare(const char* sql, Statement& out);
  Status PrepareAll();
  Status Execute(const char* sql);
  StatusOr<int64_t> ReadNumber(const char* sql);
  Status TryApply(const Change& change);
  Status Insert(int64_t id, const Batch& batch);
  Status Remove(int64_t id);
  // Runs a statement that returns no rows.
  Status Run(sqlite3_stmt* statement);
  Status Failure(int code, const char* what) const;

  const std::string path_;
  sqlite3* db_ = nullptr;
  static void Finalize(sqlite3_stmt* statement);
  Statement next_{nullptr, &Finalize}, insert_head_{nullptr, &Finalize}, insert_body_{nullptr, &Finalize};
  Statement remove_head_{nullptr, &Finalize}, remove_body_{nullptr, &Finalize}, mark_{nullptr, &Finalize};
};

}  // namespace kiln::pipeline
