// SPDX-License-Identifier: Apache-2.0
#include "viewer/encode.h"

#include <absl/container/flat_hash_map.h>
#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "viewer/json.h"

namespace kiln::viewer {
namespace {

using namespace profile;  // NOLINT: this file is about nothing else

constexpr uint32_t kUnset = std::numeric_limits<uint32_t>::max();

struct Frame {
  const Location* location;
  const Line* line;  // null: the location has no name
  bool inlined;
};

struct Thread {
  uint32_t process;
  std::optional<int64_t> id;
  uint32_t name;
};

class Encoder {
 public:
  explicit Encoder(const Profile& profile)
      : profile_(profile),
        string_of_(profile.strings.size(), kUnset),
        first_frame_of_(profile.locations.size(), kUnset),
        stack_of_(profile.stacks.size(), kUnset),
        process_of_(profile.attribute_sets.size(), kUnset) {
    Text(StringIndex(0));
  }

  std::string Run() {
    json_.BeginObject();
    json_.Key("version");
    json_.Int(1);
    WriteHead();
    WriteSamples();  // collects what the tables below must hold
    WriteThreads();
    WriteProcesses();
    WriteStacks();
    WriteFrames();
    WriteModules();
    WriteStrings();
    json_.EndObject();
    return std::move(json_).Finish();
  }

 private:
  // The place of a profile's string in the page's table.
  uint32_t Text(StringIndex index) {
    uint32_t& place = string_of_[index.value()];
    if (place == kUnset) {
      place = static_cast<uint32_t>(strings_.size());
      strings_.push_back(index);
    }
    return place;
  }

  uint32_t Stack(StackIndex index) {
    uint32_t& place = stack_of_[index.value()];
    if (place == kUnset) {
      place = static_cast<uint32_t>(stacks_.size());
      stacks_.push_back(index);
    }
    return place;
  }

  // The first of a location's frames; the others follow it. Innermost first, as in Location::lines.
  uint32_t FirstFrame(LocationIndex index) {
    uint32_t& place = first_frame_of_[index.value()];
    if (place == kUnset) {
      place = static_cast<uint32_t>(frames_.size());
      const Location& location = profile_.locations[index];
      if (location.lines.empty()) frames_.push_back({&location, nullptr, false});
      for (const Line& line : location.lines) frames_.push_back({&location, &line, &line != &location.lines.back()});
    }
    return place;
  }

  const AttributeValue* Find(AttributeSetIndex set, std::string_view key) const {
    for (const AttributeIndex index : profile_.attribute_sets[set].attributes) {
      const Attribute& attribute = profile_.attributes[index];
      if (profile_.strings[attribute.key] == key) return &attribute.value;
    }
    return nullptr;
  }

  uint32_t TextAttribute(AttributeSetIndex set, std::string_view key) {
    const AttributeValue* value = Find(set, key);
    const auto* text = value ? std::get_if<StringIndex>(value) : nullptr;
    return text ? Text(*text) : 0;
  }

  std::optional<int64_t> IntAttribute(AttributeSetIndex set, std::string_view key) const {
    const AttributeValue* value = Find(set, key);
    const auto* number = value ? std::get_if<int64_t>(value) : nullptr;
    return number ? std::optional(*number) : std::nullopt;
  }

  uint32_t ProcessOf(AttributeSetIndex resource) {
    uint32_t& place = process_of_[resource.value()];
    if (place == kUnset) {
      place = static_cast<uint32_t>(processes_.size());
      processes_.push_back(resource);
    }
    return place;
  }

  uint32_t ThreadOf(const SampleKey& key) {
    const Thread thread = {.process = ProcessOf(key.resource),
                           .id = IntAttribute(key.attributes, "thread.id"),
                           .name = TextAttribute(key.attributes, "thread.name")};
    const auto [found, added] =
        thread_of_.try_emplace({thread.process, thread.id, thread.name}, static_cast<uint32_t>(threads_.size()));
    if (added) threads_.push_back(thread);
    return found->second;
  }

  void WriteInts(const char* key, size_t count, auto&& value_of) {
    json_.Key(key);
    json_.BeginArray();
    for (size_t i = 0; i < count; ++i) json_.Int(value_of(i));
    json_.EndArray();
  }

  void OptionalInt(std::optional<int64_t> value) {
    value ? json_.Int(*value) : json_.Double(std::numeric_limits<double>::quiet_NaN());
  }

  void WriteType(const ValueType& type) {
    json_.Int(Text(type.type));
    json_.Int(Text(type.unit));
  }

  void WriteAttributes(AttributeSetIndex set) {
    json_.BeginArray();
    for (const AttributeIndex index : profile_.attribute_sets[set].attributes) {
      const Attribute& attribute = profile_.attributes[index];
      json_.BeginArray();
      json_.String(profile_.strings[attribute.key]);
      if (const auto* text = std::get_if<StringIndex>(&attribute.value)) json_.String(profile_.strings[*text]);
      if (const auto* number = std::get_if<int64_t>(&attribute.value)) json_.Int(*number);
      if (const auto* number = std::get_if<double>(&attribute.value)) json_.Double(*number);
      if (const auto* flag = std::get_if<bool>(&attribute.value)) json_.Bool(*flag);
      json_.String(profile_.strings[attribute.unit]);
      json_.EndArray();
    }
    json_.EndArray();
  }

  void WriteHead() {
    json_.Key("sampleTypes");
    json_.BeginArray();
    for (const ValueType& type : profile_.sample_types) {
      json_.BeginArray();
      WriteType(type);
      json_.EndArray();
    }
    json_.EndArray();
    json_.Key("period");
    json_.BeginArray();
    WriteType(profile_.period_type);
    json_.Int(profile_.period);
    json_.EndArray();
    json_.Key("time");
    json_.Int(profile_.time_unix_nano / 1'000'000);
    json_.Key("duration");
    json_.Int(profile_.duration_nano);
    json_.Key("frameTypes");
    json_.BeginArray();
    for (int type = 0; type <= static_cast<int>(FrameType::kV8js); ++type) {
      json_.String(FrameTypeName(static_cast<FrameType>(type)));
    }
    json_.EndArray();
    json_.Key("properties");
    WriteAttributes(profile_.properties);
  }

  void WriteSamples() {
    const std::vector<Sample>& samples = profile_.samples;
    json_.Key("samples");
    json_.BeginObject();
    WriteInts("stack", samples.size(), [&](size_t i) { return Stack(samples[i].key.stack); });
    WriteInts("thread", samples.size(), [&](size_t i) { return ThreadOf(samples[i].key); });
    json_.Key("values");
    json_.BeginArray();
    for (size_t type = 0; type < profile_.sample_types.size(); ++type) {
      json_.BeginArray();
      for (const Sample& sample : samples) json_.Int(sample.values[type]);
      json_.EndArray();
    }
    json_.EndArray();
    json_.EndObject();
  }

  void WriteThreads() {
    json_.Key("threads");
    json_.BeginArray();
    for (const Thread& thread : threads_) {
      json_.BeginArray();
      json_.Int(thread.process);
      OptionalInt(thread.id);
      json_.Int(thread.name);
      json_.EndArray();
    }
    json_.EndArray();
  }

  void WriteProcesses() {
    json_.Key("processes");
    json_.BeginArray();
    for (const AttributeSetIndex resource : processes_) {
      json_.BeginArray();
      OptionalInt(IntAttribute(resource, "process.pid"));
      json_.Int(TextAttribute(resource, "process.executable.name"));
      WriteAttributes(resource);
      json_.EndArray();
    }
    json_.EndArray();
  }

  void WriteStacks() {
    std::vector<size_t> depths;
    json_.Key("stacks");
    json_.BeginObject();
    json_.Key("frames");
    json_.BeginArray();
    for (const StackIndex index : stacks_) {
      const std::vector<LocationIndex>& locations = profile_.stacks[index].locations;
      size_t depth = 0;
      for (auto location = locations.rbegin(); location != locations.rend(); ++location) {
        const uint32_t first = FirstFrame(*location);
        const size_t count = std::max<size_t>(1, profile_.locations[*location].lines.size());
        for (size_t i = count; i > 0; --i) json_.Int(static_cast<int64_t>(first + i - 1));
        depth += count;
      }
      depths.push_back(depth);
    }
    json_.EndArray();
    WriteInts("depth", depths.size(), [&](size_t i) { return static_cast<int64_t>(depths[i]); });
    json_.EndObject();
  }

  void WriteFrames() {
    const auto function = [&](size_t i) {
      return frames_[i].line ? &profile_.functions[frames_[i].line->function] : nullptr;
    };
    const auto text = [&](size_t i, StringIndex Function::*member) {
      return function(i) ? Text(function(i)->*member) : 0;
    };
    const size_t count = frames_.size();
    json_.Key("frames");
    json_.BeginObject();
    WriteInts("name", count, [&](size_t i) { return text(i, &Function::name); });
    WriteInts("system", count, [&](size_t i) { return text(i, &Function::system_name); });
    WriteInts("file", count, [&](size_t i) { return text(i, &Function::filename); });
    WriteInts("start", count, [&](size_t i) { return function(i) ? function(i)->start_line : 0; });
    WriteInts("line", count, [&](size_t i) { return frames_[i].line ? frames_[i].line->line : 0; });
    WriteInts("module", count, [&](size_t i) {
      const auto& mapping = frames_[i].location->mapping;
      return mapping ? static_cast<int64_t>(mapping->value()) : -1;
    });
    WriteInts("type", count, [&](size_t i) { return static_cast<int64_t>(frames_[i].location->type); });
    WriteInts("inlined", count, [&](size_t i) { return frames_[i].inlined ? 1 : 0; });
    json_.Key("address");
    json_.BeginArray();
    for (const Frame& frame : frames_) json_.String(fmt::format("{:x}", frame.location->address));
    json_.EndArray();
    json_.EndObject();
  }

  void WriteModules() {
    std::vector<const Mapping*> mappings;
    for (const Mapping& mapping : profile_.mappings) mappings.push_back(&mapping);
    json_.Key("modules");
    json_.BeginObject();
    WriteInts("file", mappings.size(), [&](size_t i) { return Text(mappings[i]->filename); });
    WriteInts("buildId", mappings.size(), [&](size_t i) { return Text(mappings[i]->build_id); });
    json_.EndObject();
  }

  void WriteStrings() {
    json_.Key("strings");
    json_.BeginArray();
    for (const StringIndex index : strings_) json_.String(profile_.strings[index]);
    json_.EndArray();
  }

  const Profile& profile_;
  JsonWriter json_;
  std::vector<uint32_t> string_of_, first_frame_of_, stack_of_, process_of_;  // profile's index -> place, or kUnset
  std::vector<StringIndex> strings_;
  std::vector<StackIndex> stacks_;
  std::vector<Frame> frames_;
  std::vector<AttributeSetIndex> processes_;
  std::vector<Thread> threads_;
  absl::flat_hash_map<std::tuple<uint32_t, std::optional<int64_t>, uint32_t>, uint32_t> thread_of_;
};

}  // namespace

std::string EncodeJson(const Profile& profile) { return Encoder(profile).Run(); }

}  // namespace kiln::viewer
