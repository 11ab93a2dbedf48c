// SPDX-License-Identifier: Apache-2.0
#include "agent/unwind/unwind_tables.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstring>
#include <tuple>
#include <utility>

#include "symbolizer/unwind/code_span.h"

namespace kiln::agent {
namespace {

// What may change hands in a period: 1 MiB of tables costs some 60 ms to make.
constexpr uint64_t kMaxBytesPerPeriod = 1 << 20;
uint64_t BytesPerPeriod(uint64_t budget) { return std::min(budget / 4, kMaxBytesPerPeriod); }
// A page in use gives way only to one that was missed so often in a period: what is used as rarely may as well stay.
constexpr uint32_t kMissesToReplace = 4;
// What was not made use of is kept for programs that start.
uint64_t BytesAfterQuietTimes(uint64_t budget) { return budget / 2; }

// A page's size as long as none is known.
constexpr uint64_t kTypicalPageBytes = 4096;
constexpr uint8_t kUsedInLastPeriod = 0x80;
constexpr uint8_t kUsedLately = 0xc0;

void Store(uint32_t& word, uint32_t value) { std::atomic_ref(word).store(value, std::memory_order_release); }
uint32_t Load(uint32_t& word) { return std::atomic_ref(word).load(std::memory_order_relaxed); }

size_t DirectoryBytes(uint32_t page_count) {
  return offsetof(kiln_directory, pages) + size_t{page_count} * sizeof(kiln_ref);
}

}  // namespace

UnwindTables::UnwindTables(SharedMemory& memory, TableWorker& worker)
    : memory_(memory),
      worker_(worker),
      bytes_left_(BytesAfterQuietTimes(memory.memory().budget_bytes())),
      warm_bytes_left_(BytesPerPeriod(memory.memory().budget_bytes())) {}

kiln_directory* UnwindTables::DirectoryOf(const Object& object) {
  return reinterpret_cast<kiln_directory*>(memory_.memory().Words(object.table.directory).data());
}

StatusOr<UnwindTables::Table> UnwindTables::Find(uint32_t object, std::shared_ptr<const symbolizer::ElfFile> elf,
                                                 absl::FunctionRef<DebugFilePlaces()> places) {
  if (const auto found = objects_.find(object); found != objects_.end()) return found->second.table;
  KILN_ASSIGN_OR_RETURN(const symbolizer::CodeSpan span, symbolizer::FindCodeSpan(*elf));
  const uint32_t page_count = std::min<uint32_t>(span.page_count, KILN_MAX_DIRECTORY_PAGES);
  const auto directory = memory_.memory().Allocate(DirectoryBytes(page_count));
  if (!directory) {
    MakeRoom(DirectoryBytes(page_count));
    return absl::UnavailableError("unwind table memory is used up");
  }
  Object& added = objects_[object];
  added = {.elf = std::move(elf),
           .places = std::make_shared<const DebugFilePlaces>(places()),
           .table = {.directory = *directory, .base = span.base},
           .page_count = page_count,
           .pages = std::vector<PageState>(page_count, PageState::kMissing)};
  kiln_directory& header = *DirectoryOf(added);
  header.page_count = page_count;
  header.table = object;
  header.tracked = KILN_NO_REGISTER;
  worker_.TakeCached({.table = object, .elf = added.elf, .places = added.places, .page = 0});
  return added.table;
}

std::optional<PageId> UnwindTables::PageOf(kiln_ref directory, uint64_t offset) const {
  const auto* header = memory_.memory().At<kiln_directory>(directory);
  const uint64_t page = offset >> KILN_PAGE_SHIFT;
  if (header == nullptr || page >= header->page_count) return std::nullopt;
  return PageId{.table = header->table, .page = static_cast<uint32_t>(page)};
}

void UnwindTables::Mark(PageId id, PageState state, kiln_ref ref) {
  Object& object = objects_.at(id.table);
  object.pages[id.page] = state;
  Store(DirectoryOf(object)->pages[id.page], ref);
}

uint64_t UnwindTables::PageBytes() const {
  return counts_.loaded_pages > 0 ? counts_.page_bytes / counts_.loaded_pages : kTypicalPageBytes;
}

bool UnwindTables::TakeRoomForOneMore(uint32_t misses) {
  const TableMemory& memory = memory_.memory();
  const bool may_replace = misses >= kMissesToReplace;
  // Once a page has found no room, what else is free lies in holes.
  const uint64_t free = is_short() ? freed_bytes_ : memory.budget_bytes() - memory.allocated_bytes();
  const uint64_t evictable = idle_bytes_ + (may_replace ? granted_bytes_ + warm_bytes_left_ : 0);
  if ((under_way_ + 1) * PageBytes() > free + std::min({bytes_left_, evictable, counts_.page_bytes})) return false;
  if (may_replace) {
    const uint64_t granted = std::min(2 * PageBytes(), warm_bytes_left_);  // it may be larger than most
    warm_bytes_left_ -= granted;
    granted_bytes_ += granted;
  }
  return true;
}

void UnwindTables::Compile(PageId id) {
  const Object& object = objects_.at(id.table);
  Mark(id, PageState::kRequested, KILN_PAGE_MISSING);
  ++under_way_;
  worker_.Compile({.table = id.table, .elf = object.elf, .places = object.places, .page = id.page});
}

void UnwindTables::Refuse(PageId id) {
  Mark(id, PageState::kNoRoom, KILN_PAGE_NO_ROOM);
  without_room_[id] = 1;
  lacked_in_ = epoch_;
  ++counts_.refused_pages;
}

UnwindTables::Answer UnwindTables::Request(PageId id) {
  const auto found = objects_.find(id.table);
  if (found == objects_.end() || id.page >= found->second.page_count) return Answer::kFailed;
  switch (found->second.pages[id.page]) {
    case PageState::kRequested: worker_.Hurry(id.table, id.page); return Answer::kComes;
    case PageState::kLoaded: return Answer::kComes;
    case PageState::kFailed: return Answer::kFailed;
    case PageState::kNoRoom:
      if (++without_room_[id] < kMissesToReplace || !TakeRoomForOneMore(without_room_[id])) return Answer::kNoRoom;
      without_room_.erase(id);
      break;
    case PageState::kMissing:
      if (TakeRoomForOneMore(1)) break;
      Refuse(id);
      return Answer::kNoRoom;
  }
  Compile(id);
  return Answer::kComes;
}

void UnwindTables::RequestLikely(PageId id) {
  const auto found = objects_.find(id.table);
  if (found == objects_.end() || id.page >= found->second.page_count) return;
  const Object& object = found->second;
  if (object.pages[id.page] != PageState::kMissing || is_short() || !TakeRoomForOneMore(1)) return;
  Mark(id, PageState::kRequested, KILN_PAGE_MISSING);
  ++under_way_;
  worker_.CompileLikely({.table = id.table, .elf = object.elf, .places = object.places, .page = id.page});
}

bool UnwindTables::Place(const CompiledPage& page) { return Place(page, false); }
bool UnwindTables::PlaceAhead(const CompiledPage& page) { return Place(page, true); }

bool UnwindTables::Place(const CompiledPage& page, bool is_ahead) {
  const PageId id{.table = page.table, .page = page.page};
  const auto found = objects_.find(id.table);
  if (found == objects_.end()) return true;
  Object& object = found->second;
  const PageState state = object.pages[id.page];
  if (state == PageState::kLoaded) return true;  // made ahead, and asked for at the same time
  const size_t bytes = page.words.size() * sizeof(uint32_t);
  const auto ref = bytes > 0 ? memory_.memory().Allocate(bytes) : std::nullopt;
  if (bytes > 0 && !ref) {
    if (is_ahead) return false;
    lacked_in_ = epoch_;
    // While what was evicted before is not free yet, more would empty the memory. Much at a time, since each round
    // costs a wait for readers, and stacks that need many new pages would wait for each of them in turn.
    if (memory_.waits_ended() >= eviction_free_after_) {
      Evict(std::max<uint64_t>(2 * bytes, memory_.memory().budget_bytes() / 8), false);
    }
    if (memory_.waits_ended() < eviction_free_after_) return false;
  }
  if (state == PageState::kRequested) --under_way_;
  without_room_.erase(id);
  if (bytes == 0) {
    Mark(id, PageState::kFailed, KILN_PAGE_FAILED);
    return true;
  }
  if (!ref) {  // and nothing that may go before the next period
    idle_bytes_ = freed_bytes_ = 0;
    Refuse(id);
    return true;
  }
  uint32_t* words = memory_.memory().Words(*ref).data();
  std::memcpy(words, page.words.data(), bytes);
  words[offsetof(kiln_page, last_used) / sizeof(uint32_t)] = is_ahead ? epoch_ - 1 : epoch_;
  // Before the first page can be found, since its rows may mean this register.
  DirectoryOf(object)->tracked = page.tracked;
  Mark(id, PageState::kLoaded, *ref);
  loaded_.push_back({.id = id,
                     .ref = *ref,
                     .bytes = static_cast<uint32_t>(bytes),
                     .uses = is_ahead ? uint8_t{0} : kUsedInLastPeriod});
  if (is_ahead) idle_bytes_ += bytes;
  freed_bytes_ -= std::min<uint64_t>(freed_bytes_, bytes);
  ++counts_.loaded_pages;
  counts_.page_bytes += bytes;
  return true;
}

void UnwindTables::ForgetAllBut(const absl::flat_hash_set<uint32_t>& objects) {
  absl::flat_hash_set<uint32_t> forgotten;
  for (const auto& [number, object] : objects_) {
    const bool is_under_way = std::ranges::find(object.pages, PageState::kRequested) != object.pages.end();
    if (!objects.contains(number) && !is_under_way) forgotten.insert(number);
  }
  if (forgotten.empty()) return;
  std::erase_if(loaded_, [&](const LoadedPage& page) {
    if (!forgotten.contains(page.id.table)) return false;
    if (IsIdle(page)) idle_bytes_ -= std::min<uint64_t>(idle_bytes_, page.bytes);
    memory_.Retire(page.ref, page.bytes);
    --counts_.loaded_pages;
    counts_.page_bytes -= page.bytes;
    return true;
  });
  absl::erase_if(without_room_, [&](const auto& entry) { return forgotten.contains(entry.first.table); });
  for (const uint32_t number : forgotten) {
    const Object& object = objects_.at(number);
    memory_.Retire(object.table.directory, DirectoryBytes(object.page_count));
    objects_.erase(number);
    worker_.Forget(number);
  }
}

void UnwindTables::MakeRoom(size_t bytes) {
  // While what was evicted before is not free yet, more would empty the memory. What others retire does not count: in a
  // storm of processes there is always something. A little more than is needed, since each round costs a wait.
  if (memory_.waits_ended() < eviction_free_after_) return;
  Evict(std::max<uint64_t>(2 * bytes, memory_.memory().budget_bytes() / 64), true);
}

bool UnwindTables::IsIdle(const LoadedPage& page) {
  return (page.uses & kUsedLately) == 0 && Load(memory_.memory().At<kiln_page>(page.ref)->last_used) != epoch_;
}

void UnwindTables::Evict(uint64_t wanted, bool must) {
  std::ranges::stable_sort(loaded_, {}, [this](const LoadedPage& page) { return std::pair(!IsIdle(page), page.uses); });
  uint64_t evicted = 0;
  size_t count = 0;
  for (; count < loaded_.size() && evicted < wanted; ++count) {
    const LoadedPage& page = loaded_[count];
    uint64_t& left = IsIdle(page) ? idle_bytes_ : granted_bytes_;
    if (!must && page.bytes > std::min(left, bytes_left_)) break;
    left -= std::min<uint64_t>(left, page.bytes);
    bytes_left_ -= std::min<uint64_t>(bytes_left_, page.bytes);
    Mark(page.id, PageState::kMissing, KILN_PAGE_MISSING);
    memory_.Retire(page.ref, page.bytes);
    evicted += page.bytes;
    freed_bytes_ += page.bytes;
    --counts_.loaded_pages;
    counts_.page_bytes -= page.bytes;
    ++counts_.evicted_pages;
  }
  if (count > 0) eviction_free_after_ = memory_.next_wait();
  loaded_.erase(loaded_.begin(), loaded_.begin() + static_cast<ptrdiff_t>(count));
}

uint32_t UnwindTables::NextEpoch() {
  idle_bytes_ = 0;
  for (LoadedPage& page : loaded_) {
    const bool was_used = Load(memory_.memory().At<kiln_page>(page.ref)->last_used) == epoch_;
    page.uses = static_cast<uint8_t>(page.uses >> 1 | (was_used ? kUsedInLastPeriod : 0));
    if ((page.uses & kUsedLately) == 0) idle_bytes_ += page.bytes;
  }
  const uint64_t budget = memory_.memory().budget_bytes();
  bytes_left_ = std::min(bytes_left_ + BytesPerPeriod(budget), BytesAfterQuietTimes(budget));
  if (under_way_ == 0) granted_bytes_ = 0;
  warm_bytes_left_ = BytesPerPeriod(budget) - std::min(BytesPerPeriod(budget), granted_bytes_);
  ++epoch_;
  RequestWhatWasMissed();
  return epoch_;
}

void UnwindTables::RequestWhatWasMissed() {
  std::vector<std::pair<uint32_t, PageId>> missed;
  for (const auto& [id, times] : without_room_) missed.emplace_back(times, id);
  std::ranges::sort(missed, [](const auto& a, const auto& b) {
    return std::tuple(b.first, a.second.table, a.second.page) < std::tuple(a.first, b.second.table, b.second.page);
  });
  for (const auto& [times, id] : missed) {
    if (times > 0 && TakeRoomForOneMore(times)) {
      without_room_.erase(id);
      Compile(id);
    } else if (times > 0) {
      without_room_[id] = 0;
      lacked_in_ = epoch_;
    } else if (!is_short()) {
      without_room_.erase(id);
      Mark(id, PageState::kMissing, KILN_PAGE_MISSING);
    }
  }
}

}  // namespace kiln::agent
