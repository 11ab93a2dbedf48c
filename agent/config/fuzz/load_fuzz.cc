// SPDX-License-Identifier: Apache-2.0
// Any bytes as configuration files (parts that a line "%%%%" separates; the last one is also what ${file:f} reads).
// What is found right must come back the same from its own rendering, and show no secret.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "agent/config/diff.h"
#include "agent/config/load.h"
#include "agent/config/render.h"

using namespace kiln::agent::config;

namespace {

constexpr std::string_view kSeparator = "%%%%\n";
constexpr std::string_view kSecret = "hunter2hunter2";

void Check(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  std::vector<ConfigText> texts;
  while (texts.size() < 4) {
    const size_t end = rest.find(kSeparator);
    texts.push_back({"f" + std::to_string(texts.size()), std::string(rest.substr(0, end))});
    if (end == std::string_view::npos) break;
    rest.remove_prefix(end + kSeparator.size());
  }
  const Environment environment = {{"A", "a"},      {"N", "5"}, {"S", std::string(kSecret)},
                                   {"L", "[a, b]"}, {"E", ""},  {"OTEL_EXPORTER_OTLP_ENDPOINT", "http://h:4318"}};
  const auto read_file = [&](const std::string& path) -> kiln::StatusOr<std::string> {
    if (path == "f") return texts.back().text;
    return absl::NotFoundError("none");
  };
  const LoadResult result = LoadConfigTexts(texts, environment, read_file);
  RenderErrors(result);
  const std::string shown = RenderConfig(result);
  if (!result.ok()) return 0;
  Check(Diff(result.config, result.config).empty());
  const std::string all = RenderConfig(result.config, result.origins, YamlWriter::Secrets::kShown);
  const LoadResult again = LoadConfigTexts({{"again", all}}, {}, read_file);
  Check(again.ok());
  Check(again.config == result.config);
  // A token that is nothing but a token is shown nowhere.
  for (const auto& [id, extension] : result.config.extensions) {
    const auto* bearer = std::get_if<kiln::BearerTokenSettings>(&extension);
    const bool is_only_there = bearer != nullptr && bearer->token == kSecret && all.find(kSecret) == all.rfind(kSecret);
    if (is_only_there) Check(shown.find(kSecret) == std::string::npos);
  }
  return 0;
}
