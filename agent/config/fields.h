// SPDX-License-Identifier: Apache-2.0
// The tables of keys. What a component understands is written once, as a function that tells each key and the member it
// fills to a Fields:
//
//   void RetryFields(Fields& f, RetrySettings& retry) {
//     f.Bool("enabled", retry.enabled);
//     f.Duration("initial_interval", retry.initial_interval, absl::ZeroDuration(), absl::Hours(24));
//   }
//
// Who listens decides what comes of it: Section reads the value from a file, YamlWriter writes it, KeyLister lists it.
// So a key that can be read can't be missing in --print-config, in the documentation or among the allowed keys of a
// message.
#pragma once

#include <absl/functional/function_ref.h>
#include <absl/time/time.h>

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace kiln::agent::config {

// What a text is. Each but kPlain is checked or shown in its own way.
enum class TextKind : uint8_t {
  kPlain,
  kSecret,  // never shown
  kUrl,     // shown without user and password
  kRegex,   // RE2
};

// What the values of a map of texts are.
enum class MapKind : uint8_t {
  kPlain,
  kHeaders,  // HTTP headers: names and values are checked; also as a list of {name: …, value: …}; values are secrets
  kParams,   // of a request; shown unless the name sounds like a secret
};

struct Choice {
  std::string_view name;
  // Why this one, though the Collector knows it, is not taken; "" = taken.
  std::string_view refused = {};
};
template <typename E>
struct Option {
  std::string_view name;
  E value;
  std::string_view refused = {};
};

// Keys are string literals. A member keeps its value where the key is absent, null or wrong.
class Fields {
 public:
  virtual ~Fields() = default;

  virtual void Bool(std::string_view key, bool& value) = 0;
  // All limits are allowed values.
  virtual void Int(std::string_view key, int64_t& value, int64_t least, int64_t most) = 0;
  virtual void Number(std::string_view key, double& value, double least, double most) = 0;
  virtual void Duration(std::string_view key, absl::Duration& value, absl::Duration least, absl::Duration most) = 0;
  virtual void Bytes(std::string_view key, int64_t& value, int64_t least, int64_t most) = 0;
  virtual void Text(std::string_view key, std::string& value, TextKind kind = TextKind::kPlain) = 0;
  // The index of the chosen one; `current` if none was.
  virtual size_t Choose(std::string_view key, std::span<const Choice> choices, size_t current) = 0;
  virtual void Texts(std::string_view key, std::vector<std::string>& values, TextKind kind = TextKind::kPlain) = 0;
  virtual void ChooseSome(std::string_view key, std::span<const Choice> choices, std::vector<std::string>& values) = 0;
  virtual void Ints(std::string_view key, std::vector<int64_t>& values, int64_t least, int64_t most) = 0;
  virtual void Map(std::string_view key, std::vector<std::pair<std::string, std::string>>& values,
                   MapKind kind = MapKind::kPlain) = 0;

  // A map with a table of its own. Also called where the key is absent.
  virtual void Sub(std::string_view key, absl::FunctionRef<void(Fields&)> table) = 0;
  // A map of ids to maps; `ids` are those that are there already.
  virtual void Named(std::string_view key, const std::vector<std::string>& ids,
                     absl::FunctionRef<void(Fields&, const std::string& id)> table) = 0;
  // A list of maps: how many there are (`current` is how many there were), then the table of each.
  virtual size_t Count(std::string_view key, size_t current) = 0;
  virtual void Item(std::string_view key, size_t index, absl::FunctionRef<void(Fields&)> table) = 0;

  // Known to the Collector, and of no effect here, which costs nobody anything: a warning says so. `what` follows "has
  // no effect in kiln" if it is not empty.
  virtual void Inert(std::string_view key, std::string_view what = {}) = 0;
  // Known to the Collector, and would change what happens: an error says that kiln lacks it, unless the value is
  // `allowed` (what kiln does anyway).
  virtual void Refused(std::string_view key, std::string_view why, std::string_view allowed = {}) = 0;

  // True if the key is there, be it null. Of writers and listers: false.
  virtual bool Has(std::string_view key) const = 0;
  // True of writers: what has two spellings is told to them in one only.
  virtual bool Writes() const { return false; }
  // For checks across keys: told at the place of `key`, if it is there, else at that of the map; "" = at the map.
  virtual void Error(std::string_view key, std::string message) = 0;
  virtual void Warning(std::string_view key, std::string message) = 0;
  // Told at one item of the list `key`.
  virtual void ItemError(std::string_view key, size_t index, std::string message) = 0;
  // Nothing is said of what is left in this map.
  virtual void IgnoreRest() = 0;

  // For enums; aliases come behind the name that is written.
  template <typename E>
  void Enum(std::string_view key, E& value, std::initializer_list<Option<E>> options) {
    std::vector<Choice> choices;
    size_t current = options.size();
    for (const Option<E>& option : options) {
      // The first of equal values is the name, the others are aliases.
      if (current == options.size() && option.refused.empty() && option.value == value) current = choices.size();
      choices.push_back({option.name, option.refused});
    }
    const size_t chosen = Choose(key, choices, current);
    if (chosen < options.size()) value = (options.begin() + chosen)->value;
  }
  template <typename T, typename Table>
  void Items(std::string_view key, std::vector<T>& items, Table table) {
    items.resize(Count(key, items.size()));
    for (size_t i = 0; i < items.size(); ++i) Item(key, i, [&](Fields& f) { table(f, items[i]); });
  }
};

}  // namespace kiln::agent::config
