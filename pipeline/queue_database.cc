// SPDX-License-Identifier: Apache-2.0
#include "pipeline/queue_database.h"

#include <sqlite3.h>
#include <xxhash.h>

#include <algorithm>
#include <limits>

#include "pipeline/storage_file.h"

namespace kiln::pipeline {
namespace {

constexpr int64_t kApplicationId = 0x6b696c6e;  // "kiln"
constexpr int64_t kSchemaVersion = 1;
// Free pages from which on some are given back, and how many at once.
constexpr int64_t kManyFreePages = 1024;
constexpr int kReclaimedPages = 512;
// No number of a sound batch is larger, and no sum of all of them; ids are counted up from 1.
constexpr int64_t kMost = int64_t{1} << 50;

constexpr char kSchema[] =
    "CREATE TABLE head(id INTEGER PRIMARY KEY, signal INTEGER NOT NULL, items INTEGER NOT NULL,"
    " weight INTEGER NOT NULL, created_unix_nano INTEGER NOT NULL, bytes INTEGER NOT NULL, checksum INTEGER NOT NULL,"
    " taken INTEGER NOT NULL);"
    "CREATE TABLE body(id INTEGER PRIMARY KEY, bytes BLOB NOT NULL);"
    "PRAGMA application_id=0x6b696c6e;"
    "PRAGMA user_version=1;";

int64_t Checksum(std::string_view bytes) { return static_cast<int64_t>(XXH3_64bits(bytes.data(), bytes.size())); }

absl::StatusCode CodeOf(int code) {
  switch (code & 0xff) {
    case SQLITE_FULL: return absl::StatusCode::kResourceExhausted;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return absl::StatusCode::kDataLoss;
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return absl::StatusCode::kUnavailable;
    case SQLITE_PERM:
    case SQLITE_READONLY:
    case SQLITE_AUTH: return absl::StatusCode::kPermissionDenied;
    default: return absl::StatusCode::kInternal;
  }
}

}  // namespace

void QueueDatabase::Finalize(sqlite3_stmt* statement) { sqlite3_finalize(statement); }

Status QueueDatabase::Failure(int code, const char* what) const {
  if ((code & 0xff) == SQLITE_BUSY) {
    return Error(absl::StatusCode::kUnavailable,
                 "the queue {} is locked by another process: is another kiln running with this directory?", path_);
  }
  // The text of sqlite3_errmsg belongs to the latest call; the code's own text always fits. The errno says more.
  const int error_number = db_ == nullptr ? 0 : sqlite3_system_errno(db_);
  const bool io = (code & 0xff) == SQLITE_IOERR || (code & 0xff) == SQLITE_CANTOPEN || (code & 0xff) == SQLITE_FULL;
  return Error(CodeOf(code), "cannot {} the queue {}: {}{}{}", what, path_, sqlite3_errstr(code),
               io && error_number != 0 ? ": " : "", io && error_number != 0 ? std::strerror(error_number) : "");
}

StatusOr<std::unique_ptr<QueueDatabase>> QueueDatabase::Open(const std::string& path, const Options& options) {
  KILN_RETURN_IF_ERROR(EnsurePrivateFile(path));
  std::unique_ptr<QueueDatabase> database(new QueueDatabase(path));
  const int code = sqlite3_open_v2(path.c_str(), &database->db_,
                                   SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW, nullptr);
  if (code != SQLITE_OK) return database->Failure(code, "open");
  KILN_RETURN_IF_ERROR(database->Configure(options));
  KILN_RETURN_IF_ERROR(database->CheckSchema());
  KILN_RETURN_IF_ERROR(database->PrepareAll());
  return database;
}

QueueDatabase::~QueueDatabase() {
  for (Statement* statement : {&next_, &insert_head_, &insert_body_, &remove_head_, &remove_body_, &mark_}) {
    statement->reset();
  }
  sqlite3_close(db_);
}

Status QueueDatabase::Configure(const Options& options) {
  sqlite3_extended_result_codes(db_, 1);
  sqlite3_busy_timeout(db_, static_cast<int>(std::clamp<int64_t>(absl::ToInt64Milliseconds(options.lock_timeout), 0,
                                                                 std::numeric_limits<int>::max())));
  // The file may have been written by anyone.
  sqlite3_db_config(db_, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(db_, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, nullptr);
  sqlite3_db_config(db_, SQLITE_DBCONFIG_ENABLE_VIEW, 0, nullptr);
  KILN_RETURN_IF_ERROR(
      Execute("PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON;"
              // Exclusive before anything is read: then there is no shared memory, and no reader that
              // could keep the WAL from being emptied.
              "PRAGMA locking_mode=EXCLUSIVE; PRAGMA mmap_size=0; PRAGMA temp_store=MEMORY;"
              "PRAGMA cache_size=-512; PRAGMA page_size=4096; PRAGMA auto_vacuum=INCREMENTAL;"));
  KILN_RETURN_IF_ERROR(Execute("PRAGMA journal_mode=WAL;"));
  // Debian's SQLite overwrites what is deleted, which doubles the writing.
  KILN_RETURN_IF_ERROR(
      Execute("PRAGMA secure_delete=OFF; PRAGMA wal_autocheckpoint=1000;"
              "PRAGMA journal_size_limit=4194304;"));
  KILN_RETURN_IF_ERROR(Execute(options.fsync ? "PRAGMA synchronous=FULL;" : "PRAGMA synchronous=NORMAL;"));
  if (options.max_pages > 0) {
    KILN_RETURN_IF_ERROR(Execute(fmt::format("PRAGMA max_page_count={};", options.max_pages).c_str()));
  }
  return absl::OkStatus();
}

Status QueueDatabase::CheckSchema() {
  // Takes the lock that is kept until the end.
  KILN_RETURN_IF_ERROR(Execute("BEGIN EXCLUSIVE;"));
  KILN_ASSIGN_OR_RETURN(const int64_t application, ReadNumber("PRAGMA application_id;"));
  KILN_ASSIGN_OR_RETURN(const int64_t version, ReadNumber("PRAGMA user_version;"));
  KILN_ASSIGN_OR_RETURN(const int64_t objects, ReadNumber("SELECT count(*) FROM sqlite_schema;"));
  if (application == 0 && version == 0 && objects == 0) {
    KILN_RETURN_IF_ERROR(Execute(kSchema));
  } else if (application != kApplicationId) {
    return Error(absl::StatusCode::kFailedPrecondition,
                 "{} is a database, but not a queue of kiln: move it away, or choose another directory", path_);
  } else if (version != kSchemaVersion) {
    return Error(
        absl::StatusCode::kFailedPrecondition,
        "the queue {} has format {}, but this kiln knows format {}: run the kiln that wrote it, or move it away", path_,
        version, kSchemaVersion);
  }
  return Execute("COMMIT;");
}

Status QueueDatabase::PrepareAll() {
  KILN_RETURN_IF_ERROR(
      Prepare("SELECT id, signal, items, weight, created_unix_nano, bytes, checksum, taken FROM head"
              " WHERE id >= ? ORDER BY id LIMIT 1",
              next_));
  KILN_RETURN_IF_ERROR(Prepare("INSERT INTO head VALUES(?, ?, ?, ?, ?, ?, ?, 0)", insert_head_));
  KILN_RETURN_IF_ERROR(Prepare("INSERT INTO body VALUES(?, ?)", insert_body_));
  KILN_RETURN_IF_ERROR(Prepare("DELETE FROM head WHERE id = ?", remove_head_));
  KILN_RETURN_IF_ERROR(Prepare("DELETE FROM body WHERE id = ?", remove_body_));
  return Prepare("UPDATE head SET taken = ?2 WHERE id = ?1", mark_);
}

Status QueueDatabase::Prepare(const char* sql, Statement& out) {
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v3(db_, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  out.reset(statement);
  if (code == SQLITE_OK) return absl::OkStatus();
  // Our own SQL against tables that say they are ours: they are not.
  if ((code & 0xff) == SQLITE_ERROR) return Failure(SQLITE_CORRUPT, "use");
  return Failure(code, "use");
}

Status QueueDatabase::Execute(const char* sql) {
  const int code = sqlite3_exec(db_, sql, nullptr, nullptr, nullptr);
  if (code == SQLITE_OK) return absl::OkStatus();
  return Failure(code, "open");
}

StatusOr<int64_t> QueueDatabase::ReadNumber(const char* sql) {
  Statement statement(nullptr, &Finalize);
  KILN_RETURN_IF_ERROR(Prepare(sql, statement));
  const int code = sqlite3_step(statement.get());
  if (code != SQLITE_ROW) return Failure(code == SQLITE_DONE ? SQLITE_CORRUPT : code, "read");
  return sqlite3_column_int64(statement.get(), 0);
}

Status QueueDatabase::Run(sqlite3_stmt* statement) {
  const int code = sqlite3_step(statement);
  sqlite3_reset(statement);
  sqlite3_clear_bindings(statement);
  if (code == SQLITE_DONE) return absl::OkStatus();
  return Failure(code, "write to");
}

StatusOr<QueueDatabase::Totals> QueueDatabase::ReadTotals() {
  Totals totals;
  for (;;) {
    KILN_ASSIGN_OR_RETURN(const std::optional<StoredHead> head, Next(totals.last_id + 1));
    if (!head) return totals;
    totals.amount += head->amount();
    totals.bytes += head->bytes;
    totals.last_id = head->id;
    if (std::max({totals.amount.items, totals.amount.weight, totals.bytes}) > kMost) {
      return Failure(SQLITE_CORRUPT, "read");
    }
  }
}

StatusOr<std::optional<StoredHead>> QueueDatabase::Next(int64_t from) {
  sqlite3_stmt* row = next_.get();
  sqlite3_bind_int64(row, 1, from);
  const int code = sqlite3_step(row);
  std::optional<StoredHead> head;
  if (code == SQLITE_ROW) {
    const int64_t signal = sqlite3_column_int64(row, 1);
    head = StoredHead{.id = sqlite3_column_int64(row, 0),
                      .signal = static_cast<Signal>(signal),
                      .items = sqlite3_column_int64(row, 2),
                      .weight = sqlite3_column_int64(row, 3),
                      .created_unix_nano = sqlite3_column_int64(row, 4),
                      .bytes = sqlite3_column_int64(row, 5),
                      .checksum = static_cast<uint64_t>(sqlite3_column_int64(row, 6)),
                      .taken = sqlite3_column_int64(row, 7) != 0};
    const bool sound = signal >= 0 && signal <= static_cast<int64_t>(Signal::kProfiles) && head->id >= from &&
                       head->id < kMost && head->items >= 0 && head->items < kMost && head->weight >= 0 &&
                       head->weight < kMost && head->bytes >= 0 && head->bytes < kMost;
    if (!sound) {
      sqlite3_reset(row);
      return Failure(SQLITE_CORRUPT, "read");
    }
  }
  sqlite3_reset(row);
  if (code != SQLITE_ROW && code != SQLITE_DONE) return Failure(code, "read");
  return head;
}

StatusOr<std::string> QueueDatabase::ReadBody(const StoredHead& head) {
  sqlite3_blob* blob = nullptr;
  const int opened = sqlite3_blob_open(db_, "main", "body", "bytes", head.id, 0, &blob);
  const std::unique_ptr<sqlite3_blob, int (*)(sqlite3_blob*)> closer(blob, &sqlite3_blob_close);
  // SQLITE_ERROR: there is no such row, or it holds no bytes.
  if (opened != SQLITE_OK && (opened & 0xff) != SQLITE_ERROR) return Failure(opened, "read");
  std::string bytes;
  if (opened == SQLITE_OK && sqlite3_blob_bytes(blob) == head.bytes) {
    bytes.resize(static_cast<size_t>(head.bytes));
    const int code = sqlite3_blob_read(blob, bytes.data(), static_cast<int>(head.bytes), 0);
    if (code != SQLITE_OK) return Failure(code, "read");
    if (static_cast<uint64_t>(Checksum(bytes)) == head.checksum) return bytes;
  }
  return Error(absl::StatusCode::kInvalidArgument, "a batch of {} bytes in the queue {} is damaged", head.bytes, path_);
}

Status QueueDatabase::Insert(int64_t id, const Batch& batch) {
  sqlite3_stmt* head = insert_head_.get();
  sqlite3_bind_int64(head, 1, id);
  sqlite3_bind_int64(head, 2, static_cast<int64_t>(batch.signal));
  sqlite3_bind_int64(head, 3, batch.items);
  sqlite3_bind_int64(head, 4, batch.weight);
  sqlite3_bind_int64(head, 5, batch.created_unix_nano);
  sqlite3_bind_int64(head, 6, static_cast<int64_t>(batch.bytes.size()));
  sqlite3_bind_int64(head, 7, Checksum(batch.bytes));
  KILN_RETURN_IF_ERROR(Run(head));
  sqlite3_stmt* body = insert_body_.get();
  sqlite3_bind_int64(body, 1, id);
  sqlite3_bind_blob64(body, 2, batch.bytes.data(), batch.bytes.size(), SQLITE_STATIC);
  return Run(body);
}

Status QueueDatabase::Remove(int64_t id) {
  sqlite3_bind_int64(remove_head_.get(), 1, id);
  KILN_RETURN_IF_ERROR(Run(remove_head_.get()));
  sqlite3_bind_int64(remove_body_.get(), 1, id);
  return Run(remove_body_.get());
}

Status QueueDatabase::TryApply(const Change& change) {
  KILN_RETURN_IF_ERROR(Execute("BEGIN;"));
  Status status = [&] {
    for (const int64_t id : change.remove) KILN_RETURN_IF_ERROR(Remove(id));
    for (const auto& [id, batch] : change.insert) KILN_RETURN_IF_ERROR(Insert(id, *batch));
    for (const auto& [id, taken] : {std::pair(change.mark_taken, 1), std::pair(change.unmark_taken, 0)}) {
      if (!id) continue;
      sqlite3_bind_int64(mark_.get(), 1, *id);
      sqlite3_bind_int(mark_.get(), 2, taken);
      KILN_RETURN_IF_ERROR(Run(mark_.get()));
    }
    const int code = sqlite3_exec(db_, "COMMIT;", nullptr, nullptr, nullptr);
    return code == SQLITE_OK ? absl::OkStatus() : Failure(code, "write to");
  }();
  // Some errors have rolled back already; then there is nothing to roll back any more.
  if (!status.ok() && sqlite3_get_autocommit(db_) == 0) sqlite3_exec(db_, "ROLLBACK;", nullptr, nullptr, nullptr);
  return status;
}

Status QueueDatabase::Apply(const Change& change) {
  Status status = TryApply(change);
  if (status.code() == absl::StatusCode::kResourceExhausted) {
    // What the WAL holds may fit into pages that the file has already; then there is room in the WAL again.
    sqlite3_wal_checkpoint_v2(db_, nullptr, SQLITE_CHECKPOINT_RESTART, nullptr, nullptr);
    status = TryApply(change);
  }
  return status;
}

void QueueDatabase::ReclaimSpace() {
  const auto free_pages = ReadNumber("PRAGMA freelist_count;");
  if (!free_pages.ok() || *free_pages < kManyFreePages) return;
  const auto pages = ReadNumber("PRAGMA page_count;");
  if (!pages.ok() || *free_pages < *pages / 2) return;
  // A failure loses nothing; it will be tried again, and what is wrong with the disk shows in the next write.
  sqlite3_exec(db_, fmt::format("PRAGMA incremental_vacuum({});", kReclaimedPages).c_str(), nullptr, nullptr, nullptr);
}

}  // namespace kiln::pipeline
