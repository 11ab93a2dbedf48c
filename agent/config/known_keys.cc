// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "agent/config/components.h"
#include "agent/config/render.h"
#include "agent/config/scalars.h"
#include "agent/config/yaml_text.h"

namespace kiln::agent::config {
namespace {

// Lists what tables tell it.
class KeyLister final : public Fields {
 public:
  KeyLister(std::string table, std::vector<KnownKey>& keys) : table_(std::move(table)), keys_(keys) {}

  void Bool(std::string_view key, bool& value) override { Add(key, value ? "true" : "false"); }
  void Int(std::string_view key, int64_t& value, int64_t, int64_t) override { Add(key, std::to_string(value)); }
  void Number(std::string_view key, double& value, double, double) override { Add(key, NumberText(value)); }
  void Duration(std::string_view key, absl::Duration& value, absl::Duration, absl::Duration) override {
    Add(key, DurationText(value));
  }
  void Bytes(std::string_view key, int64_t& value, int64_t, int64_t) override { Add(key, BytesText(value)); }
  void Text(std::string_view key, std::string& value, TextKind) override { Add(key, YamlText(value)); }
  size_t Choose(std::string_view key, std::span<const Choice> choices, size_t current) override {
    Add(key, current < choices.size() ? YamlText(choices[current].name) : "");
    return current;
  }
  void Texts(std::string_view key, std::vector<std::string>& values, TextKind) override {
    Add(key, fmt::format("[{}]", fmt::join(values, ", ")));
  }
  void ChooseSome(std::string_view key, std::span<const Choice>, std::vector<std::string>& values) override {
    Texts(key, values, TextKind::kPlain);
  }
  void Ints(std::string_view key, std::vector<int64_t>&, int64_t, int64_t) override { Add(key, "[]"); }
  void Map(std::string_view key, std::vector<std::pair<std::string, std::string>>&, MapKind) override {
    Add(key, "{}");
  }
  void Sub(std::string_view key, absl::FunctionRef<void(Fields&)> table) override {
    static const std::set<std::string_view> kShared = {"tls", "auth", "retry_on_failure", "sending_queue"};
    const std::string name = kShared.contains(key) ? std::string(key) : fmt::format("{}.{}", table_, key);
    const size_t before = keys_.size();
    KeyLister inner(name, keys_);
    table(inner);
    const bool is_used =
        kShared.contains(key) || std::any_of(keys_.begin() + static_cast<ptrdiff_t>(before), keys_.end(),
                                             [](const KnownKey& known) { return known.is_used; });
    Add(key, "", is_used);
  }
  void Named(std::string_view key, const std::vector<std::string>&,
             absl::FunctionRef<void(Fields&, const std::string& id)> table) override {
    KeyLister inner(fmt::format("{}.{}", table_, key), keys_);
    table(inner, "profiles");  // service.pipelines is the only one inside of a table
    Add(key, "");
  }
  size_t Count(std::string_view key, size_t) override {
    Add(key, "[]");
    return 1;
  }
  void Item(std::string_view key, size_t, absl::FunctionRef<void(Fields&)> table) override {
    KeyLister inner(fmt::format("{}.{}", table_, key), keys_);
    table(inner);
  }
  void Inert(std::string_view key, std::string_view) override { Add(key, "", /*is_used=*/false); }
  void Refused(std::string_view key, std::string_view, std::string_view) override { Add(key, "", /*is_used=*/false); }
  bool Has(std::string_view) const override { return false; }
  void Error(std::string_view, std::string) override {}
  void Warning(std::string_view, std::string) override {}
  void ItemError(std::string_view, size_t, std::string) override {}
  void IgnoreRest() override {}

 private:
  void Add(std::string_view key, std::string default_text, bool is_used = true) {
    // A shared table comes up once per component.
    const bool is_known = std::any_of(keys_.begin(), keys_.end(),
                                      [&](const KnownKey& known) { return known.table == table_ && known.key == key; });
    if (!is_known) {
      keys_.push_back(
          {.table = table_, .key = std::string(key), .default_text = std::move(default_text), .is_used = is_used});
    }
  }

  const std::string table_;
  std::vector<KnownKey>& keys_;
};

}  // namespace

std::vector<KnownKey> ListKeys() {
  std::vector<KnownKey> keys;
  AgentConfig config;
  for (const ComponentType* type : ComponentTypes()) {
    if (!type->unbuilt.empty()) continue;
    KeyLister lister(fmt::format("{}.{}", KindKey(type->kind), type->type), keys);
    type->fields(lister, std::string(type->type), config);
  }
  KeyLister lister("service", keys);
  ServiceFields(lister, config);
  return keys;
}

}  // namespace kiln::agent::config
