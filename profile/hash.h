// SPDX-License-Identifier: Apache-2.0
// Hash values of the profile's items, for absl's containers. Only the builder needs them.
#pragma once

#include <absl/hash/hash.h>

#include <utility>

#include "profile/profile.h"

namespace kiln::profile {

template <typename H>
H AbslHashValue(H hash, const Mapping& m) {
  return H::combine(std::move(hash), m.memory_start, m.memory_limit, m.file_offset, m.filename, m.build_id);
}
template <typename H>
H AbslHashValue(H hash, const Function& f) {
  return H::combine(std::move(hash), f.name, f.system_name, f.filename, f.start_line);
}
template <typename H>
H AbslHashValue(H hash, const Line& l) {
  return H::combine(std::move(hash), l.function, l.line, l.column);
}
template <typename H>
H AbslHashValue(H hash, const Location& l) {
  const uint32_t mapping = l.mapping ? l.mapping->value() + 1 : 0;
  return H::combine(std::move(hash), mapping, l.address, l.type, l.lines);
}
template <typename H>
H AbslHashValue(H hash, const Stack& s) {
  return H::combine(std::move(hash), s.locations);
}
template <typename H>
H AbslHashValue(H hash, const Attribute& a) {
  hash = H::combine(std::move(hash), a.key, a.unit, a.value.index());
  return std::visit([&](const auto& value) { return H::combine(std::move(hash), value); }, a.value);
}
template <typename H>
H AbslHashValue(H hash, const AttributeSet& s) {
  return H::combine(std::move(hash), s.attributes);
}
template <typename H>
H AbslHashValue(H hash, const Link& l) {
  return H::combine(std::move(hash), l.trace_id, l.span_id);
}
template <typename H>
H AbslHashValue(H hash, const SampleKey& k) {
  return H::combine(std::move(hash), k.stack, k.resource, k.attributes, k.link ? k.link->value() + 1 : 0);
}

}  // namespace kiln::profile
