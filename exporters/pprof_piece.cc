// SPDX-License-Identifier: Apache-2.0
#include "exporters/pprof_piece.h"

#include "pprof/labels.h"

namespace kiln::exporters {
namespace {

using profile::LocationIndex;
using profile::StringIndex;

// Upper bounds of what things take in pprof. Ids and references are below 2^21 in a file of a few MiB: three bytes.
constexpr size_t kId = 3;
constexpr size_t kReference = 1 + kId;  // with the tag
constexpr size_t kFrame = 3;            // tag and length of a message below 16 KiB

size_t NumberSize(uint64_t number) {
  size_t size = 2;  // the tag and one byte
  for (; number >= 0x80; number >>= 7) ++size;
  return size;
}
size_t NumberSize(int64_t number) { return NumberSize(static_cast<uint64_t>(number)); }

size_t TextSize(std::string_view text) { return NumberSize(text.size()) + text.size(); }

constexpr size_t kLabel = kFrame + 2 * kReference;
constexpr size_t kTraceAndSpan = 2 * kLabel + 4 * 3 + 8 + 7 + 32 + 16;  // with their texts

}  // namespace

size_t PprofPiece::TextCost(StringIndex index) const {
  return texts_.contains(index) ? 0 : TextSize(from_.strings[index]);
}

size_t PprofPiece::FunctionCost(profile::FunctionIndex index) const {
  if (functions_.contains(index)) return 0;
  const profile::Function& function = from_.functions[index];
  return kFrame + 4 * kReference + NumberSize(function.start_line) + TextCost(function.name) +
         TextCost(function.system_name) + TextCost(function.filename);
}

size_t PprofPiece::MappingCost(profile::MappingIndex index) const {
  if (mappings_.contains(index)) return 0;
  const profile::Mapping& mapping = from_.mappings[index];
  return kFrame + 3 * kReference + 4 * 2 + NumberSize(mapping.memory_start) + NumberSize(mapping.memory_limit) +
         NumberSize(mapping.file_offset) + TextCost(mapping.filename) + TextCost(mapping.build_id);
}

// What a location refers to twice is counted twice; the sum may be too high, and only so.
size_t PprofPiece::LocationCost(LocationIndex index) const {
  if (locations_.contains(index)) return 0;
  const profile::Location& location = from_.locations[index];
  size_t cost = kFrame + 2 * kReference + NumberSize(location.address);
  if (location.mapping) cost += MappingCost(*location.mapping);
  for (const profile::Line& line : location.lines) {
    cost += kFrame + kReference + NumberSize(line.line) + NumberSize(line.column) + FunctionCost(line.function);
  }
  if (location.lines.empty()) {
    cost += 2 * kFrame + 5 * kReference + 3 * 2 + TextSize(pprof::BareFrameName(from_, location));
  }
  return cost;
}

size_t PprofPiece::Cost(const profile::Sample& sample, TextLabels labels, std::span<const int64_t> values) const {
  size_t cost = 3 * 6;  // the frames of the sample and of its two lists, however long they are
  for (const int64_t value : values) cost += NumberSize(value);
  cost += 10;  // the writer may add cpu/nanoseconds
  for (const LocationIndex location : from_.stacks[sample.key.stack].locations) cost += kId + LocationCost(location);
  for (const auto& [key, value] : labels) cost += kLabel + TextSize(key) + TextSize(value);
  if (sample.key.link) cost += kTraceAndSpan;
  return cost;
}

StringIndex PprofPiece::Text(StringIndex index) {
  const auto [entry, added] = texts_.try_emplace(index, StringIndex(0));
  if (added) entry->second = builder_.String(from_.strings[index]);
  return entry->second;
}

profile::FunctionIndex PprofPiece::Function(profile::FunctionIndex index) {
  if (const auto found = functions_.find(index); found != functions_.end()) return found->second;
  const profile::Function& in = from_.functions[index];
  const profile::FunctionIndex added = builder_.AddFunction({.name = Text(in.name),
                                                             .system_name = Text(in.system_name),
                                                             .filename = Text(in.filename),
                                                             .start_line = in.start_line});
  functions_.emplace(index, added);
  return added;
}

profile::MappingIndex PprofPiece::Mapping(profile::MappingIndex index) {
  if (const auto found = mappings_.find(index); found != mappings_.end()) return found->second;
  profile::Mapping mapping = from_.mappings[index];
  mapping.filename = Text(mapping.filename);
  mapping.build_id = Text(mapping.build_id);
  const profile::MappingIndex added = builder_.AddMapping(mapping);
  mappings_.emplace(index, added);
  return added;
}

LocationIndex PprofPiece::Location(LocationIndex index) {
  if (const auto found = locations_.find(index); found != locations_.end()) return found->second;
  const profile::Location& in = from_.locations[index];
  profile::Location out{.mapping = std::nullopt, .address = in.address, .type = in.type, .lines = {}};
  if (in.mapping) out.mapping = Mapping(*in.mapping);
  for (const profile::Line& line : in.lines) out.lines.push_back({Function(line.function), line.line, line.column});
  if (in.lines.empty()) {
    const StringIndex name = builder_.String(pprof::BareFrameName(from_, in));
    out.lines.push_back({builder_.AddFunction({name, StringIndex(0), StringIndex(0), 0}), 0, 0});
  }
  const LocationIndex added = builder_.AddLocation(std::move(out));
  locations_.emplace(index, added);
  return added;
}

void PprofPiece::Add(const profile::Sample& sample, TextLabels labels, std::span<const int64_t> values) {
  std::vector<LocationIndex> stack;
  for (const LocationIndex location : from_.stacks[sample.key.stack].locations) stack.push_back(Location(location));
  std::vector<profile::AttributeIndex> attributes;
  for (const auto& [key, value] : labels) attributes.push_back(builder_.AddAttribute(key, value));
  profile::SampleKey key{.stack = builder_.AddStack(std::move(stack)),
                         .resource = profile::AttributeSetIndex(0),
                         .attributes = builder_.AddAttributeSet(attributes),
                         .link = std::nullopt};
  if (sample.key.link) key.link = builder_.AddLink(from_.links[*sample.key.link]);
  builder_.AddSample(key, values);
}

}  // namespace kiln::exporters
