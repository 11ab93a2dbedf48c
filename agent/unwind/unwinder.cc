// SPDX-License-Identifier: Apache-2.0
#include "agent/unwind/unwinder.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "agent/collect/frame_words.h"
#include "agent/unwind/code_walker.h"
#include "base/clock.h"

namespace kiln::agent {
namespace {

// Of samples that wait for pages, with their stacks.
constexpr uint64_t kMaxWaitingBytes = 32 << 20;
// So many times may a sample come upon a further page that is missing. Each round lasts some milliseconds.
constexpr int kMaxRounds = 64;
constexpr uint64_t kWaitNs = 1'000'000'000;
// A new period makes each CPU look up anew what it remembers of rows: often only where memory is short.
constexpr uint64_t kEpochNs = 10'000'000'000;
constexpr uint64_t kShortEpochNs = 1'000'000'000;
// Pages made ahead that are put in place at once: about a millisecond, in which nothing else is done.
constexpr size_t kMaxAheadAtOnce = 64;
// Addresses outside of all known code that are looked for in vain before the kernel side stops asking.
constexpr uint32_t kMaxUnknownAddresses = 16;

bool LacksTables(kiln_stop stop) {
  return stop == KILN_STOP_PROCESS_UNKNOWN || stop == KILN_STOP_RANGE_UNKNOWN || stop == KILN_STOP_TABLE_MISSING;
}

// A stack that could not be walked because execve(2) has taken the memory of the old program away: there is none.
void DropStackOfOldProgram(RawSample& sample) {
  if ((sample.flags & KILN_SAMPLE_IN_EXEC) == 0 || sample.user_stop == KILN_STOP_ROOT) return;
  sample.user = {};
  sample.user_stop = KILN_STOP_MEMORY_GONE;
}

// The address that the last frame of `words` is looked up by; 0 if there is none.
uint64_t LastAddress(std::span<const uint64_t> words) {
  uint64_t last = 0;
  FrameReader frames(words);
  while (const auto address = frames.Next()) last = address->ForLookup().value();
  return last;
}

size_t FrameCount(std::span<const uint64_t> words) {
  size_t count = 0;
  for (FrameReader frames(words); frames.Next();) ++count;
  return count;
}

ProcessMoment Now(Process& process) {
  return {.process = process, .mappings = nullptr, .generation = process.generation};
}

}  // namespace

Unwinder::Unwinder(KernelTables& kernel, ProcessTable& processes, Locator& locator, const UnwinderOptions& options,
                   std::function<void()> wake)
    : kernel_(kernel),
      processes_(processes),
      locator_(locator),
      memory_(kernel, options.memory_bytes),
      shared_(memory_),
      wake_(std::move(wake)),
      worker_(wake_, options.cache_folder),
      tables_(shared_, worker_),
      walker_(memory_),
      publisher_(kernel, shared_) {
  kernel_.SetEpoch(tables_.epoch());
}

Unwinder::~Unwinder() = default;

kiln_code_range Unwinder::RangeOf(const Process& process, const Mapping& mapping, std::vector<uint32_t>& objects) {
  kiln_code_range range{};
  std::optional<ObjectId> id;
  if (HasObject(mapping)) id = locator_.FindObject(process, mapping);
  const std::shared_ptr<const ObjectFile> object = id ? locator_.objects().Share(*id) : nullptr;
  const CodeWalker walker = ChooseWalker(mapping, object.get());
  range.walker = walker.walker;
  if (walker.walker == KILN_WALKER_NONE) range.ref = walker.stop;
  if (walker.walker != KILN_WALKER_TABLE) return range;
  const auto places = [&] { return DebugFilePlacesOf(process.pid.value, object->path); };
  if (const auto table = tables_.Find(id->value, {object, &*object->elf}, places); table.ok()) {
    objects.push_back(id->value);
    range.ref = table->directory;
    range.base = mapping.start.value() - (walker.address.value() - table->base.value());
  } else if (!absl::IsUnavailable(table.status())) {
    range.walker = KILN_WALKER_NONE;
    range.ref = KILN_STOP_NO_CFI;
  }
  return range;
}

std::shared_ptr<const Unwinder::Code> Unwinder::CodeOf(Process& process, uint64_t time_ns) {
  if (!processes_.EnsureMappings(process, time_ns)) return nullptr;
  const uint64_t version = process.mappings->version();
  std::weak_ptr<const Code>& known = code_by_mappings_[version];
  if (auto code = known.lock()) return code;
  auto code = std::make_shared<Code>(Code{.ranges = {}, .objects = {}, .version = ++last_code_version_});
  bool lacks_memory = false;
  code->ranges = MakeCodeRanges(*process.mappings, [&](const Mapping& mapping) {
    const kiln_code_range range = RangeOf(process, mapping, code->objects);
    lacks_memory = lacks_memory || (range.walker == KILN_WALKER_TABLE && range.ref == 0);
    return range;
  });
  if (lacks_memory) {  // for the directory of a table: to be tried again
    code_by_mappings_.erase(version);
  } else {
    known = code;
  }
  return code;
}

bool Unwinder::Walk(const StackCopy& stack, const Code& code, StackWalker::Walked& walked, PageId& missing) {
  walked = walker_.Walk(stack, code.ranges, code.version, tables_.epoch());
  if (walked.stop != KILN_STOP_TABLE_MISSING && walked.stop != KILN_STOP_MEMORY_FULL) return true;
  const UnwindTables::Answer answer = RequestPageOf(walked.words, code, missing);
  if (answer == UnwindTables::Answer::kNoRoom) walked.stop = KILN_STOP_MEMORY_FULL;
  return answer != UnwindTables::Answer::kComes;
}

UnwindTables::Answer Unwinder::RequestPageOf(std::span<const uint64_t> words, const Code& code, PageId& page) {
  const uint64_t address = LastAddress(words);
  const kiln_code_range* range = FindCodeRange(code.ranges, address);
  if (range == nullptr || range->walker != KILN_WALKER_TABLE) return UnwindTables::Answer::kFailed;
  if (range->ref == 0) return UnwindTables::Answer::kNoRoom;  // not even for the directory
  const auto found = tables_.PageOf(range->ref, address - range->base);
  if (!found) return UnwindTables::Answer::kFailed;
  page = *found;
  return tables_.Request(page);
}

void Unwinder::RequestPagesOn(const StackCopy& stack, const Code& code) {
  if (IsMemoryShort()) return;
  for (size_t at = 0; at + sizeof(uint64_t) <= stack.bytes.size(); at += sizeof(uint64_t)) {
    uint64_t address = 0;
    std::memcpy(&address, stack.bytes.data() + at, sizeof(address));
    const kiln_code_range* range = FindCodeRange(code.ranges, address);
    if (range == nullptr || range->walker != KILN_WALKER_TABLE || range->ref == 0) continue;
    if (const auto page = tables_.PageOf(range->ref, address - range->base)) tables_.RequestLikely(*page);
  }
}

void Unwinder::Prepare(std::span<Process* const> processes, std::chrono::nanoseconds timeout) {
  const uint64_t start = MonotonicNs();
  const uint64_t deadline = start + static_cast<uint64_t>(timeout.count());
  for (Process* process : processes) {
    if (MonotonicNs() >= deadline) break;
    (void)CodeOf(*process, start);
  }
  if (const uint64_t now = MonotonicNs(); now < deadline) worker_.AwaitIdle(std::chrono::nanoseconds(deadline - now));
  // No stack waits for any of them yet.
  do {
    TakeResults([](const RawSample&, const ProcessMoment&) {});
  } while (!ahead_.empty() && MonotonicNs() < deadline);
}

void Unwinder::OnSample(const RawSample& sample, Process& process, Deliver deliver_walked) {
  const auto deliver = [&](RawSample finished, const ProcessMoment& moment) {
    DropStackOfOldProgram(finished);
    deliver_walked(finished, moment);
  };
  if ((sample.flags & KILN_SAMPLE_DERIVED) != 0) ++counts_.derived_samples;
  PageId missing{};
  if (sample.user_stop == KILN_STOP_MEMORY_FULL) {
    // It came without a copy, for none would have helped. It counts among what is missed.
    const auto known = known_.find(process.pid);
    if (known != known_.end() && known->second.image == process.id && known->second.code != nullptr) {
      RequestPageOf(sample.user, *known->second.code, missing);
    }
  }
  if (!LacksTables(sample.user_stop)) {
    if (sample.snapshot != 0 && sample.snapshot != process.code_generation + 1) {
      // Where the maps were read anew no event has told.
      const auto* told = publisher_.FactsOf(process.pid);
      if (told != nullptr && IsOutdated(process.pid, *told)) publisher_.Withdraw(process.pid);
      DeliverCut(sample, Now(process), deliver);
    } else {
      deliver(sample, Now(process));
    }
    return;
  }
  std::shared_ptr<const Code> code = CodeOf(process, sample.time_ns);
  if (code == nullptr) {
    deliver(sample, Now(process));
    return;
  }
  // The next stack shall be better off, also where this one can't be walked to the place for lack of memory.
  if (sample.user_stop == KILN_STOP_TABLE_MISSING) RequestPageOf(sample.user, *code, missing);
  if (sample.stack.header == nullptr) {
    deliver(sample, Now(process));
    return;
  }
  ++counts_.copied;
  StackWalker::Walked walked;
  bool is_final = Walk(sample.stack, *code, walked, missing);
  // Once per page that is missing: this takes as long as ten walks.
  if (!is_final && !waiting_.contains(missing)) RequestPagesOn(sample.stack, *code);
  if (is_final && walked.stop == KILN_STOP_RANGE_UNKNOWN) {
    const uint64_t version = process.mappings->version();
    const ProcessAddress address(LastAddress(walked.words));
    if (processes_.FindMapping(process, address, sample.time_ns) != nullptr && process.mappings->version() != version) {
      code = CodeOf(process, sample.time_ns);
      is_final = code == nullptr || Walk(sample.stack, *code, walked, missing);
    }
    if (is_final && walked.stop == KILN_STOP_RANGE_UNKNOWN) ++known_[process.pid].unknown_addresses;
  }
  if (code == nullptr) {
    deliver(sample, Now(process));
    return;
  }
  Learn(sample, process, code);
  if (is_final) {
    DeliverWalked(sample, walked, Now(process), deliver);
  } else if (waiting_bytes_ + sample.stack.bytes.size() > kMaxWaitingBytes) {
    ++counts_.not_awaited;
    deliver(sample, Now(process));
  } else {
    Wait(sample, process, std::move(code), missing);
  }
}

void Unwinder::Learn(const RawSample& sample, Process& process, const std::shared_ptr<const Code>& code) {
  Known& known = known_[process.pid];
  if (known.image != process.id) known = {.image = process.id};
  known.code = code;
  uint32_t flags = 0;
  if (process.code_generation > 0) flags |= KILN_PROCESS_REPLACES_CODE;
  if (known.unknown_addresses >= kMaxUnknownAddresses) flags |= KILN_PROCESS_ALL_KNOWN;
  known.facts = {.start_ns = sample.identity->process_start_ns,
                 .exec_pages = sample.stack.header->exec_pages,
                 .exec_id = sample.stack.header->exec_id,
                 .snapshot = process.code_generation + 1,
                 .flags = flags};
  if (!std::exchange(known.to_publish, true)) to_publish_.push_back(process.pid);
}

void Unwinder::Wait(const RawSample& sample, Process& process, std::shared_ptr<const Code> code, PageId missing) {
  auto waiting = std::make_unique<Waiting>(Waiting{.sample = sample,
                                                   .words = {},
                                                   .header = *sample.stack.header,
                                                   .stack = {sample.stack.bytes.begin(), sample.stack.bytes.end()},
                                                   .process = &process,
                                                   .mappings = process.mappings,
                                                   .generation = process.generation,
                                                   .code = std::move(code)});
  waiting->words.assign(sample.kernel.begin(), sample.kernel.end());
  waiting->words.insert(waiting->words.end(), sample.user.begin(), sample.user.end());
  const std::span<const uint64_t> words(waiting->words);
  waiting->sample.kernel = words.first(sample.kernel.size());
  waiting->sample.user = words.subspan(sample.kernel.size());
  waiting->sample.stack = {.header = &waiting->header, .bytes = waiting->stack};
  waiting_bytes_ += waiting->stack.size();
  ++counts_.waited;
  waiting_[missing].push_back(std::move(waiting));
}

void Unwinder::Retry(PageId page, Deliver deliver) {
  const auto found = waiting_.find(page);
  if (found == waiting_.end()) return;
  auto samples = std::move(found->second);
  waiting_.erase(found);
  for (std::unique_ptr<Waiting>& waiting : samples) {
    StackWalker::Walked walked;
    PageId missing;
    if (!Walk(waiting->sample.stack, *waiting->code, walked, missing) && ++waiting->rounds < kMaxRounds) {
      waiting_[missing].push_back(std::move(waiting));
      continue;
    }
    waiting_bytes_ -= waiting->stack.size();
    const ProcessMoment moment{
        .process = *waiting->process, .mappings = waiting->mappings, .generation = waiting->generation};
    DeliverWalked(waiting->sample, walked, moment, deliver);
  }
}

void Unwinder::DeliverWalked(RawSample sample, const StackWalker::Walked& walked, const ProcessMoment& moment,
                             Deliver deliver) {
  if (!LacksTables(walked.stop) && walked.stop != KILN_STOP_MEMORY_FULL) ++counts_.walked;
  // The kernel side may have come further where memory was not copied.
  if (walked.stop == KILN_STOP_ROOT || FrameCount(walked.words) >= FrameCount(sample.user)) {
    if (walked.derived && (sample.flags & KILN_SAMPLE_DERIVED) == 0) ++counts_.derived_samples;
    sample.user = walked.words;
    sample.user_stop = walked.stop == KILN_STOP_RANGE_UNKNOWN ? KILN_STOP_NOT_CODE : walked.stop;
  }
  DropStackOfOldProgram(sample);
  deliver(sample, moment);
}

// The stack was walked by what lay there before. Its leaf at least is true.
void Unwinder::DeliverCut(RawSample sample, const ProcessMoment& moment, Deliver deliver) {
  ++counts_.replaced;
  FrameReader frames(sample.user);
  (void)frames.Next();
  sample.user = sample.user.first(sample.user.size() - frames.rest().size());
  sample.user_stop = KILN_STOP_CODE_REPLACED;
  deliver(sample, moment);
}

bool Unwinder::IsOutdated(Pid pid, const ProcessPublisher::Facts& facts) {
  const Process* process = processes_.Current(pid);
  return process == nullptr || facts.snapshot != process->code_generation + 1;
}

void Unwinder::Forget(Pid pid) {
  publisher_.Withdraw(pid);
  known_.erase(pid);
}

void Unwinder::OnSideBand(const SideBandEvent& event) {
  if (const auto* exit = std::get_if<ExitEvent>(&event.event)) {
    const Process* process = processes_.Current(exit->pid);
    if (process == nullptr || process->exit_time_ns) Forget(exit->pid);
  } else if (const auto* comm = std::get_if<CommEvent>(&event.event)) {
    if (comm->exec) Forget(comm->pid);
  } else if (const auto* mmap = std::get_if<MmapEvent>(&event.event)) {
    const auto known = known_.find(mmap->pid);
    if (known == known_.end()) return;
    known->second.unknown_addresses = 0;
    const auto is_wrong = [&](const ProcessPublisher::Facts& facts) {
      return (facts.flags & KILN_PROCESS_ALL_KNOWN) != 0 || IsOutdated(mmap->pid, facts);
    };
    if (is_wrong(known->second.facts)) known->second.to_publish = false;
    const auto* told = publisher_.FactsOf(mmap->pid);
    if (told != nullptr && is_wrong(*told)) publisher_.Withdraw(mmap->pid);
  } else if (std::holds_alternative<LostEvent>(event.event)) {
    // Any of them may have ended, or run other code.
    for (const auto& [pid, known] : known_) publisher_.Withdraw(pid);
    known_.clear();
  }
}

void Unwinder::PlaceAhead(std::vector<PageId>& placed) {
  for (size_t i = 0; i < kMaxAheadAtOnce && !ahead_.empty(); ++i) {
    const CompiledPage page = std::move(ahead_.front());
    ahead_.pop_front();
    const PageId id{page.table, page.page};
    if (!tables_.Lacks(id)) continue;
    // They get half of the memory: the rest is for those that are needed.
    if (IsMemoryShort() || !memory_.source_status().ok()) {
      worker_.SetAhead(false);
      ahead_.clear();
    } else if (tables_.PlaceAhead(page)) {
      placed.push_back(id);
    }
  }
  if (!ahead_.empty()) wake_();
}

bool Unwinder::TakeResults(Deliver deliver) {
  TableWorker::Results results = worker_.Take();
  if (results.readers_gone) shared_.ReadersGone();
  const bool has_results = results.readers_gone || !results.pages.empty();
  std::vector<CompiledPage> pages = std::exchange(unplaced_, {});
  std::ranges::move(results.pages, std::back_inserter(pages));
  // All of them first: a stack that is tried again mostly needs several.
  std::vector<PageId> placed;
  for (CompiledPage& page : pages) {
    if (tables_.Place(page)) {
      placed.push_back({page.table, page.page});
    } else {
      unplaced_.push_back(std::move(page));
    }
  }
  std::ranges::move(results.ahead, std::back_inserter(ahead_));
  PlaceAhead(placed);
  for (const PageId id : placed) Retry(id, deliver);
  // A wait keeps the worker from pages for some milliseconds: only for memory that is needed, else now and then.
  const uint64_t now = MonotonicNs();
  const bool is_needed = !unplaced_.empty() || IsMemoryShort();
  if ((is_needed || now >= next_wait_ns_) && shared_.BeginWait()) {
    next_wait_ns_ = now + kWaitNs;
    kernel_.Forget();
    worker_.AwaitReaders();
  }
  return has_results;
}

void Unwinder::EndBatch(Deliver deliver) {
  TakeResults(deliver);
  for (const Pid pid : std::exchange(to_publish_, {})) {
    const auto found = known_.find(pid);
    if (found == known_.end() || !std::exchange(found->second.to_publish, false)) continue;
    const Known& known = found->second;
    // Lacking pages are no reason to tell the same again, at the price of a wait for readers.
    if (publisher_.IsTold(pid, known.facts, known.code->version)) continue;
    const Status status = publisher_.Publish(pid, known.facts, known.code->ranges, known.code->version);
    if (status.ok()) {
      ++counts_.processes;
    } else {
      // Its next sample brings it here again.
      if (absl::IsUnavailable(status)) tables_.MakeRoom(known.code->ranges.size() * sizeof(kiln_code_range));
      publisher_.Withdraw(pid);
      ++counts_.processes_full;
    }
  }
  if (const uint64_t now = MonotonicNs(); now - epoch_began_ns_ >= (tables_.is_short() ? kShortEpochNs : kEpochNs)) {
    epoch_began_ns_ = now;
    kernel_.SetEpoch(tables_.NextEpoch());
    absl::erase_if(code_by_mappings_, [](const auto& entry) { return entry.second.expired(); });
  }
}

void Unwinder::ForgetUnusedTables() {
  absl::flat_hash_set<uint32_t> used;
  const auto note = [&used](const Code* code) {
    if (code != nullptr) used.insert(code->objects.begin(), code->objects.end());
  };
  for (const auto& [version, code] : code_by_mappings_) note(code.lock().get());
  for (const auto& [pid, known] : known_) note(known.code.get());
  for (const auto& [page, samples] : waiting_) {
    for (const std::unique_ptr<Waiting>& waiting : samples) note(waiting->code.get());
  }
  tables_.ForgetAllBut(used);
}

void Unwinder::ForEachWaiting(absl::FunctionRef<void(const RawSample&, const Process&)> visit) const {
  for (const auto& [page, samples] : waiting_) {
    for (const std::unique_ptr<Waiting>& waiting : samples) visit(waiting->sample, *waiting->process);
  }
}

void Unwinder::Finish(Deliver deliver) {
  // Each sample that waits has a page under way, whose coming delivers it or asks for the next.
  do {
    worker_.Finish();
  } while (TakeResults(deliver) && !waiting_.empty());
  for (const auto& [page, samples] : std::exchange(waiting_, {})) {
    for (const std::unique_ptr<Waiting>& waiting : samples) {
      DropStackOfOldProgram(waiting->sample);
      deliver(waiting->sample,
              {.process = *waiting->process, .mappings = waiting->mappings, .generation = waiting->generation});
    }
  }
}

}  // namespace kiln::agent
