// SPDX-License-Identifier: Apache-2.0
// The document is written piece by piece, without a tree of it in memory: a profile of a host has millions of numbers.
#include <absl/container/flat_hash_map.h>

#include <algorithm>
#include <limits>
#include <map>

#include "base/json_string.h"
#include "pprof/labels.h"
#include "pprof/speedscope.h"

namespace kiln::pprof {
namespace {

using profile::AttributeSetIndex;
using profile::Location;
using profile::Profile;
using profile::StringIndex;

int64_t Saturate(__int128 value) {
  if (value > std::numeric_limits<int64_t>::max()) return std::numeric_limits<int64_t>::max();
  if (value < std::numeric_limits<int64_t>::min()) return std::numeric_limits<int64_t>::min();
  return static_cast<int64_t>(value);
}

// Speedscope's unit for one of pprof's.
std::string_view UnitName(std::string_view unit) {
  for (const std::string_view known : {"nanoseconds", "microseconds", "milliseconds", "seconds", "bytes"}) {
    if (unit == known) return known;
  }
  return "none";
}

// One profile of the document: total weight per stack, as frame numbers root first.
struct Process {
  std::string name;
  std::map<std::vector<size_t>, int64_t> stacks;
  int64_t total = 0;
};

class Encoder {
 public:
  explicit Encoder(const Profile& profile) : p_(profile), cpu_(IsCpuSampleCount(profile)) {}

  std::string Run() {
    AddSamples();
    std::string out = R"({"$schema":"https://www.speedscope.app/file-format-schema.json","exporter":"kiln",)";
    out += R"("name":"kiln","activeProfileIndex":0,"kiln":)" + Facts();
    out += ",\n\"shared\":{\"frames\":[";
    for (size_t i = 0; i < frames_.size(); ++i) out += (i == 0 ? "\n" : ",\n") + frames_[i];
    out += "]},\n\"profiles\":[";
    for (size_t i = 0; i < processes_.size(); ++i) {
      out += i == 0 ? "\n" : ",\n";
      AppendProcess(processes_[i], out);
    }
    return out + "]}\n";
  }

 private:
  const std::string& Text(StringIndex index) const { return p_.strings[index]; }

  const profile::ValueType& Type() const { return p_.sample_types.back(); }

  // What a decoder needs to get counts back. 64-bit numbers are text: JSON readers may keep 53 bits only.
  std::string Facts() const {
    return fmt::format(
        R"({{"sampleType":{},"sampleUnit":{},"periodType":{},"periodUnit":{},"period":"{}","timeUnixNano":"{}","durationNano":"{}"}})",
        JsonString(Text(Type().type)), JsonString(Text(Type().unit)), JsonString(Text(p_.period_type.type)),
        JsonString(Text(p_.period_type.unit)), p_.period, p_.time_unix_nano, p_.duration_nano);
  }

  void AddSamples() {
    std::map<std::string, size_t> by_name;
    absl::flat_hash_map<AttributeSetIndex, size_t> by_resource;
    for (const profile::Sample& sample : p_.samples) {
      const auto [entry, added] = by_resource.try_emplace(sample.key.resource, 0);
      if (added) {
        const auto [process, new_name] = by_name.try_emplace(Name(sample.key.resource), processes_.size());
        if (new_name) processes_.push_back({process->first, {}, 0});
        entry->second = process->second;
      }
      const __int128 value = sample.values.back();
      const int64_t weight = Saturate(cpu_ ? value * p_.period : value);
      Process& process = processes_[entry->second];
      int64_t& sum = process.stacks[Frames(sample.key.stack)];
      sum = Saturate(__int128{sum} + weight);
      process.total = Saturate(__int128{process.total} + weight);
    }
    std::ranges::stable_sort(processes_, [](const Process& a, const Process& b) { return a.total > b.total; });
    if (processes_.empty()) processes_.push_back({"no samples", {}, 0});
  }

  std::string Name(AttributeSetIndex resource) const {
    const std::string name = ProcessName(p_, resource);
    const auto* pid = FindAttribute(p_, resource, kProcessPid);
    if (pid == nullptr || name == "process " + ValueText(p_, *pid)) return name;
    return fmt::format("{} (pid {})", name, ValueText(p_, *pid));
  }

  std::vector<size_t> Frames(profile::StackIndex stack) {
    std::vector<size_t> frames;
    const auto& locations = p_.stacks[stack].locations;
    for (auto it = locations.rbegin(); it != locations.rend(); ++it) {
      const Location& location = p_.locations[*it];
      const std::string module = location.mapping ? Text(p_.mappings[*location.mapping].filename) : "";
      if (location.lines.empty()) frames.push_back(Frame(BareFrameName(p_, location), "", 0, module));
      for (auto line = location.lines.rbegin(); line != location.lines.rend(); ++line) {
        const profile::Function& function = p_.functions[line->function];
        frames.push_back(Frame(Text(function.name), Text(function.filename), function.start_line, module));
      }
    }
    return frames;
  }

  // The number of the frame with this text.
  size_t Frame(const std::string& name, const std::string& file, int64_t line, const std::string& module) {
    std::string text = R"({"name":)" + JsonString(name);
    if (!file.empty() || !module.empty()) text += R"(,"file":)" + JsonString(file.empty() ? module : file);
    if (!file.empty() && line > 0) text += fmt::format(R"(,"line":{})", line);
    if (!module.empty()) text += R"(,"module":)" + JsonString(module);
    text += '}';
    const auto [entry, added] = frame_numbers_.try_emplace(text, frames_.size());
    if (added) frames_.push_back(std::move(text));
    return entry->second;
  }

  void AppendProcess(const Process& process, std::string& out) const {
    out += fmt::format(R"({{"type":"sampled","name":{},"unit":"{}","startValue":0,"endValue":{},"samples":[)",
                       JsonString(process.name), cpu_ ? "nanoseconds" : UnitName(Text(Type().unit)), process.total);
    std::string_view separator = "\n";
    for (const auto& [frames, weight] : process.stacks) {
      fmt::format_to(std::back_inserter(out), "{}[{}]", separator, fmt::join(frames, ","));
      separator = ",\n";
    }
    out += "],\"weights\":[";
    separator = "";
    for (const auto& [frames, weight] : process.stacks) {
      fmt::format_to(std::back_inserter(out), "{}{}", separator, weight);
      separator = ",";
    }
    out += "]}";
  }

  const Profile& p_;
  const bool cpu_;
  std::vector<Process> processes_;
  absl::flat_hash_map<std::string, size_t> frame_numbers_;
  std::vector<std::string> frames_;
};

}  // namespace

std::string EncodeSpeedscope(const Profile& profile) { return Encoder(profile).Run(); }

}  // namespace kiln::pprof
