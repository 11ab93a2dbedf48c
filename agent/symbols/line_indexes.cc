// SPDX-License-Identifier: Apache-2.0
#include "agent/symbols/line_indexes.h"

#include <algorithm>
#include <type_traits>
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
  auto elf = symbolizer::ElfFile::OpenRelocatable(*std::move(file));
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
  return Look({.key = id, .of = file});
}

LineIndexes::Answer LineIndexes::Get(const symbolizer::KernelImage& image) {
  if (!options_.enabled) return {.index = nullptr, .state = IndexState::kOff};
  if (image.build_id.empty()) return {.index = nullptr, .state = IndexState::kNoDebugInfo};
  return Look({.key = fmt::format("{}/{}", image.module, image.build_id), .of = image});
}

LineIndexes::Answer LineIndexes::Look(Request request) {
  const uint64_t now = MonotonicNs();
  const std::lock_guard lock(mutex_);
  const auto [entry, added] = entries_.try_emplace(request.key);
  Entry& known = entry->second;
  known.used_ns = now;
  const uint64_t retry = RetryAfterNs(known.state);
  const bool again = retry != 0 && now - known.decided_ns > retry;
  if (added || again) {
    known.state = IndexState::kWaiting;
    requests_.push_back(std::move(request));
    work_.notify_all();
  }
  return {.index = known.index, .state = known.state, .layout = known.layout};
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

std::string LineIndexes::Request::name() const {
  if (const auto* file = std::get_if<std::shared_ptr<const ObjectFile>>(&of)) return (*file)->path;
  const std::string& module = std::get<symbolizer::KernelImage>(of).module;
  return module.empty() ? "the kernel" : fmt::format("kernel module {}", module);
}

void LineIndexes::Run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    work_.wait(lock, [this] { return stopping_ || !requests_.empty(); });
    if (stopping_) return;
    const Request request = std::move(requests_.front());
    requests_.pop_front();
    const std::string name = request.name();
    status_.now = name;
    lock.unlock();
    Outcome outcome = std::visit(
        [this](const auto& of) {
          if constexpr (std::is_same_v<decltype(of), const symbolizer::KernelImage&>) {
            return Make(of);
          } else {
            return Make(*of);
          }
        },
        request.of);
    const IndexCache::Counts counts = cache_.counts();
    lock.lock();
    status_.now.clear();
    status_.cache = counts;
    if (!outcome.problem.empty()) {
      if (status_.problems.size() >= kMaxProblems) status_.problems.erase(status_.problems.begin());
      status_.problems.push_back(fmt::format("{}: {}", name, outcome.problem));
    }
    Entry& entry = entries_[request.key];
    entry.state = outcome.state;
    entry.index = std::move(outcome.index);
    entry.layout = std::move(outcome.layout);
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
  const symbolizer::ElfFile& elf = *file.elf;
  return MakeFrom(elf,
                  {.path = file.path,
                   .roots = {fmt::format("/proc/{}/root", file.seen_in.value), "/"},
                   .debug_folders = options_.debug_folders},
                  /*may_be_go=*/true);
}

LineIndexes::Outcome LineIndexes::Make(const symbolizer::KernelImage& image) {
  symbolizer::DebugPlaces places{.roots = {options_.kernel_root}, .debug_folders = options_.debug_folders};
  std::optional<symbolizer::DebugFile> file = symbolizer::FindKernelDebugFile(image, places).file;
  if (!file && options_.debuginfod != nullptr) {
    const auto answer = options_.debuginfod->Find(image.build_id);
    if (answer.state == symbolizer::DebuginfodState::kPending) return {.state = IndexState::kDownloading};
    if (answer.state == symbolizer::DebuginfodState::kFound) file = OpenDownloaded(answer.path);
  }
  if (!file) return {.state = IndexState::kNoDebugInfo};
  auto layout = symbolizer::ReadKernelLayout(file->elf);
  if (!layout.ok()) {
    return {.state = absl::IsNotFound(layout.status()) ? IndexState::kDamaged : StateOf(layout.status()),
            .problem = fmt::format("{}: {}", file->path, Message(layout.status()))};
  }
  places.path = file->path;
  Outcome outcome = MakeFrom(file->elf, places, /*may_be_go=*/false);
  if (outcome.index != nullptr) {
    outcome.layout = std::make_shared<const symbolizer::KernelLayout>(*std::move(layout));
  }
  return outcome;
}

LineIndexes::Outcome LineIndexes::MakeFrom(const symbolizer::ElfFile& elf, const symbolizer::DebugPlaces& places,
                                           bool may_be_go) {
  const auto failed = [](const absl::Status& status) {
    const IndexState state = StateOf(status);
    return Outcome{.state = state, .problem = state == IndexState::kNoDebugInfo ? "" : std::string(Message(status))};
  };
  const StatusOr<FileFingerprint> fingerprint = TakeFingerprint(*elf.file());
  if (!fingerprint.ok()) return failed(fingerprint.status());
  const TableKey key = MakeTableKey(elf.build_id(), *fingerprint, elf.machine());
  if (auto index = cache_.Find(key)) return {.state = IndexState::kReady, .index = std::move(index)};
  if (may_be_go && symbolizer::GoNames::Find(elf).ok()) return {.state = IndexState::kNotNeeded};

  symbolizer::DebugFiles files = symbolizer::FindDebugFiles(elf, places);
  if (files.InfoOf(elf) == nullptr && options_.debuginfod != nullptr) {
    const auto answer = options_.debuginfod->Find(elf.build_id());
    if (answer.state == symbolizer::DebuginfodState::kPending) return {.state = IndexState::kDownloading};
    if (answer.state == symbolizer::DebuginfodState::kFound) files.debug = OpenDownloaded(answer.path);
  }
  const symbolizer::ElfFile* const info = files.InfoOf(elf);
  if (info == nullptr) return {.state = IndexState::kNoDebugInfo};

  auto draft = cache_.Create();
  if (!draft.ok()) return failed(draft.status());
  const uint64_t start = MonotonicNs();
  IndexJobCosts costs;
  const absl::Status made = RunIndexJob(
      {.code = FdOf(elf),
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
      options_.timeout, [this] { return stopping_.load(); }, costs);
  {
    const std::lock_guard lock(mutex_);
    status_.cpu_seconds += costs.cpu_seconds;
    status_.peak_rss_bytes = std::max(status_.peak_rss_bytes, costs.peak_rss_bytes);
  }
  if (!made.ok()) return failed(made);
  auto index = cache_.Keep(*std::move(draft), key);
  if (!index.ok()) return failed(index.status());
  const std::lock_guard lock(mutex_);
  ++status_.made;
  status_.made_seconds += static_cast<double>(MonotonicNs() - start) / 1e9;
  status_.made_debug_bytes += (*index)->header().debug_bytes;
  return {.state = IndexState::kReady, .index = *std::move(index)};
}

}  // namespace kiln::agent
