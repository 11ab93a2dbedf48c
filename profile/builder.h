// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>

#include <span>
#include <string_view>

#include "profile/hash.h"
#include "profile/profile.h"

namespace kiln::profile {

// Finds the index of an equal item of a table, or adds it. Compares items themselves; the hash only picks the bucket.
// The table must outlive the interner and grow through it alone. Thread-compatible.
template <class IndexType, class T>
class Interner {
 public:
  explicit Interner(Table<IndexType, T>& table) : table_(&table), set_(0, Hash{&table}, Equal{&table}) {}

  template <class Key>
  IndexType Intern(Key&& key) {
    if (auto found = set_.find(key); found != set_.end()) return *found;
    const IndexType index = table_->Add(T(std::forward<Key>(key)));
    set_.insert(index);
    return index;
  }

 private:
  struct Hash {
    using is_transparent = void;
    const Table<IndexType, T>* table;
    size_t operator()(IndexType index) const { return (*this)((*table)[index]); }
    template <class Key>
    size_t operator()(const Key& key) const;
  };
  struct Equal {
    using is_transparent = void;
    const Table<IndexType, T>* table;
    template <class A, class B>
    bool operator()(const A& a, const B& b) const {
      return Item(a) == Item(b);
    }
    const T& Item(IndexType index) const { return (*table)[index]; }
    template <class Key>
    const Key& Item(const Key& key) const {
      return key;
    }
  };

  Table<IndexType, T>* table_;
  absl::flat_hash_set<IndexType, Hash, Equal> set_;
};

// The mapping with a range that can be: a limit that is not above the start, or has no address above it, says nothing
// and becomes 0; so does a start with no address above it. Decoders meet all of these.
Mapping WithPossibleRange(Mapping mapping);

// Builds a Profile whose tables hold no duplicates. Indices that it returns belong to this profile only. Move is not
// supported (the interners point into it). Thread-compatible.
class ProfileBuilder {
 public:
  ProfileBuilder();
  ProfileBuilder(const ProfileBuilder&) = delete;
  ProfileBuilder& operator=(const ProfileBuilder&) = delete;

  // Invalid UTF-8 is replaced by U+FFFD, since every format that follows demands UTF-8.
  StringIndex String(std::string_view text);
  ValueType Type(std::string_view type, std::string_view unit);
  MappingIndex AddMapping(const Mapping& mapping);  // WithPossibleRange
  FunctionIndex AddFunction(const Function& function);
  LocationIndex AddLocation(Location location);
  StackIndex AddStack(std::vector<LocationIndex> leaf_first);
  AttributeIndex AddAttribute(std::string_view key, std::string_view value);
  AttributeIndex AddAttribute(std::string_view key, int64_t value, std::string_view unit = "");
  AttributeIndex AddAttribute(const Attribute& attribute);
  // Sorts; of equal keys the last one given wins.
  AttributeSetIndex AddAttributeSet(std::span<const AttributeIndex> attributes);
  LinkIndex AddLink(const Link& link);

  void SetSampleTypes(std::vector<ValueType> types) { profile_.sample_types = std::move(types); }
  void SetPeriod(ValueType type, int64_t period);
  void SetTime(int64_t time_unix_nano, int64_t duration_nano);
  void SetProperties(AttributeSetIndex properties) { profile_.properties = properties; }

  // Adds `values` (one per sample type) to the sample with this key; sums saturate.
  void AddSample(const SampleKey& key, std::span<const int64_t> values);

  const Profile& profile() const { return profile_; }
  // The profile; the builder must not be used afterwards.
  Profile Finish() && { return std::move(profile_); }

 private:
  Profile profile_;
  Interner<StringIndex, std::string> strings_;
  Interner<MappingIndex, Mapping> mappings_;
  Interner<FunctionIndex, Function> functions_;
  Interner<LocationIndex, Location> locations_;
  Interner<StackIndex, Stack> stacks_;
  Interner<AttributeIndex, Attribute> attributes_;
  Interner<AttributeSetIndex, AttributeSet> attribute_sets_;
  Interner<LinkIndex, Link> links_;
  absl::flat_hash_map<SampleKey, size_t> samples_;  // -> index in profile_.samples
};

}  // namespace kiln::profile
