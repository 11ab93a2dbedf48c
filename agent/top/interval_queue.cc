// SPDX-License-Identifier: Apache-2.0
#include "agent/top/interval_queue.h"

#include <sys/eventfd.h>

#include <utility>

#include "agent/flush/profile_writer.h"

namespace kiln::agent {
namespace {

TopInterval MakeInterval(const Window& window, Namer& namer) {
  NamingCounts naming;
  TopInterval interval{.profile = MakeProfile(window, namer, {}, naming), .frequency_hz = window.frequency_hz};
  for (const auto& [name, count] : window.losses) {
    if (name == "kiln.samples.lost") interval.lost = count;
  }
  for (const std::string& note : namer.notes()) interval.note += (interval.note.empty() ? "" : "; ") + note;
  return interval;
}

}  // namespace

StatusOr<std::unique_ptr<IntervalQueue>> IntervalQueue::Make() {
  UniqueFd fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!fd.valid()) return ErrnoError(errno, "cannot make an eventfd");
  return std::unique_ptr<IntervalQueue>(new IntervalQueue(std::move(fd)));
}

void IntervalQueue::Put(TopInterval interval) {
  const std::lock_guard lock(mutex_);
  intervals_.push_back(std::move(interval));
  const uint64_t one = 1;
  (void)!::write(fd_.get(), &one, sizeof(one));
}

std::optional<TopInterval> IntervalQueue::Take() {
  const std::lock_guard lock(mutex_);
  if (intervals_.empty()) return std::nullopt;
  TopInterval interval = std::move(intervals_.front());
  intervals_.pop_front();
  uint64_t count = 0;
  if (intervals_.empty()) (void)!::read(fd_.get(), &count, sizeof(count));
  return interval;
}

bool IntervalQueue::empty() const {
  const std::lock_guard lock(mutex_);
  return intervals_.empty();
}

IntervalMaker::IntervalMaker(IntervalQueue& queue, std::shared_ptr<LineIndexes> indexes)
    : queue_(queue),
      worker_([&queue](const Window& window, Namer& namer) { queue.Put(MakeInterval(window, namer)); },
              Namer::kDefaultCacheBytes, std::move(indexes)) {}

}  // namespace kiln::agent
