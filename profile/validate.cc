// SPDX-License-Identifier: Apache-2.0
#include "profile/validate.h"

#include <absl/container/flat_hash_set.h>

#include "profile/hash.h"
#include "profile/utf8.h"

namespace kiln::profile {
namespace {

// Collects the first fault; later checks do nothing.
class Checker {
 public:
  explicit Checker(const Profile& profile) : profile_(profile) {}

  Status Run() {
    CheckStrings();
    CheckTypes();
    CheckFrames();
    CheckAttributes();
    CheckSamples();
    return status_;
  }

 private:
  template <typename... Args>
  void Require(bool condition, fmt::format_string<Args...> format, Args&&... args) {
    if (!condition && status_.ok()) {
      status_ = Error(absl::StatusCode::kInvalidArgument, format, std::forward<Args>(args)...);
    }
  }

  template <class IndexType, class T>
  void InRange(const Table<IndexType, T>& table, IndexType index, const char* owner, size_t owner_index,
               const char* name) {
    Require(table.Contains(index), "{} {}: {} {} is out of range ({})", owner, owner_index, name, index.value(),
            table.size());
  }

  template <class IndexType, class T>
  void Unique(const Table<IndexType, T>& table, const char* name) {
    absl::flat_hash_set<T> seen;
    size_t i = 0;
    for (const T& item : table) {
      Require(seen.insert(item).second, "{} {} stands twice in its table", name, i);
      ++i;
    }
  }

  void CheckStrings() {
    Require(!profile_.strings.empty() && profile_.strings[StringIndex(0)].empty(), "string 0 is not empty");
    size_t i = 0;
    for (const std::string& text : profile_.strings) {
      Require(IsValidUtf8(text), "string {} is not valid UTF-8", i);
      ++i;
    }
    Unique(profile_.strings, "string");
  }

  void CheckType(const ValueType& type, size_t i) {
    InRange(profile_.strings, type.type, "value type", i, "string");
    InRange(profile_.strings, type.unit, "value type", i, "string");
  }

  void CheckTypes() {
    Require(!profile_.sample_types.empty(), "there is no sample type");
    for (size_t i = 0; i < profile_.sample_types.size(); ++i) CheckType(profile_.sample_types[i], i);
    CheckType(profile_.period_type, profile_.sample_types.size());
  }

  void CheckFrames() {
    size_t i = 0;
    for (const Mapping& mapping : profile_.mappings) {
      InRange(profile_.strings, mapping.filename, "mapping", i, "string");
      InRange(profile_.strings, mapping.build_id, "mapping", i, "string");
      Require(mapping.memory_limit == 0 || mapping.memory_limit > mapping.memory_start,
              "mapping {} ends at 0x{:x} before it starts", i, mapping.memory_limit);
      ++i;
    }
    i = 0;
    for (const Function& function : profile_.functions) {
      InRange(profile_.strings, function.name, "function", i, "string");
      InRange(profile_.strings, function.system_name, "function", i, "string");
      InRange(profile_.strings, function.filename, "function", i, "string");
      Require(function.name.value() != 0, "function {} has no name", i);
      ++i;
    }
    i = 0;
    for (const Location& location : profile_.locations) {
      if (location.mapping) InRange(profile_.mappings, *location.mapping, "location", i, "mapping");
      for (const Line& line : location.lines) InRange(profile_.functions, line.function, "location", i, "function");
      ++i;
    }
    i = 0;
    for (const Stack& stack : profile_.stacks) {
      for (const LocationIndex location : stack.locations) {
        InRange(profile_.locations, location, "stack", i, "location");
      }
      ++i;
    }
    Unique(profile_.mappings, "mapping");
    Unique(profile_.functions, "function");
    Unique(profile_.locations, "location");
    Unique(profile_.stacks, "stack");
  }

  void CheckAttributes() {
    size_t i = 0;
    for (const Attribute& attribute : profile_.attributes) {
      InRange(profile_.strings, attribute.key, "attribute", i, "string");
      InRange(profile_.strings, attribute.unit, "attribute", i, "string");
      if (const auto* text = std::get_if<StringIndex>(&attribute.value)) {
        InRange(profile_.strings, *text, "attribute", i, "string");
      }
      ++i;
    }
    Unique(profile_.attributes, "attribute");
    Require(!profile_.attribute_sets.empty() && profile_.attribute_sets[AttributeSetIndex(0)].attributes.empty(),
            "attribute set 0 is not empty");
    i = 0;
    for (const AttributeSet& set : profile_.attribute_sets) {
      absl::flat_hash_set<StringIndex> keys;
      for (const AttributeIndex index : set.attributes) {
        InRange(profile_.attributes, index, "attribute set", i, "attribute");
        if (!status_.ok()) return;
        Require(keys.insert(profile_.attributes[index].key).second, "attribute set {} has the key {} twice", i,
                profile_.strings[profile_.attributes[index].key]);
      }
      ++i;
    }
    Unique(profile_.attribute_sets, "attribute set");
    Unique(profile_.links, "link");
    InRange(profile_.attribute_sets, profile_.properties, "profile", 0, "attribute set");
  }

  void CheckSamples() {
    absl::flat_hash_set<SampleKey> seen;
    for (size_t i = 0; i < profile_.samples.size(); ++i) {
      const Sample& sample = profile_.samples[i];
      InRange(profile_.stacks, sample.key.stack, "sample", i, "stack");
      InRange(profile_.attribute_sets, sample.key.resource, "sample", i, "attribute set");
      InRange(profile_.attribute_sets, sample.key.attributes, "sample", i, "attribute set");
      if (sample.key.link) InRange(profile_.links, *sample.key.link, "sample", i, "link");
      Require(sample.values.size() == profile_.sample_types.size(), "sample {} has {} values instead of {}", i,
              sample.values.size(), profile_.sample_types.size());
      Require(seen.insert(sample.key).second, "sample {} has the same key as an earlier one", i);
    }
  }

  const Profile& profile_;
  Status status_;
};

}  // namespace

Status Validate(const Profile& profile) { return Checker(profile).Run(); }

}  // namespace kiln::profile
