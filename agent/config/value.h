// SPDX-License-Identifier: Apache-2.0
// A configuration as a tree of values that know their places: what YAML text is turned into before anybody asks what it
// means.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/config/report.h"

namespace kiln::agent::config {

struct Member;

struct Value {
  enum class Kind : uint8_t { kNull, kScalar, kList, kMap };
  Kind kind = Kind::kNull;
  bool quoted = false;  // scalar: certainly a text, not a number or a truth value
  std::string text;     // scalar
  // What stood here if the whole value came from a ${…}: taken instead, of whatever kind, where a text is wanted.
  std::optional<std::string> source;
  Place place;
  std::vector<Value> items;     // list
  std::vector<Member> members;  // map: in the order of the text, no key twice

  // The member of this key; nullptr if there is none.
  const Member* Find(std::string_view key) const;
  Member* Find(std::string_view key);
};

struct Member {
  std::string key;
  Place place;  // of the key
  Value value;
};

inline const Member* Value::Find(std::string_view key) const {
  for (const Member& member : members) {
    if (member.key == key) return &member;
  }
  return nullptr;
}
inline Member* Value::Find(std::string_view key) {
  for (Member& member : members) {
    if (member.key == key) return &member;
  }
  return nullptr;
}

// Lays `over` on `base`: maps key by key and deeply, everything else, null too, replaces what was there.
void Merge(Value& base, Value over);

}  // namespace kiln::agent::config
