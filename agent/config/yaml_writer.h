// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "agent/config/fields.h"

namespace kiln::agent::config {

// Writes what tables tell it as YAML, one key a line. Values that a file or variable set get that as a comment; texts,
// lists and maps that are empty by default are left out. Thread-compatible.
class YamlWriter final : public Fields {
 public:
  using OriginNames = std::map<std::string, std::string, std::less<>>;
  enum class Secrets : uint8_t { kHidden, kShown };

  // `origins` must outlive the writer.
  YamlWriter(const OriginNames& origins, Secrets secrets) : YamlWriter(origins, secrets, "", 0) {}

  const std::string& text() const { return text_; }

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
  void Inert(std::string_view, std::string_view) override {}
  void Refused(std::string_view, std::string_view, std::string_view) override {}
  bool Has(std::string_view) const override { return false; }
  bool Writes() const override { return true; }
  void Error(std::string_view, std::string) override {}
  void Warning(std::string_view, std::string) override {}
  void ItemError(std::string_view, size_t, std::string) override {}
  void IgnoreRest() override {}

 private:
  YamlWriter(const OriginNames& origins, Secrets secrets, std::string path, int depth)
      : origins_(origins), secrets_(secrets), path_(std::move(path)), depth_(depth) {}

  std::string PathOf(std::string_view key) const;
  bool HasOrigin(std::string_view key) const { return origins_.contains(PathOf(key)); }
  // "  key: value  # origin".
  void Line(std::string_view key, std::string_view value);
  std::string Shown(const std::string& text, TextKind kind) const;

  const OriginNames& origins_;
  const Secrets secrets_;
  const std::string path_;
  const int depth_;
  std::string text_;
};

}  // namespace kiln::agent::config
