// SPDX-License-Identifier: Apache-2.0
#include "agent/config/load.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "agent/config/check.h"
#include "agent/config/components.h"
#include "agent/config/otel_environment.h"
#include "agent/config/yaml.h"
#include "base/file.h"

namespace kiln::agent::config {
namespace {

constexpr size_t kMaxShown = 100;  // errors and warnings in RenderErrors
constexpr std::string_view kNoConfig =
    "there is no configuration: name a file by --config, or set OTEL_EXPORTER_OTLP_ENDPOINT to where profiles shall go";

StatusOr<std::string> ReadConfigFile(const std::string& path) {
  StatusOr<std::string> text = ReadFile(path, kMaxConfigBytes);
  if (text.ok() || !absl::IsResourceExhausted(text.status())) return text;
  return Error(absl::StatusCode::kResourceExhausted, "larger than the {} KiB that a configuration may have",
               kMaxConfigBytes / 1024);
}

// One configuration on its way from texts to settings.
class Loader {
 public:
  Loader(const Environment& environment, Expander::FileReader read_file)
      : environment_(environment), expander_(environment, std::move(read_file), report_) {}

  void AddFault(const std::string& name, std::string message) {
    report_.Error({.file = report_.AddFile(name)}, "", std::move(message));
  }

  void AddText(const std::string& name, std::string_view text) {
    const int file = report_.AddFile(name);
    std::optional<Value> value = ParseYaml(text, file, report_);
    if (!value) return;
    const Place top = {.file = file};
    if (value->kind == Value::Kind::kNull) return report_.Error(top, "", "empty: there is no configuration in it");
    if (value->kind != Value::Kind::kMap) {
      return report_.Error(
          top, "",
          fmt::format("{} at the top level; a map with receivers, exporters and service is wanted", Describe(*value)));
    }
    value->place = top;
    if (root_.kind == Value::Kind::kMap) {
      Merge(root_, *std::move(value));
    } else {
      root_ = *std::move(value);
    }
  }

  LoadResult Finish() {
    LoadResult result;
    // With a file that could not be read at all, what the others lack tells nothing.
    if (root_.kind == Value::Kind::kMap) Interpret(result.config, /*is_whole=*/report_.error_count() == 0);
    result.errors = report_.errors();
    result.warnings = report_.warnings();
    for (const auto& [path, place] : origins_) result.origins.emplace(path, report_.Name(place));
    for (const auto& [path, variable] : variables_) result.origins.insert_or_assign(path, variable);
    result.files = expander_.files();
    return result;
  }

 private:
  void Interpret(AgentConfig& config, bool is_whole) {
    expander_.Expand(root_, "");
    Section section(&root_, root_.place, "", report_, origins_);
    AgentConfigFields(section, config);
    section.Finish();
    for (auto& [id, exporter] : config.exporters) ApplyVariables(id, exporter);
    if (is_whole) CheckConfig(root_, config, report_);
  }

  void ApplyVariables(const std::string& id, ExporterConfig& exporter) {
    const std::string path = "exporters." + id;
    const auto is_given = [&](std::string_view key) {
      const Value* value = FindValue(root_, {"exporters", id, key});
      const bool is_empty = value == nullptr || value->kind == Value::Kind::kNull ||
                            (value->kind == Value::Kind::kScalar && value->text.empty());
      return !is_empty;
    };
    const OtelListener listener = {
        .set = [&](std::string_view key,
                   std::string_view variable) { variables_[fmt::format("{}.{}", path, key)] = variable; },
        .warn =
            [&](std::string_view variable, std::string message) {
              report_.Warning({.file = report_.AddFile("environment")}, path, fmt::format("{}: {}", variable, message));
            }};
    ApplyOtelEnvironment(environment_, is_given, exporter, listener);
  }

  const Environment& environment_;
  Report report_;
  Expander expander_;
  Value root_;
  Origins origins_;
  std::map<std::string, std::string> variables_;  // by key path: the one that filled it
};

// What `kiln agent` does without a configuration.
LoadResult LoadDefault(const Environment& environment, Loader& loader) {
  std::string variable;
  const std::string_view type = OtelExporterType(environment, variable);
  if (!HasOtelEndpoint(environment)) {
    loader.AddFault("", std::string(kNoConfig));
  } else if (type.empty()) {
    loader.AddFault("environment", fmt::format("{} is {}: grpc and http/protobuf are built", variable,
                                               Quoted(environment.at(variable))));
  } else {
    loader.AddText("(built in)",
                   fmt::format("receivers: {{profiling: }}\n"
                               "exporters: {{{0}: }}\n"
                               "service: {{pipelines: {{profiles: {{receivers: [profiling], exporters: [{0}]}}}}}}\n",
                               type));
  }
  return loader.Finish();
}

std::string Counted(size_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

}  // namespace

StatusOr<std::vector<std::string>> ConfigFilesOf(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::is_directory(path, error)) return std::vector<std::string>{path};
  std::vector<std::string> files;
  for (auto entry = std::filesystem::directory_iterator(path, error); !error && entry != std::filesystem::end(entry);
       entry.increment(error)) {
    const std::filesystem::path& file = entry->path();
    const bool is_yaml = file.extension() == ".yaml" || file.extension() == ".yml";
    // Hidden ones are those of editors and of ConfigMaps on their way.
    if (is_yaml && !file.filename().native().starts_with('.')) files.push_back(file.native());
  }
  if (error) return ErrnoError(error.value(), "cannot read the folder");
  std::sort(files.begin(), files.end());
  return files;
}

LoadResult LoadConfigTexts(const std::vector<ConfigText>& texts, const Environment& environment,
                           const Expander::FileReader& read_file) {
  Loader loader(environment, read_file);
  for (const ConfigText& text : texts) loader.AddText(text.name, text.text);
  return loader.Finish();
}

LoadResult LoadConfig(const std::vector<std::string>& paths, const Environment& environment) {
  Loader loader(environment, ReadConfigFile);
  if (paths.empty()) return LoadDefault(environment, loader);
  std::vector<std::string> read;
  for (const std::string& path : paths) {
    const StatusOr<std::vector<std::string>> files = ConfigFilesOf(path);
    if (!files.ok()) {
      loader.AddFault(path, std::string(Message(files.status())));
      continue;
    }
    if (files->empty()) loader.AddFault(path, "the folder holds no *.yaml");
    for (const std::string& file : *files) {
      read.push_back(file);
      const StatusOr<std::string> text = ReadConfigFile(file);
      if (text.ok()) {
        loader.AddText(file, *text);
      } else {
        loader.AddFault(file, std::string(Message(text.status())));
      }
    }
  }
  LoadResult result = loader.Finish();
  read.insert(read.end(), result.files.begin(), result.files.end());
  result.files = std::move(read);
  return result;
}

Environment EnvironmentOf(const char* const* environ) {
  Environment environment;
  for (; environ != nullptr && *environ != nullptr; ++environ) {
    const std::string_view entry = *environ;
    const size_t equals = entry.find('=');
    if (equals != std::string_view::npos) environment.emplace(entry.substr(0, equals), entry.substr(equals + 1));
  }
  return environment;
}

std::string RenderErrors(const LoadResult& result) {
  std::string out;
  size_t shown = 0;
  const auto show = [&](const Diagnostic& diagnostic, std::string_view kind) {
    if (++shown > kMaxShown) return;
    Diagnostic line = diagnostic;
    line.message = std::string(kind) + line.message;
    out += line.Text() + "\n";
  };
  for (const Diagnostic& error : result.errors) show(error, "");
  for (const Diagnostic& warning : result.warnings) show(warning, "warning: ");
  if (shown > kMaxShown) out += fmt::format("… and {} more\n", shown - kMaxShown);
  if (!result.ok()) {
    out += Counted(result.errors.size(), "error");
    if (!result.warnings.empty()) out += ", " + Counted(result.warnings.size(), "warning");
    out += " in the configuration\n";
  }
  return out;
}

}  // namespace kiln::agent::config
