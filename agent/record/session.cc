// SPDX-License-Identifier: Apache-2.0
#include "agent/record/session.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <chrono>

#include "agent/process/proc_stat.h"
#include "base/clock.h"

namespace kiln::agent {
namespace {

constexpr uint64_t kCounterIntervalNs = 1'000'000'000;

// Where all CPUs are busy, samples would be lost while this thread waits for one. It takes little of it. Not where that
// is not allowed (CAP_SYS_NICE).
constexpr int kNice = -5;

// For a start that is not felt.
constexpr size_t kMaxPrepared = 32;
constexpr std::chrono::milliseconds kPrepareTime(200);

void RaisePriority() {
  const auto thread = static_cast<id_t>(::gettid());
  (void)::setpriority(PRIO_PROCESS, thread, ::getpriority(PRIO_PROCESS, thread) + kNice);
}

}  // namespace

int64_t LostSamples(const SamplerCounters& counters) {
  enum Kind { LOSS, FILTERED, INFO };
  static constexpr Kind kKinds[] = {
#define KILN_COUNTER(identifier, name, kind, description) kind,
#include "bpf/counters.def"
#undef KILN_COUNTER
  };
  int64_t lost = 0;
  for (size_t i = 0; i < counters.size(); ++i) {
    if (kKinds[i] == LOSS) lost += static_cast<int64_t>(counters[i]);
  }
  return lost;
}

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
    if (Process* process = session_.aggregator_.Admit(sample); process != nullptr) {
      session_.unwinder_->OnSample(sample, *process, add_);
    }
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
  std::array<char, KILN_COMM_BYTES> own_comm_{};
  std::vector<Pid> exited_;
};

Session::Session(const SessionOptions& options)
    : options_(options),
      processes_(system_),
      locator_(processes_),
      aggregator_(processes_, locator_, [this](const ThreadIdentity& identity) { return JudgeComm(identity); }) {}

Session::~Session() { (void)Stop(); }

StatusOr<std::unique_ptr<Session>> Session::Start(const SessionOptions& options) {
  KILN_ASSIGN_OR_RETURN(Sampler sampler, Sampler::Load(options.sampler));
  for (const Pid target : options.targets) KILN_RETURN_IF_ERROR(sampler.AddTarget(target));
  std::unique_ptr<Session> session(new Session(options));
  KILN_ASSIGN_OR_RETURN(session->collector_, Collector::Open(std::move(sampler)));
  session->system_.SetCollector(session->collector_.get());
  session->kernel_tables_ = std::make_unique<SamplerTables>(session->collector_->sampler());
  session->unwinder_ =
      std::make_unique<Unwinder>(*session->kernel_tables_, session->processes_, session->locator_, options.unwinder,
                                 [collector = session->collector_.get()] { collector->Wake(); });
  // Once events come, so that none is missed between the maps and the first event.
  for (const Pid target : options.targets) session->processes_.Preload(target);
  session->PrepareTables();
  KILN_RETURN_IF_ERROR(session->collector_->StartSampling());
  session->thread_ = std::thread([raw = session.get()] { raw->Run(); });
  return session;
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
  uint64_t next_counters_ns = 0;
  while (!stopping_.load(std::memory_order_relaxed)) {
    if (Status status = collector_->Poll(sink); !status.ok() && status_.ok()) status_ = std::move(status);
    sink.DropGoneTargets();
    samples_.store(aggregator_.samples(), std::memory_order_relaxed);
    complete_.store(aggregator_.complete_samples(), std::memory_order_relaxed);
    // A system call per counter: not at every drain.
    if (const uint64_t now = MonotonicNs(); now >= next_counters_ns) {
      next_counters_ns = now + kCounterIntervalNs;
      lost_.store(LostSamples(collector_->sampler().ReadCounters()), std::memory_order_relaxed);
    }
  }
  collector_->Finish(sink);
  sink.Finish();
  counters_ = collector_->sampler().ReadCounters();
  run_stats_ = collector_->sampler().ReadRunStats();
  map_bytes_ = collector_->sampler().map_bytes();
  samples_.store(aggregator_.samples(), std::memory_order_relaxed);
  complete_.store(aggregator_.complete_samples(), std::memory_order_relaxed);
  lost_.store(LostSamples(counters_), std::memory_order_relaxed);
  stages_.aggregate = collector_->deliver_seconds();
  stages_.collect = ThreadCpuSeconds() - start - stages_.aggregate;
  stages_.locate = aggregator_.locate_seconds();
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
