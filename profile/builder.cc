// SPDX-License-Identifier: Apache-2.0
#include "profile/builder.h"

#include <algorithm>
#include <limits>

#include "profile/utf8.h"

namespace kiln::profile {
namespace {

int64_t SaturatingAdd(int64_t a, int64_t b) {
  int64_t sum = 0;
  if (!__builtin_add_overflow(a, b, &sum)) return sum;
  return a > 0 ? std::numeric_limits<int64_t>::max() : std::numeric_limits<int64_t>::min();
}

}  // namespace

template <class IndexType, class T>
template <class Key>
size_t Interner<IndexType, T>::Hash::operator()(const Key& key) const {
  if constexpr (std::is_convertible_v<Key, std::string_view>) {
    return absl::Hash<std::string_view>{}(key);
  } else {
    return absl::Hash<Key>{}(key);
  }
}

Mapping WithPossibleRange(Mapping mapping) {
  constexpr uint64_t kTop = std::numeric_limits<uint64_t>::max();
  if (mapping.memory_start == kTop) mapping.memory_start = 0;
  if (mapping.memory_limit <= mapping.memory_start || mapping.memory_limit == kTop) mapping.memory_limit = 0;
  return mapping;
}

ProfileBuilder::ProfileBuilder()
    : profile_{.sample_types = {},
               .period_type = {StringIndex(0), StringIndex(0)},
               .period = 0,
               .time_unix_nano = 0,
               .duration_nano = 0,
               .strings = {},
               .mappings = {},
               .functions = {},
               .locations = {},
               .stacks = {},
               .attributes = {},
               .attribute_sets = {},
               .links = {},
               .samples = {},
               .properties = AttributeSetIndex(0)},
      strings_(profile_.strings),
      mappings_(profile_.mappings),
      functions_(profile_.functions),
      locations_(profile_.locations),
      stacks_(profile_.stacks),
      attributes_(profile_.attributes),
      attribute_sets_(profile_.attribute_sets),
      links_(profile_.links) {
  String("");
  AddAttributeSet({});
}

StringIndex ProfileBuilder::String(std::string_view text) {
  if (IsValidUtf8(text)) return strings_.Intern(text);
  return strings_.Intern(ToValidUtf8(text));
}
ValueType ProfileBuilder::Type(std::string_view type, std::string_view unit) { return {String(type), String(unit)}; }
MappingIndex ProfileBuilder::AddMapping(const Mapping& mapping) { return mappings_.Intern(WithPossibleRange(mapping)); }
FunctionIndex ProfileBuilder::AddFunction(const Function& function) { return functions_.Intern(function); }
LocationIndex ProfileBuilder::AddLocation(Location location) { return locations_.Intern(std::move(location)); }
StackIndex ProfileBuilder::AddStack(std::vector<LocationIndex> leaf_first) {
  return stacks_.Intern(Stack{std::move(leaf_first)});
}
AttributeIndex ProfileBuilder::AddAttribute(std::string_view key, std::string_view value) {
  return AddAttribute(Attribute{String(key), String(value), StringIndex(0)});
}
AttributeIndex ProfileBuilder::AddAttribute(std::string_view key, int64_t value, std::string_view unit) {
  return AddAttribute(Attribute{String(key), value, String(unit)});
}
AttributeIndex ProfileBuilder::AddAttribute(const Attribute& attribute) { return attributes_.Intern(attribute); }

AttributeSetIndex ProfileBuilder::AddAttributeSet(std::span<const AttributeIndex> attributes) {
  AttributeSet set{{attributes.begin(), attributes.end()}};
  const auto key_of = [this](AttributeIndex index) -> const std::string& {
    return profile_.strings[profile_.attributes[index].key];
  };
  std::ranges::stable_sort(set.attributes, {}, key_of);
  std::vector<AttributeIndex> unique;
  for (const AttributeIndex index : set.attributes) {
    if (!unique.empty() && key_of(unique.back()) == key_of(index)) unique.pop_back();
    unique.push_back(index);
  }
  return attribute_sets_.Intern(AttributeSet{std::move(unique)});
}

LinkIndex ProfileBuilder::AddLink(const Link& link) { return links_.Intern(link); }

void ProfileBuilder::SetPeriod(ValueType type, int64_t period) {
  profile_.period_type = type;
  profile_.period = period;
}
void ProfileBuilder::SetTime(int64_t time_unix_nano, int64_t duration_nano) {
  profile_.time_unix_nano = time_unix_nano;
  profile_.duration_nano = duration_nano;
}

void ProfileBuilder::AddSample(const SampleKey& key, std::span<const int64_t> values) {
  const auto [entry, added] = samples_.try_emplace(key, profile_.samples.size());
  if (added) {
    profile_.samples.push_back({key, {values.begin(), values.end()}});
    return;
  }
  auto& sums = profile_.samples[entry->second].values;
  for (size_t i = 0; i < sums.size() && i < values.size(); ++i) sums[i] = SaturatingAdd(sums[i], values[i]);
}

}  // namespace kiln::profile
