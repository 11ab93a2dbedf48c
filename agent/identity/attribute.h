// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace kiln::agent::identity {

// A resource attribute: key and value as they leave kiln. Both are valid UTF-8 and not empty.
struct Attribute {
  std::string key;
  std::variant<std::string, int64_t> value;
  friend bool operator==(const Attribute&, const Attribute&) = default;
};

using Attributes = std::vector<Attribute>;

// The value as text; numbers in decimal.
inline std::string TextOf(const Attribute& attribute) {
  const auto* text = std::get_if<std::string>(&attribute.value);
  return text != nullptr ? *text : std::to_string(std::get<int64_t>(attribute.value));
}

// nullptr if there is none of this key.
inline const Attribute* Find(const Attributes& attributes, std::string_view key) {
  for (const Attribute& attribute : attributes) {
    if (attribute.key == key) return &attribute;
  }
  return nullptr;
}

}  // namespace kiln::agent::identity
