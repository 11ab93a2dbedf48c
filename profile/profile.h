// SPDX-License-Identifier: Apache-2.0
// The currency of kiln: one profile as index tables, close to OTLP's ProfilesDictionary, so that every distinct string,
// frame and stack is there once. Plain data without I/O. ProfileBuilder makes it, Validate checks one that came from
// outside, Merge adds one to another; pprof/, otlp/ and viewer/ read and write it.
//
// Keys are exact: two stacks are one only if all their frames are equal, never because a hash says so.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "profile/frame_type.h"
#include "profile/index.h"

namespace kiln::profile {

// What is counted, e.g. {"samples", "count"} or {"cpu", "nanoseconds"} (pprof's customary names).
struct ValueType {
  StringIndex type;
  StringIndex unit;
  friend auto operator<=>(const ValueType&, const ValueType&) = default;
};

// One executable segment of a file, in ELF virtual addresses: start/limit are p_vaddr and p_vaddr + p_memsz,
// file_offset is p_offset. Frames outside of ELF files use perf's names in brackets (see frame_type.h) and absolute
// addresses.
struct Mapping {
  uint64_t memory_start;
  uint64_t memory_limit;  // exclusive; above the start, or 0 = not known
  uint64_t file_offset;
  StringIndex filename;  // as the process saw it
  StringIndex build_id;  // GNU build id in lower-case hex; empty if the file has none
  friend auto operator<=>(const Mapping&, const Mapping&) = default;
};

struct Function {
  StringIndex name;         // for people: demangled. Not empty
  StringIndex system_name;  // as in the symbol table; empty = same as name
  StringIndex filename;     // source file; empty = not known
  int64_t start_line;       // 1-based, 0 = not known
  friend auto operator<=>(const Function&, const Function&) = default;
};

struct Line {
  FunctionIndex function;
  int64_t line;    // 1-based, 0 = not known
  int64_t column;  // 1-based, 0 = not known
  friend auto operator<=>(const Line&, const Line&) = default;
};

// A place in the code. `address` lies inside the instruction under way (return addresses were moved back by one): an
// ELF virtual address if `mapping` is a file, an absolute address otherwise, 0 if there is none.
struct Location {
  std::optional<MappingIndex> mapping;
  uint64_t address;
  FrameType type;
  std::vector<Line> lines;  // innermost inlined function first, the function that was compiled last; may be empty
  friend auto operator<=>(const Location&, const Location&) = default;
};

// Leaf first; may be empty.
struct Stack {
  std::vector<LocationIndex> locations;
  friend auto operator<=>(const Stack&, const Stack&) = default;
};

using AttributeValue = std::variant<StringIndex, int64_t, double, bool>;

// A key with a value, e.g. thread.id = 17. Keys are OpenTelemetry's semantic conventions where there is one.
struct Attribute {
  StringIndex key;
  AttributeValue value;
  StringIndex unit;  // UCUM or pprof's num_unit; usually empty
  friend auto operator<=>(const Attribute&, const Attribute&) = default;
};

// Sorted by key text, keys unique. Index 0 of every profile is the empty set.
struct AttributeSet {
  std::vector<AttributeIndex> attributes;
  friend auto operator<=>(const AttributeSet&, const AttributeSet&) = default;
};

// The span under which a sample was taken (W3C trace context).
struct Link {
  std::array<uint8_t, 16> trace_id;
  std::array<uint8_t, 8> span_id;
  friend auto operator<=>(const Link&, const Link&) = default;
};

// Identity of a sample: everything but the values.
struct SampleKey {
  StackIndex stack;
  AttributeSetIndex resource;    // who ran: process, container, service
  AttributeSetIndex attributes;  // what else is known of the sample: thread, labels
  std::optional<LinkIndex> link;
  friend auto operator<=>(const SampleKey&, const SampleKey&) = default;
};

struct Sample {
  SampleKey key;
  std::vector<int64_t> values;  // one per Profile::sample_types
};

struct Profile {
  std::vector<ValueType> sample_types;  // at least one
  ValueType period_type;                // what `period` counts; both strings empty = none
  int64_t period;                       // between two samples, in period_type's unit; 0 = not known
  int64_t time_unix_nano;               // start, wall clock
  int64_t duration_nano;

  Table<StringIndex, std::string> strings;  // [0] is ""; UTF-8
  Table<MappingIndex, Mapping> mappings;
  Table<FunctionIndex, Function> functions;
  Table<LocationIndex, Location> locations;
  Table<StackIndex, Stack> stacks;
  Table<AttributeIndex, Attribute> attributes;
  Table<AttributeSetIndex, AttributeSet> attribute_sets;  // [0] is empty
  Table<LinkIndex, Link> links;

  std::vector<Sample> samples;   // keys are unique
  AttributeSetIndex properties;  // of the profile as a whole: losses, stop reasons, versions (kiln.…)
};

}  // namespace kiln::profile
