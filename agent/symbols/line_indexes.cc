// SPDX-License-Identifier: Apache-2.0
#include "agent/symbols/line_indexes.h"

#include <algorithm>
#include <utility>

#include "agent/symbols/index_process.h"
#include "base/clock.h"
#include "symbolizer/debug_files.h"
#include "symbolizer/go/go_names.h"

namespace kiln::agent {
namespace {

// What is not there now may be installed.
constexpr uint64_t kRetryNs = uint64_t{600} * 1'000'000'000;
constexpr uint64_t kDownloadRetryNs = 500'000'000;
constexpr size_t kMaxProblems = 16;

// After how long it is worth another look; 0 = it stays so.
uint64_t RetryAfterNs(IndexState state) {
  switch (state) {
    case IndexState::kDownloading: return kDownloadRetryNs;
    case IndexState::kNoDebugInfo:
    case IndexState::kFailed: return kRetryNs;
    default: return 0;
  }
}

IndexState StateOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk: return IndexState::kReady;
    case absl::StatusCode::kNotFound: return IndexState::kNoDebugInfo;
    case absl::StatusCode::kResourceExhausted: return IndexState::kTooLarge;
    case absl::StatusCode::kDataLoss:
    case absl::StatusCode::kOutOfRange:
    case absl::StatusCode::kAborted: return IndexState::kDamaged;
    default: return IndexState::kFailed;
  }
}

int FdOf(const symbolizer::ElfFile& elf) { return elf.file() == nullptr ? -1 : elf.file()->fd(); }
int FdOf(const std::optional<symbolizer::DebugFile>& file) { return file ? FdOf(file->elf) : -1; }

// It has been checked to be the right one (debuginfod.h).
std::optional<symbolizer::DebugFile> OpenDownloaded(const std::string& path) {
  auto file = File::Open(path);
  if (!file.ok()) return std::nullopt;
  auto elf = symbolizer::ElfFile::Open(*std::move(file));
  if (!elf.ok()) return std::nullopt;
  return symbolizer::DebugFile{.elf = *std::move(elf), .path = path, .root = "/"};
}

}  // namespace

std::string_view IndexStateName(IndexState state) {
  switch (state) {
    case IndexState::kOff: return "not wanted";
    case IndexState::kWaiting: return "being read";
    case IndexState::kDownloading: return "being downloaded";
    case IndexState::kReady: return "read";
    case IndexState::kNotNeeded: return "not needed: Go's own tables";
    case IndexState::kNoDebugInfo: return "no debug information found";
    case IndexState::kTooLarge: return "too large";
    case IndexState::kDamaged: return "damaged";
    case IndexState::kFailed: return "failed";
  }
  return "unknown";
}

std::string_view IndexStateId(IndexState state) {
  switch (state) {
    case IndexState::kOff: return "off";
    case IndexState::kWaiting: return "waiting";
    case IndexState::kDownloading: return "downloading";
    case IndexState::kReady: return "ready";
    case IndexState::kNotNeeded: return "not_needed";
    case IndexState::kNoDebugInfo: return "no_debug_info";
    case IndexState::kTooLarge: return "too_large";
    case IndexState::kDamaged: return "damaged";
    case IndexState::kFailed: return "failed";
  }
  return "unknown";
}

LineIndexes::LineIndexes(LineIndexOptions options)
    : options_(std::move(options)), cache_(options_.enabled ? options_.cache_folder : "", options_.cache_bytes) {
  if (options_.enabled) thread_ = std::thread([this] { Run(); });
}

LineIndexes::~LineIndexes() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  work_.notify_all();
  thread_.join();
}

LineIndexes::Answer LineIndexes::Get(ObjectId id, const std::shared_ptr<const ObjectFile>& file) {
  if (!options_.enabled) return {.index = nullptr, .state = IndexState::kOff};
  if (!file->elf || file->elf->file() == nullptr) return {.index = nullptr, .state = IndexState::kNoDebugInfo};
  const uint64_t now = MonotonicNs();
  const std::lock_guard lock(mutex_);
  const auto [entry, added] = entries_.try_emplace(id);
  Entry& known = entry->second;
  known.used_ns = now;
  const uint64_t retry = RetryAfterNs(known.state);
  const bool again = retry != 0 && now - known.decided_ns > retry;
  if (added || again) {
    known.state = IndexState::kWaiting;
    requests_.push_back({.id = id, .file = file});
    work_.notify_all();
  }
  return {.index = known.index, .state = known.state};
}

void LineIndexes::AwaitChange(std::chrono::nanoseconds timeout) {
  std::unique_lock lock(mutex_);
  decided_.wait_for(lock, timeout);
}

LineIndexes::Status LineIndexes::status() const {
  const std::lock_guard lock(mutex_);
  Status status = status_;
  for (const auto& [id, entry] : entries_) ++status.files[static_cast<size_t>(entry.state)];
  return status;
}

void LineIndexes::Run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    work_.wait(lock, [this] { return stopping_ || !requests_.empty(); });
    if (stopping_) return;
    const Request request = std::move(requests_.front());
    requests_.pop_front();
    status_.now = request.file->path;
    lock.unlock();
    Outcome outcome = Make(*request.file);
    const IndexCache::Counts counts = cache_.counts();
    lock.lock();
    status_.now.clear();
    status_.cache = counts;
    if (!outcome.problem.empty()) {
      if (status_.problems.size() >= kMaxProblems) status_.problems.erase(status_.problems.begin());
      status_.problems.push_back(fmt::format("{}: {}", request.file->path, outcome.problem));
    }
    Entry& entry = entries_[request.id];
    entry.state = outcome.state;
    entry.index = std::move(outcome.index);
    entry.decided_ns = MonotonicNs();
    ForgetOldest();
    decided_.notify_all();
  }
}

// They are found on disk when they are asked for again.
void LineIndexes::ForgetOldest() {
  size_t open = 0;
  for (const auto& [id, entry] : entries_) open += entry.index != nullptr ? 1 : 0;
  while (open > options_.max_open) {
    auto oldest = entries_.end();
    for (auto entry = entries_.begin(); entry != entries_.end(); ++entry) {
      if (entry->second.index == nullptr) continue;
      if (oldest == entries_.end() || entry->second.used_ns < oldest->second.used_ns) oldest = entry;
    }
    entries_.erase(oldest);
    --open;
  }
}

LineIndexes::Outcome LineIndexes::Make(const ObjectFile& file) {
  const auto failed = [](const absl::Status& status) {
    const IndexState state = StateOf(status);
    return Outcome{.state = state,
                   .index = nullptr,
                   .problem = state == IndexState::kNoDebugInfo ? "" : std::string(Message(status))};
  };
  const symbolizer::ElfFile& elf = *file.elf;
  const StatusOr<FileFingerprint> fingerprint = TakeFingerprint(*elf.file());
  if (!fingerprint.ok()) return failed(fingerprint.status());
  const TableKey key = MakeTableKey(elf.build_id(), *fingerprint, elf.machine());
  if (auto index = cache_.Find(key)) return {.state = IndexState::kReady, .index = std::move(index), .problem = {}};
  if (symbolizer::GoNames::Find(elf).ok()) return {.state = IndexState::kNotNeeded, .index = nullptr, .problem = {}};

  const symbolizer::DebugPlaces places{.path = file.path,
                                       .roots = {fmt::format("/proc/{}/root", file.seen_in.value), "/"},
                                       .debug_folders = options_.debug_folders};
  symbolizer::DebugFiles files = symbolizer::FindDebugFiles(elf, places);
  if (files.InfoOf(elf) == nullptr && options_.debuginfod != nullptr) {
    const auto answer = options_.debuginfod->Find(elf.build_id());
    if (answer.state == symbolizer::DebuginfodState::kPending) {
      return {.state = IndexState::kDownloading, .index = nullptr, .problem = {}};
    }
    if (answer.state == symbolizer::DebuginfodState::kFound) files.debug = OpenDownloaded(answer.path);
  }
  const symbolizer::ElfFile* const info = files.InfoOf(elf);
  if (info == nullptr) return {.state = IndexState::kNoDebugInfo, .index = nullptr, .problem = {}};

  auto draft = cache_.Create();
  if (!draft.ok()) return failed(draft.status());
  const uint64_t start = MonotonicNs();
  const absl::Status made = RunIndexJob({.code = FdOf(elf),
                                         .debug = FdOf(*info),
                                         .supplementary = FdOf(files.supplementary),
                                         .package = FdOf(files.package),
                                         .output = draft->fd(),
                                         .path = places.path,
                                         .roots = places.roots,
                                         .debug_folders = places.debug_folders,
                                         .scratch_folder = cache_.scratch_folder(),
                                         .memory_bytes = options_.memory_bytes,
                                         .idle = options_.idle},
                                        options_.timeout, [this] { return stopping_.load(); });
  if (!made.ok()) return failed(made);
  auto index = cache_.Keep(*std::move(draft), key);
  if (!index.ok()) return failed(index.status());
  const std::lock_guard lock(mutex_);
  ++status_.made;
  status_.made_seconds += static_cast<double>(MonotonicNs() - start) / 1e9;
  status_.made_debug_bytes += (*index)->header().debug_bytes;
  return {.state = IndexState::kReady, .index = *std::move(index), .problem = {}};
}

}  // namespace kiln::agent
