// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/debuginfod.h"

#include <elfutils/debuginfod.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <system_error>
#include <utility>

#include "base/fd.h"
#include "symbolizer/build_id.h"
#include "symbolizer/elf_file.h"

namespace kiln::symbolizer {

// The library calls back while it waits and reads: the only way to end it.
struct Debuginfod::Transfer {
  Debuginfod* owner;
  uint64_t deadline_ns;
  bool too_large = false;
};

namespace {

Status Check(const DebuginfodOptions& options) {
  if (options.urls.empty()) return Error(absl::StatusCode::kInvalidArgument, "no debuginfod URL is given");
  for (const std::string& url : options.urls) {
    const bool is_http = url.starts_with("http://") || url.starts_with("https://");
    // A space separates URLs in DEBUGINFOD_URLS.
    if (!is_http || std::ranges::any_of(url, [](char c) { return c <= ' ' || c == 0x7f; })) {
      return Error(absl::StatusCode::kInvalidArgument,
                   "\"{}\" is no debuginfod URL: it has to begin with http:// or https:// and have no spaces", url);
    }
  }
  if (!options.cache_folder.starts_with('/')) {
    return Error(absl::StatusCode::kInvalidArgument, "the debuginfod cache folder \"{}\" is no absolute path",
                 options.cache_folder);
  }
  if (options.timeout < absl::Seconds(1) || options.max_time < absl::Seconds(1)) {
    return Error(absl::StatusCode::kInvalidArgument, "times for debuginfod have to be a second or more");
  }
  return absl::OkStatus();
}

Status MakeFolder(const std::string& path) {
  std::error_code error;
  const bool is_new = std::filesystem::create_directories(path, error);
  if (error) return ErrnoError(error.value(), "cannot make the debuginfod cache folder {}", path);
  // It tells which programs run here.
  if (is_new) std::filesystem::permissions(path, std::filesystem::perms::owner_all, error);
  return absl::OkStatus();
}

void SetEnvironment(const DebuginfodOptions& options) {
  const auto set = [](const char* name, const std::string& value) { ::setenv(name, value.c_str(), 1); };
  std::string urls;
  for (const std::string& url : options.urls) urls += (urls.empty() ? "" : " ") + url;
  set(DEBUGINFOD_URLS_ENV_VAR, urls);
  set(DEBUGINFOD_CACHE_PATH_ENV_VAR, options.cache_folder);
  set(DEBUGINFOD_TIMEOUT_ENV_VAR, fmt::format("{}", absl::ToInt64Seconds(options.timeout)));
  set(DEBUGINFOD_MAXTIME_ENV_VAR, fmt::format("{}", absl::ToInt64Seconds(options.max_time)));
  set(DEBUGINFOD_MAXSIZE_ENV_VAR, fmt::format("{}", options.max_bytes));
  set(DEBUGINFOD_RETRY_LIMIT_ENV_VAR, "1");
  ::unsetenv(DEBUGINFOD_PROGRESS_ENV_VAR);
  ::unsetenv(DEBUGINFOD_VERBOSE_ENV_VAR);
  if (options.headers_file.empty()) {
    ::unsetenv(DEBUGINFOD_HEADERS_FILE_ENV_VAR);
  } else {
    set(DEBUGINFOD_HEADERS_FILE_ENV_VAR, options.headers_file);
  }
}

bool IsBuildId(std::string_view text) {
  return text.size() >= 4 && text.size() <= 2 * kMaxBuildIdBytes && text.size() % 2 == 0 &&
         text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// The size of the file if it is an ELF file of that build; 0 if not.
uint64_t SizeIfOf(const std::string& path, const std::string& build_id) {
  StatusOr<File> file = File::Open(path);
  if (!file.ok()) return 0;
  const StatusOr<ElfFile> elf = ElfFile::OpenRelocatable(*std::move(file));  // kernel modules are not linked
  return elf.ok() && elf->build_id() == build_id ? elf->size() : 0;
}

}  // namespace

std::string_view DebuginfodStateName(DebuginfodState state) {
  switch (state) {
    case DebuginfodState::kPending: return "being asked for";
    case DebuginfodState::kFound: return "found";
    case DebuginfodState::kNotFound: return "no debuginfod server has it";
    case DebuginfodState::kTooLarge: return "larger than the limit for debuginfod";
    case DebuginfodState::kFailed: return "no debuginfod server could be asked";
    case DebuginfodState::kWrong: return "what the debuginfod server sent is of another build";
    case DebuginfodState::kDropped: return "too many files are being asked for";
    case DebuginfodState::kUnusable: return "no build id to ask by";
  }
  return "unknown";
}

StatusOr<std::unique_ptr<Debuginfod>> Debuginfod::Start(DebuginfodOptions options) {
  KILN_RETURN_IF_ERROR(Check(options));
  KILN_RETURN_IF_ERROR(MakeFolder(options.cache_folder));
  SetEnvironment(options);
  std::unique_ptr<Debuginfod> debuginfod(new Debuginfod(std::move(options)));
  // Signals are for the threads of the program.
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  debuginfod->thread_ = std::thread([owner = debuginfod.get()] { owner->Run(); });
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return debuginfod;
}

Debuginfod::Debuginfod(DebuginfodOptions options) : options_(std::move(options)) {}

Debuginfod::~Debuginfod() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  work_.notify_all();
  idle_.notify_all();
  if (thread_.joinable()) thread_.join();
}

Debuginfod::Answer Debuginfod::Find(std::string_view build_id) {
  if (!IsBuildId(build_id)) return {.state = DebuginfodState::kUnusable};
  const std::string key(build_id);
  const uint64_t now_ns = options_.now_ns();
  const std::lock_guard lock(mutex_);
  const auto known = known_.find(key);
  if (known != known_.end() && now_ns < known->second.until_ns) return known->second.answer;
  if (known == known_.end() && known_.size() >= options_.max_known) Forget(now_ns);  // `known` stays the end
  if (queue_.size() >= options_.max_queue || (known == known_.end() && known_.size() >= options_.max_known)) {
    ++counts_.dropped;
    return {.state = DebuginfodState::kDropped};
  }
  known_[key] = {};
  queue_.push_back(key);
  work_.notify_one();
  return {};
}

Debuginfod::Counts Debuginfod::counts() const {
  const std::lock_guard lock(mutex_);
  return counts_;
}

bool Debuginfod::AwaitIdle(absl::Duration timeout) {
  std::unique_lock lock(mutex_);
  return idle_.wait_for(lock, absl::ToChronoNanoseconds(timeout), [this] { return queue_.empty() && !busy_; });
}

// Drops answers that are not believed any more.
void Debuginfod::Forget(uint64_t now_ns) {
  absl::erase_if(known_, [now_ns](const auto& entry) { return now_ns >= entry.second.until_ns; });
}

void Debuginfod::Run() {
  const std::unique_ptr<debuginfod_client, void (*)(debuginfod_client*)> client(::debuginfod_begin(), ::debuginfod_end);
  // Without a place for its messages, libdebuginfod 0.188 prints one to descriptor -1 for each file, and glibc then
  // loses the 8 KiB of its buffer.
  const UniqueFd messages(::open("/dev/null", O_WRONLY | O_CLOEXEC));
  if (client != nullptr && messages.valid()) ::debuginfod_set_verbose_fd(client.get(), messages.get());
  std::unique_lock lock(mutex_);
  for (;;) {
    work_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    if (stopping_) return;
    const std::string build_id = std::move(queue_.front());
    queue_.pop_front();
    busy_ = true;
    lock.unlock();
    Answer answer = client != nullptr ? Fetch(client.get(), build_id) : Answer{.state = DebuginfodState::kFailed};
    lock.lock();
    busy_ = false;
    Remember(build_id, std::move(answer));
    if (stopping_) return;
    lock.unlock();
    options_.wake();
    idle_.notify_all();
    lock.lock();
  }
}

void Debuginfod::Remember(const std::string& build_id, Answer answer) {
  absl::Duration time = absl::InfiniteDuration();
  switch (answer.state) {
    case DebuginfodState::kFound: ++counts_.found; break;
    case DebuginfodState::kNotFound:
      ++counts_.not_found;
      time = options_.not_found_time;
      break;
    case DebuginfodState::kTooLarge:
      ++counts_.too_large;
      time = options_.not_found_time;
      break;
    case DebuginfodState::kWrong:
      ++counts_.wrong;
      time = options_.not_found_time;
      break;
    default:
      ++counts_.failed;
      time = options_.failure_time;
      break;
  }
  const uint64_t now_ns = options_.now_ns();
  const uint64_t until_ns = time == absl::InfiniteDuration()
                                ? UINT64_MAX
                                : now_ns + static_cast<uint64_t>(std::max<int64_t>(absl::ToInt64Nanoseconds(time), 0));
  known_[build_id] = {.answer = std::move(answer), .until_ns = until_ns};
}

// The client as void*, so that the header does without that of the library.
int Debuginfod::OnProgress(void* client, long done, long total) {
  auto& transfer = *static_cast<Transfer*>(::debuginfod_get_user_data(static_cast<debuginfod_client*>(client)));
  Debuginfod& owner = *transfer.owner;
  const auto limit = owner.options_.max_bytes;
  // `done` counts turns while nothing is known of the size: few of them.
  if (static_cast<uint64_t>(std::max({done, total, 0L})) > limit) transfer.too_large = true;
  const std::lock_guard lock(owner.mutex_);
  return transfer.too_large || owner.stopping_ || owner.options_.now_ns() >= transfer.deadline_ns ? 1 : 0;
}

Debuginfod::Answer Debuginfod::Fetch(void* opaque, const std::string& build_id) {
  auto* client = static_cast<debuginfod_client*>(opaque);
  Transfer transfer{
      .owner = this,
      .deadline_ns = options_.now_ns() + static_cast<uint64_t>(absl::ToInt64Nanoseconds(options_.max_time))};
  ::debuginfod_set_user_data(client, &transfer);
  ::debuginfod_set_progressfn(client,
                              [](debuginfod_client* c, long done, long total) { return OnProgress(c, done, total); });
  char* raw_path = nullptr;
  // A length of 0: the build id is text.
  const int result =
      ::debuginfod_find_debuginfo(client, reinterpret_cast<const unsigned char*>(build_id.c_str()), 0, &raw_path);
  const std::unique_ptr<char, void (*)(void*)> path(raw_path, ::free);
  if (result >= 0) {
    const UniqueFd fd(result);
    if (path == nullptr) return {.state = DebuginfodState::kFailed};
    const uint64_t size = SizeIfOf(path.get(), build_id);
    if (size == 0) {
      // Or it would be found again.
      (void)::unlink(path.get());
      return {.state = DebuginfodState::kWrong};
    }
    if (size > options_.max_bytes) return {.state = DebuginfodState::kTooLarge};
    const std::lock_guard lock(mutex_);
    counts_.bytes += size;
    return {.state = DebuginfodState::kFound, .path = path.get()};
  }
  if (transfer.too_large || result == -EFBIG) return {.state = DebuginfodState::kTooLarge};
  return {.state = result == -ENOENT ? DebuginfodState::kNotFound : DebuginfodState::kFailed};
}

}  // namespace kiln::symbolizer
