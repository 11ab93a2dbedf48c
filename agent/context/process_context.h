// SPDX-License-Identifier: Apache-2.0
// What a process publishes of itself for readers such as kiln: its resource attributes, and how the contexts of its
// threads are to be read. OTEP 4719, "Reading Protocol"; the attributes of thread contexts are OTEP 4947's.
//
// It is another program's memory, which may say anything and change while it is read: sizes are limited, and what was
// changed meanwhile is not taken.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/context/process_memory.h"
#include "agent/identity/attribute.h"
#include "base/address.h"
#include "base/ids.h"
#include "base/status.h"

namespace kiln::agent {

// Writers give 64 KiB at most, those of other makers up to 1 MiB.
inline constexpr uint32_t kMaxProcessContextBytes = 1 << 20;
inline constexpr size_t kMaxThreadKeys = 256;

struct ProcessContext {
  // Valid UTF-8 and not empty; keys are unique, the first one counts. Values that are neither text nor whole numbers
  // are written as text.
  identity::Attributes resource;
  // threadlocal.schema_version; "" = threads publish nothing.
  std::string thread_schema;
  // threadlocal.attribute_key_map: names of the attributes of threads, by their number. "" = not known.
  std::vector<std::string> thread_keys;
};

// kDataLoss if the bytes are no such message.
StatusOr<ProcessContext> ParseProcessContext(std::string_view payload);

// Where the context is, by a /proc/PID/maps text; nullopt if the process publishes none. Of several the first one.
std::optional<ProcessAddress> FindProcessContext(std::string_view maps);

// One reading. A context that is as old as `known_ns` is not read again.
struct PublishedContext {
  uint64_t published_ns = 0;              // CLOCK_BOOTTIME; grows with each change
  std::optional<ProcessContext> context;  // nullopt = published_ns is `known_ns`
};
// Reads the context at `address`. kUnavailable: it was being changed all the time, try later; kFailedPrecondition: of
// another version; kDataLoss: it is no context, or damaged; else as ProcessMemory::Read.
StatusOr<PublishedContext> ReadProcessContext(const ProcessMemory& memory, ProcessAddress address,
                                              uint64_t known_ns = 0);

}  // namespace kiln::agent
