// SPDX-License-Identifier: Apache-2.0
#include "agent/session/session.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>

#include "agent/process/proc_stat.h"
#include "base/clock.h"

namespace kiln::agent {
namespace {

constexpr uint64_t kPublishIntervalNs = 1'000'000'000;
constexpr uint64_t kMapBytesIntervalNs = 10'000'000'000;

// Where all CPUs are busy, samples would be lost while this thread waits for one. It takes little of it. Not where that
// is not allowed (CAP_SYS_NICE).
constexpr int kNice = -5;

// A program that is run now and then need not be opened each time.
constexpr uint32_t kKeepFilesWindows = 8;

// For a start that is not felt.
constexpr size_t kMaxPrepared = 32;
constexpr std::chrono::milliseconds kPrepareTime(200);

void RaisePriority() {
  const auto thread = static_cast<id_t>(::gettid());
  (void)::setpriority(PRIO_PROCESS, thread, ::getpriority(PRIO_PROCESS, thread) + kNice);
}

// Less would be used up by the directories of a few large files.
constexpr uint64_t kMinTableBytes = uint64_t{2} << 20;

// `map_bytes` is what the maps take without tables.
StatusOr<UnwinderOptions> UnwinderOptionsFor(const SessionOptions& options, uint64_t map_bytes) {
  UnwinderOptions unwinder = options.unwinder;
  if (options.bpf_memory_bytes == 0) return unwinder;
  if (options.bpf_memory_bytes < map_bytes + kMinTableBytes) {
    return Error(
        absl::StatusCode::kInvalidArgument,
        "{:.1f} MiB are too little for BPF maps: on this machine the rings and what is kept per CPU take {:.1f} "
        "MiB at {} Hz, and unwind tables at least {} MiB",
        static_cast<double>(options.bpf_memory_bytes) / 1048576.0, static_cast<double>(map_bytes) / 1048576.0,
        options.sampler.frequency_hz, kMinTableBytes >> 20);
  }
  unwinder.memory_bytes = std::min(unwinder.memory_bytes, options.bpf_memory_bytes - map_bytes);
  return unwinder;
}

}  // namespace

// Keeps the kernel's table of targets in step with the events, then passes on.
class Session::Sink : public EventSink {
 public:
  explicit Sink(Session& session) : session_(session), before_exec_(session.options_.command) {
    ::prctl(PR_GET_NAME, own_comm_.data());
  }

  void OnSample(const RawSample& sample) override {
    // Until its exec the command bears kiln's name, so that a lost exec event costs nothing.
    if (before_exec_ && sample.pid == *before_exec_ && sample.identity->process_comm == own_comm_.data()) {
      ++session_.samples_before_exec_;
      return;
    }
    if (session_.options_.exclude_self && sample.pid == own_pid_) {
      ++session_.own_samples_;
      return;
    }
    Process* process = session_.aggregator_.Admit(sample);
    if (process == nullptr || IsUnwanted(*process, sample)) return;
    session_.unwinder_->OnSample(sample, *process, add_);
  }

  void OnSideBand(const SideBandEvent& event) override {
    if (const auto* comm = std::get_if<CommEvent>(&event.event);
        comm != nullptr && comm->exec && comm->pid == before_exec_) {
      before_exec_.reset();
    }
    if (session_.options_.sampler.filter_pids) FollowTargets(event);
    session_.aggregator_.OnSideBand(event);
    session_.unwinder_->OnSideBand(event);
  }

  void OnBatchEnd() override { session_.unwinder_->EndBatch(add_); }
  void Finish() { session_.unwinder_->Finish(add_); }

  // Entries of processes that are really gone. Not at once: threads may outlive the one that gave the process its pid.
  void DropGoneTargets() {
    std::erase_if(exited_, [this](Pid pid) {
      if (::kill(pid.value, 0) == 0 || errno != ESRCH) return false;
      session_.collector_->sampler().RemoveTarget(pid);
      return true;
    });
  }

 private:
  bool IsUnwanted(Process& process, const RawSample& sample) {
    IdentitySource* identities = session_.options_.identities;
    if (identities == nullptr) return false;
    if (process.who == nullptr) {
      const Process* parent = process.execed ? nullptr : session_.processes_.Current(process.parent_pid);
      process.who = identities->Identify(process, *sample.identity, parent);
      // Asked afterwards: if no exec is known now, it was this program that was looked at.
      if (session_.system_.ExecFollows(process.pid, sample.time_ns)) {
        process.who = identities->IdentifyByEvents(process, *sample.identity, parent);
      }
    }
    if (!identities->IsUnwanted(*process.who)) return false;
    ++session_.unwanted_samples_;
    return true;
  }

  void FollowTargets(const SideBandEvent& event) {
    if (const auto* exit = std::get_if<ExitEvent>(&event.event)) {
      if (exit->pid.value == exit->tid.value) exited_.push_back(exit->pid);
    } else if (const auto* fork = std::get_if<ForkEvent>(&event.event)) {
      Sampler& sampler = session_.collector_->sampler();
      if (fork->pid != fork->parent_pid && !sampler.follows_children() && sampler.IsTarget(fork->parent_pid)) {
        (void)sampler.AddTarget(fork->pid);
      }
    }
  }

  Session& session_;
  const std::function<void(const RawSample&, const ProcessMoment&)> add_ =
      [this](const RawSample& sample, const ProcessMoment& moment) { session_.aggregator_.Add(sample, moment); };
  std::optional<Pid> before_exec_;
  const Pid own_pid_{::getpid()};
  std::array<char, KILN_COMM_BYTES> own_comm_{};
  std::vector<Pid> exited_;
};

Session::Session(const SessionOptions& options)
    : options_(options),
      processes_(system_),
      locator_(processes_),
      aggregator_(processes_, locator_, [this](const ThreadIdentity& identity) { return JudgeComm(identity); }),
      frequency_hz_(options.sampler.frequency_hz),
      sampled_hz_(options.sampler.frequency_hz),
      wanted_frequency_hz_(options.sampler.frequency_hz),
      window_ns_(options.window_ns) {}

Session::~Session() { (void)Stop(); }

StatusOr<std::unique_ptr<Session>> Session::Start(const SessionOptions& options) {
  KILN_ASSIGN_OR_RETURN(std::unique_ptr<Session> session, Open(options));
  KILN_RETURN_IF_ERROR(session->Begin());
  return session;
}

StatusOr<std::unique_ptr<Session>> Session::Open(const SessionOptions& options) {
  KILN_ASSIGN_OR_RETURN(Sampler sampler, Sampler::Load(options.sampler));
  KILN_ASSIGN_OR_RETURN(const UnwinderOptions unwinder_options, UnwinderOptionsFor(options, sampler.map_bytes()));
  for (const Pid target : options.targets) KILN_RETURN_IF_ERROR(sampler.AddTarget(target));
  std::unique_ptr<Session> session(new Session(options));
  KILN_ASSIGN_OR_RETURN(session->collector_, Collector::Open(std::move(sampler)));
  session->system_.SetCollector(session->collector_.get());
  session->kernel_tables_ = std::make_unique<SamplerTables>(session->collector_->sampler());
  session->unwinder_ =
      std::make_unique<Unwinder>(*session->kernel_tables_, session->processes_, session->locator_, unwinder_options,
                                 [collector = session->collector_.get()] { collector->Wake(); });
  // Once events come, so that none is missed between the maps and the first event.
  for (const Pid target : options.targets) session->processes_.Preload(target);
  return session;
}

Status Session::Begin() {
  PrepareTables();
  KILN_RETURN_IF_ERROR(collector_->StartSampling());
  Publish();
  thread_ = std::thread([this] { Run(); });
  return absl::OkStatus();
}

void Session::PrepareTables() {
  std::vector<Pid> pids = options_.targets;
  if (!options_.sampler.filter_pids) {
    pids = BusyProcesses("/proc", static_cast<uint64_t>(ReadClockNs(CLOCK_BOOTTIME)), kMaxPrepared);
  }
  std::vector<Process*> processes;
  for (const Pid pid : pids) {
    if (pid.value == ::getpid() || pid == options_.command) continue;  // that one is to become another program
    if (processes_.Current(pid) == nullptr) processes_.Preload(pid);
    processes.push_back(processes_.Current(pid));
  }
  if (processes.empty()) return;
  unwinder_->Prepare(processes, kPrepareTime);
  collector_->sampler().AwaitTableChunks();
}

bool Session::JudgeComm(const ThreadIdentity& identity) {
  bool wanted = false;
  for (const std::string& comm : {identity.thread_comm, identity.process_comm}) {
    const bool matches = options_.comm_matches(comm);
    collector_->sampler().SetCommVerdict(comm, matches);
    wanted = wanted || matches;
  }
  return wanted;
}

void Session::Run() {
  RaisePriority();
  Sink sink(*this);
  const double start = ThreadCpuSeconds();
  window_start_ns_ = collector_->delivered_until_ns();
  uint64_t next_publish_ns = 0;
  while (!stopping_.load(std::memory_order_relaxed)) {
    if (Status status = collector_->Poll(sink); !status.ok() && status_.ok()) status_ = std::move(status);
    sink.DropGoneTargets();
    FollowRequests(sink);
    samples_.store(aggregator_.samples(), std::memory_order_relaxed);
    complete_.store(aggregator_.complete_samples(), std::memory_order_relaxed);
    // A system call per counter: not at every drain.
    if (const uint64_t now = MonotonicNs(); now >= next_publish_ns) {
      next_publish_ns = now + kPublishIntervalNs;
      Publish();
    }
  }
  collector_->Finish(sink);
  sink.Finish();
  Publish();
  samples_.store(aggregator_.samples(), std::memory_order_relaxed);
  complete_.store(aggregator_.complete_samples(), std::memory_order_relaxed);
  run_stats_ = collector_->sampler().ReadRunStats();
  map_bytes_ = collector_->sampler().map_bytes();
  stages_.aggregate = collector_->deliver_seconds();
  stages_.collect = ThreadCpuSeconds() - start - stages_.aggregate;
  stages_.locate = aggregator_.locate_seconds();
  last_window_ = CloseWindow();
  if (options_.windows != nullptr) options_.windows->OnWindow(std::move(last_window_));
}

void Session::FollowRequests(Sink& sink) {
  if (const bool allowed = allow_stack_copies_.load(); allowed != stack_copies_allowed_) {
    stack_copies_allowed_ = allowed;
    collector_->sampler().AllowStackCopies(allowed);
  }
  const uint64_t length = window_ns_.load(std::memory_order_relaxed);
  const int frequency = wanted_frequency_hz_.load(std::memory_order_relaxed);
  const bool changes_frequency = frequency != frequency_hz_;
  const bool is_due = length != 0 && collector_->delivered_until_ns() - window_start_ns_ >= length;
  const bool reidentifies = reidentify_.load();
  if (!is_due && !changes_frequency && !reidentifies) return;
  if (options_.windows == nullptr || !options_.windows->IsReady()) return;
  if (changes_frequency) {
    // All samples of a window count the same.
    if (Status status = collector_->ChangeFrequency(frequency, sink); !status.ok()) status_.Update(status);
  }
  options_.windows->OnWindow(CloseWindow());
  frequency_hz_ = frequency;
  if (frequency != 0) sampled_hz_ = frequency;
  if (reidentifies) {
    reidentify_ = false;
    processes_.ForgetIdentities();
  }
  ForgetUnused();
}

void Session::Publish() {
  counters_ = collector_->sampler().ReadCounters();
  const int64_t lost = LostSamples(counters_);
  lost_.store(lost, std::memory_order_relaxed);
  SessionStatus status{.samples = aggregator_.samples(),
                       .complete = aggregator_.complete_samples(),
                       .lost = lost,
                       .unwanted = unwanted_samples_,
                       .own = own_samples_,
                       .frequency_hz = frequency_hz_,
                       .processes = processes_.size(),
                       .object_files = locator_.objects().size(),
                       .map_bytes = 0,
                       .counters = counters_,
                       .decode = collector_->decode_counts(),
                       .process_counts = processes_.counts(),
                       .unwind = unwinder_->counts(),
                       .tables = unwinder_->table_counts(),
                       .compiler = unwinder_->compiler_counts(),
                       .table_memory_bytes = unwinder_->memory().chunk_bytes(),
                       .table_budget_bytes = unwinder_->memory().budget_bytes(),
                       .windows = windows_,
                       .error = std::string(Message(status_))};
  // Each map is a file to be read: only who runs long wants to know, and not each second.
  if (const uint64_t now = MonotonicNs(); options_.windows != nullptr && now >= next_map_bytes_ns_) {
    next_map_bytes_ns_ = now + kMapBytesIntervalNs;
    map_bytes_ = collector_->sampler().map_bytes();
  }
  status.map_bytes = map_bytes_;
  const std::lock_guard lock(status_mutex_);
  published_ = std::move(status);
}

std::unique_ptr<Window> Session::CloseWindow() {
  auto window = std::make_unique<Window>(TakeWindowOf(aggregator_, locator_, processes_));
  window->frequency_hz = sampled_hz_;
  window->start_ns = window_start_ns_;
  window->end_ns = collector_->delivered_until_ns();
  window_start_ns_ = window->end_ns;
  // The wall clock may have been set meanwhile: what it shows now is what readers go by.
  window->time_unix_nano = UnixNs() - static_cast<int64_t>(MonotonicNs() - window->start_ns);
  NamedCounts losses = ReadLosses(collector_->sampler().ReadCounters(), *collector_, processes_, *unwinder_);
  window->losses = LossesSince(losses_, losses);
  losses_ = std::move(losses);
  ++windows_;
  return window;
}

// Everything that is kept of threads, programs and files which nothing refers to any more, now that the window is gone.
void Session::ForgetUnused() {
  absl::flat_hash_set<const ThreadIdentity*> identities;
  absl::flat_hash_set<ImageId> images;
  unwinder_->ForEachWaiting([&](const RawSample& sample, const Process& process) {
    identities.insert(sample.identity);
    images.insert(process.id);
  });
  collector_->ForgetIdentities(std::move(identities));
  processes_.ForgetRetired(images);
  unwinder_->ForgetUnusedTables();
  locator_.objects().ForgetUnused(kKeepFilesWindows);
}

void Session::SetFrequency(int frequency_hz) { wanted_frequency_hz_.store(frequency_hz, std::memory_order_relaxed); }
void Session::SetWindow(uint64_t window_ns) { window_ns_.store(window_ns, std::memory_order_relaxed); }
void Session::AllowStackCopies(bool allowed) { allow_stack_copies_.store(allowed); }
void Session::Reidentify() { reidentify_.store(true); }

SessionStatus Session::status() const {
  const std::lock_guard lock(status_mutex_);
  return published_;
}

Session::Progress Session::Snapshot() const {
  return {.samples = samples_.load(std::memory_order_relaxed),
          .complete = complete_.load(std::memory_order_relaxed),
          .lost = lost_.load(std::memory_order_relaxed)};
}

Status Session::Stop() {
  if (!thread_.joinable()) return status_;
  stopping_.store(true, std::memory_order_relaxed);
  collector_->Wake();
  thread_.join();
  return status_;
}

}  // namespace kiln::agent
