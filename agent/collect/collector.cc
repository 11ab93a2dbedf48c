// SPDX-License-Identifier: Apache-2.0
#include "agent/collect/collector.h"

#include <linux/bpf.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>

#include "agent/collect/online_cpus.h"
#include "base/clock.h"

namespace kiln::agent {
namespace {

constexpr int kDrainMilliseconds = 100;
// Longest time between taking a record's time and its being in the ring. A walk takes microseconds; the rest is for
// virtual CPUs that are descheduled in between. What comes later than that is still delivered, only out of order.
constexpr int kSettleMilliseconds = 2;
constexpr uint64_t kSettleNs = kSettleMilliseconds * uint64_t{1'000'000};

constexpr uint64_t kCpuCheckNs = 1'000'000'000;

// Edge-triggered: only a forced wake-up of a ring shall end the wait, not every sample that lies in it. So each Wake
// ends one wait, though nobody takes the counter of its eventfd back.
bool Watch(int epoll, int fd) {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLET;
  event.data.fd = fd;
  return ::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

}  // namespace

StatusOr<std::unique_ptr<Collector>> Collector::Open(Sampler sampler) {
  KILN_ASSIGN_OR_RETURN(std::vector<int> cpus, OnlineCpus());
  // Side band first: no process may start unseen once samples come.
  KILN_ASSIGN_OR_RETURN(SideBand side_band, SideBand::Open(cpus));
  UniqueFd epoll(::epoll_create1(EPOLL_CLOEXEC));
  UniqueFd wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!epoll.valid() || !wake.valid() || !Watch(epoll.get(), wake.get()) || !Watch(epoll.get(), sampler.wakeup_fd())) {
    return ErrnoError(errno, "cannot wait for samples");
  }
  return std::unique_ptr<Collector>(
      new Collector(std::move(sampler), std::move(side_band), std::move(cpus), std::move(epoll), std::move(wake)));
}

Collector::Collector(Sampler sampler, SideBand side_band, std::vector<int> cpus, UniqueFd epoll, UniqueFd wake)
    : sampler_(std::move(sampler)),
      side_band_(std::move(side_band)),
      cpus_(std::move(cpus)),
      epoll_(std::move(epoll)),
      wake_(std::move(wake)) {}

Status Collector::StartSampling() {
  delivered_until_ns_ = MonotonicNs();
  return sampler_.SampleCpus(cpus_);
}

Status Collector::FollowCpus() {
  const uint64_t now = MonotonicNs();
  if (now < next_cpu_check_ns_) return absl::OkStatus();
  next_cpu_check_ns_ = now + kCpuCheckNs;
  KILN_ASSIGN_OR_RETURN(std::vector<int> cpus, OnlineCpus());
  // A CPU that went and came back between two checks has lost its event, too.
  for (const int stopped : sampler_.StoppedCpus()) std::erase(cpus_, stopped);
  if (cpus == cpus_) return absl::OkStatus();
  // First what has to go, with the side band that stopped at the same time, then what is new.
  std::erase_if(cpus_, [&](int cpu) { return !std::ranges::binary_search(cpus, cpu); });
  side_band_.UpdateCpus(cpus_);
  KILN_RETURN_IF_ERROR(sampler_.SampleCpus(cpus_));
  side_band_.UpdateCpus(cpus);
  Status status = sampler_.SampleCpus(cpus);
  if (status.ok()) {
    cpus_ = std::move(cpus);
    ++cpu_changes_;
  } else if (const auto again = OnlineCpus(); again.ok() && *again != cpus) {
    status = absl::OkStatus();  // one went offline meanwhile: the next call sees to it
  }
  return status;
}

Status Collector::Poll(EventSink& sink) {
  std::array<epoll_event, 2> ready;
  // Copied stacks tell of processes that the kernel side is to be told about soon.
  const bool has_stacks = samples_.has_stacks();
  const int count =
      ::epoll_wait(epoll_.get(), ready.data(), ready.size(), has_stacks ? kSettleMilliseconds : kDrainMilliseconds);
  const auto is_ring = [this](const epoll_event& event) { return event.data.fd == sampler_.wakeup_fd(); };
  // So that the stack that woke this thread is delivered by this drain, not only by the next.
  if (!has_stacks && count > 0 && std::any_of(ready.begin(), ready.begin() + count, is_ring)) {
    ::epoll_wait(epoll_.get(), ready.data(), ready.size(), kSettleMilliseconds);
  }
  const Status followed = FollowCpus();
  const uint64_t now = MonotonicNs();
  Drain();
  Deliver(sink, now > kSettleNs ? now - kSettleNs : 0);
  return followed;
}

void Collector::Finish(EventSink& sink) {
  sampler_.Stop();
  const uint64_t now = MonotonicNs();
  Drain();
  Deliver(sink, std::numeric_limits<uint64_t>::max());
  delivered_until_ns_ = now;
}

Status Collector::ChangeFrequency(int frequency_hz, EventSink& sink) {
  Finish(sink);
  sampler_.SetFrequency(frequency_hz);
  return sampler_.SampleCpus(cpus_);
}

void Collector::ForgetIdentities(absl::flat_hash_set<const ThreadIdentity*> in_use) {
  for (size_t i = 0; i < samples_.size(); ++i) in_use.insert(samples_.identity(i));
  decoder_.ForgetIdentities(in_use);
}

void Collector::Wake() {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(wake_.get(), &one, sizeof(one));
}

bool Collector::ExecFollows(Pid pid, uint64_t time_ns) {
  side_band_.Drain(events_);
  return std::ranges::any_of(events_, [&](const SideBandEvent& event) {
    const auto* comm = std::get_if<CommEvent>(&event.event);
    return comm != nullptr && comm->exec && comm->pid == pid && event.time_ns > time_ns;
  });
}

void Collector::Drain() {
  sampler_.Drain([this](std::span<const std::byte> record) {
    ring_bytes_ += record.size() + BPF_RINGBUF_HDR_SZ;
    decoder_.Decode(record, samples_);
  });
  side_band_.Drain(events_);
}

void Collector::Deliver(EventSink& sink, uint64_t horizon_ns) {
  const double start_seconds = ThreadCpuSeconds();
  if (!std::ranges::is_sorted(events_, {}, &SideBandEvent::time_ns)) {
    std::ranges::stable_sort(events_, {}, &SideBandEvent::time_ns);
  }
  order_.clear();
  for (size_t i = 0; i < samples_.size(); ++i) order_.emplace_back(samples_.time_ns(i), i);
  std::ranges::sort(order_);

  // By index: a delivery may append events (ExecFollows), all younger than the horizon.
  size_t next_event = 0;
  later_samples_.Clear();
  for (const auto& [time, i] : order_) {
    if (time > horizon_ns) {
      later_samples_.Add(samples_[i]);
      continue;
    }
    for (; next_event < events_.size() && events_[next_event].time_ns <= time; ++next_event) {
      sink.OnSideBand(events_[next_event]);
    }
    sink.OnSample(samples_[i]);
  }
  for (; next_event < events_.size() && events_[next_event].time_ns <= horizon_ns; ++next_event) {
    sink.OnSideBand(events_[next_event]);
  }
  events_.erase(events_.begin(), events_.begin() + static_cast<ptrdiff_t>(next_event));
  std::swap(samples_, later_samples_);
  // The first drain after a start may come within the time that writers are allowed: time does not go back for that.
  delivered_until_ns_ = std::max(delivered_until_ns_, horizon_ns);
  sink.OnBatchEnd();
  deliver_seconds_ += ThreadCpuSeconds() - start_seconds;
}

}  // namespace kiln::agent
