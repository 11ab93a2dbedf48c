// SPDX-License-Identifier: Apache-2.0
// Strong indices into the tables of a Profile: a StackIndex can't be used where a LocationIndex is meant. There is no
// default value; "none" is std::optional.
#pragma once

#include <compare>
#include <cstdint>
#include <deque>
#include <utility>

namespace kiln::profile {

template <class Tag>
class Index {
 public:
  constexpr explicit Index(uint32_t value) : value_(value) {}
  constexpr uint32_t value() const { return value_; }
  friend constexpr auto operator<=>(const Index&, const Index&) = default;
  template <typename H>
  friend H AbslHashValue(H hash, const Index& index) {
    return H::combine(std::move(hash), index.value_);
  }

 private:
  uint32_t value_;
};

using StringIndex = Index<struct StringTag>;
using MappingIndex = Index<struct MappingTag>;
using FunctionIndex = Index<struct FunctionTag>;
using LocationIndex = Index<struct LocationTag>;
using StackIndex = Index<struct StackTag>;
using AttributeIndex = Index<struct AttributeTag>;
using AttributeSetIndex = Index<struct AttributeSetTag>;
using LinkIndex = Index<struct LinkTag>;

// An array that is reached only by its own index type. References stay valid while it grows: a builder is handed texts
// of its own table again.
template <class IndexType, class T>
class Table {
 public:
  const T& operator[](IndexType index) const { return items_.at(index.value()); }
  T& operator[](IndexType index) { return items_.at(index.value()); }
  IndexType Add(T item) {
    items_.push_back(std::move(item));
    return IndexType(static_cast<uint32_t>(items_.size() - 1));
  }
  bool Contains(IndexType index) const { return index.value() < items_.size(); }
  size_t size() const { return items_.size(); }
  bool empty() const { return items_.empty(); }
  auto begin() const { return items_.begin(); }
  auto end() const { return items_.end(); }

 private:
  std::deque<T> items_;
};

}  // namespace kiln::profile
