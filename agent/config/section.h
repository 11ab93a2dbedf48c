// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "agent/config/fields.h"
#include "agent/config/report.h"
#include "agent/config/value.h"

namespace kiln::agent::config {

// Where each value that a file set came from, by key path ("exporters.otlp.tls.ca_file",
// "receivers.profiling.relabel[0].regex").
using Origins = std::map<std::string, Place, std::less<>>;

// Reads one map of a configuration by a table of keys, and reports what is wrong: types, limits, and, at the end, keys
// that the table did not name. Thread-compatible.
class Section final : public Fields {
 public:
  // `value` may be nullptr (absent). `place` is where the map's key stands. All must outlive the section.
  Section(const Value* value, const Place& place, std::string path, Report& report, Origins& origins);

  // Reports the keys that no call named. To be called once, after the table.
  void Finish();

  void Bool(std::string_view key, bool& value) override;
  void Int(std::string_view key, int64_t& value, int64_t least, int64_t most) override;
  void Number(std::string_view key, double& value, double least, double most) override;
  void Duration(std::string_view key, absl::Duration& value, absl::Duration least, absl::Duration most) override;
  void Bytes(std::string_view key, int64_t& value, int64_t least, int64_t most) override;
  void Text(std::string_view key, std::string& value, TextKind kind) override;
  size_t Choose(std::string_view key, std::span<const Choice> choices, size_t current) override;
  void Texts(std::string_view key, std::vector<std::string>& values, TextKind kind) override;
  void ChooseSome(std::string_view key, std::span<const Choice> choices, std::vector<std::string>& values) override;
  void Ints(std::string_view key, std::vector<int64_t>& values, int64_t least, int64_t most) override;
  void Map(std::string_view key, std::vector<std::pair<std::string, std::string>>& values, MapKind kind) override;
  void Sub(std::string_view key, absl::FunctionRef<void(Fields&)> table) override;
  void Named(std::string_view key, const std::vector<std::string>& ids,
             absl::FunctionRef<void(Fields&, const std::string& id)> table) override;
  size_t Count(std::string_view key, size_t current) override;
  void Item(std::string_view key, size_t index, absl::FunctionRef<void(Fields&)> table) override;
  void Inert(std::string_view key, std::string_view what) override;
  void Refused(std::string_view key, std::string_view why, std::string_view allowed) override;
  bool Has(std::string_view key) const override;
  void Error(std::string_view key, std::string message) override;
  void Warning(std::string_view key, std::string message) override;
  void ItemError(std::string_view key, size_t index, std::string message) override;
  void IgnoreRest() override { ignores_rest_ = true; }

 private:
  std::string PathOf(std::string_view key) const;
  const Place& PlaceOf(std::string_view key) const;
  // The value of `key`, which is known from now on; nullptr if it is absent or null.
  const Value* Take(std::string_view key);
  // The same for one scalar.
  const Value* TakeScalar(std::string_view key, std::string_view wanted);
  const Value* TakeList(std::string_view key, std::string_view wanted);
  // The text of `value` where a text is wanted; nullptr after an error.
  const std::string* TextOf(const Value& value, const std::string& path, std::string_view wanted);
  bool CheckText(const Value& value, const std::string& path, const std::string& text, TextKind kind);
  // Checks `text` against the choices; its index, or npos after an error.
  size_t FindChoice(const Value& value, const std::string& path, const std::string& text,
                    std::span<const Choice> choices);
  void AddPair(const Place& place, const std::string& path, std::string name, std::string text, MapKind kind,
               std::vector<std::pair<std::string, std::string>>& into);
  void Set(std::string_view key, const Value& value) { origins_[PathOf(key)] = value.place; }

  const Value* map_;  // nullptr if there is none
  const Place place_;
  const std::string path_;
  Report& report_;
  Origins& origins_;
  std::vector<std::string_view> known_;  // in the order of the table
  bool ignores_rest_ = false;
  bool is_wrong_ = false;  // it is no map
};

// "a list", "a map", "'text'": what stands there, for a message.
std::string Describe(const Value& value);

}  // namespace kiln::agent::config
