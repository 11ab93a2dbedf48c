// SPDX-License-Identifier: Apache-2.0
#include "agent/collect/decode.h"

#include <cstring>

#include "base/byte_reader.h"

namespace kiln::agent {
namespace {

constexpr uint32_t kMaxCpus = 8192;  // CONFIG_NR_CPUS of the largest distribution kernels

std::string Comm(const char (&comm)[KILN_COMM_BYTES]) { return std::string(comm, strnlen(comm, sizeof(comm))); }

}  // namespace

SampleDecoder::Cpu& SampleDecoder::CpuOf(uint32_t cpu) {
  if (cpu >= cpus_.size()) cpus_.resize(cpu + 1);
  if (cpus_[cpu].slots.empty()) cpus_[cpu].slots.resize(KILN_IDENTITY_SLOTS);
  return cpus_[cpu];
}

void SampleDecoder::DecodeStack(std::span<const std::byte> record) {
  ByteReader reader(record);
  kiln_stack header{};
  if (!reader.Read(header) || header.version != KILN_WIRE_VERSION || header.cpu >= kMaxCpus ||
      header.stack_bytes > KILN_MAX_STACK_BYTES || reader.remaining() != header.stack_bytes) {
    ++counts_.malformed;
    return;
  }
  ++counts_.stacks;
  PendingStack& pending = CpuOf(header.cpu).stack;
  pending.header = header;
  const auto bytes = *reader.Bytes(header.stack_bytes);
  pending.bytes.assign(bytes.begin(), bytes.end());
}

void SampleDecoder::Decode(std::span<const std::byte> record, SampleBatch& batch) {
  if (record.size() > 1 && record[1] == std::byte{KILN_RECORD_STACK}) {
    DecodeStack(record);
    return;
  }
  ByteReader reader(record);
  kiln_identity wire_identity{};
  kiln_sample sample{};
  const bool has_identity = record.size() > 1 && record[1] == std::byte{KILN_RECORD_IDENTITY};
  if (has_identity && (!reader.Read(wire_identity) || wire_identity.version != KILN_WIRE_VERSION)) {
    ++counts_.malformed;
    return;
  }
  if (!reader.Read(sample) || sample.version != KILN_WIRE_VERSION || sample.type != KILN_RECORD_SAMPLE ||
      sample.cpu >= kMaxCpus || sample.kernel_stop >= KILN_STOP_COUNT || sample.user_stop >= KILN_STOP_COUNT ||
      reader.remaining() != (size_t{sample.kernel_words} + sample.user_words) * sizeof(uint64_t)) {
    ++counts_.malformed;
    return;
  }
  words_.resize(size_t{sample.kernel_words} + sample.user_words);
  const auto words = *reader.Bytes(words_.size() * sizeof(uint64_t));
  if (!words.empty()) std::memcpy(words_.data(), words.data(), words.size());

  const Tid tid{static_cast<int32_t>(sample.tid)};
  Cpu& cpu = CpuOf(sample.cpu);
  Slot& slot = cpu.slots[static_cast<uint32_t>(tid.value) % KILN_IDENTITY_SLOTS];
  if (has_identity) {
    Known known{.pid = {static_cast<int32_t>(sample.pid)}, .tid = tid};
    known.identity = {.process_start_ns = wire_identity.process_start_ns,
                      .namespaced_pid = {static_cast<int32_t>(wire_identity.namespaced_pid)},
                      .mount_namespace = wire_identity.mount_namespace,
                      .thread_comm = Comm(wire_identity.thread_comm),
                      .process_comm = Comm(wire_identity.process_comm)};
    slot = {.tid = tid, .identity = &identities_.insert(std::move(known)).first->identity};
  }
  if (slot.identity == nullptr || slot.tid != tid) {
    ++counts_.unknown_identity;
    return;
  }
  StackCopy stack;
  if ((sample.flags & KILN_SAMPLE_HAS_STACK) != 0 && cpu.stack.header.time_ns == sample.time_ns) {
    stack = {.header = &cpu.stack.header, .bytes = cpu.stack.bytes};
  }
  const std::span<const uint64_t> all(words_);
  batch.Add({.time_ns = sample.time_ns,
             .pid = {static_cast<int32_t>(sample.pid)},
             .tid = tid,
             .cpu = sample.cpu,
             .flags = sample.flags,
             .kernel_stop = static_cast<kiln_stop>(sample.kernel_stop),
             .user_stop = static_cast<kiln_stop>(sample.user_stop),
             .snapshot = sample.snapshot,
             .identity = slot.identity,
             .kernel = all.first(sample.kernel_words),
             .user = all.subspan(sample.kernel_words),
             .stack = stack});
}

void SampleDecoder::ForgetIdentities(const absl::flat_hash_set<const ThreadIdentity*>& in_use) {
  absl::flat_hash_set<const ThreadIdentity*> in_slots;
  for (const Cpu& cpu : cpus_) {
    for (const Slot& slot : cpu.slots) in_slots.insert(slot.identity);
  }
  absl::erase_if(identities_, [&](const Known& known) {
    return !in_slots.contains(&known.identity) && !in_use.contains(&known.identity);
  });
}

}  // namespace kiln::agent
