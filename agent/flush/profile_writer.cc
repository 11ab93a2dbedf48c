// SPDX-License-Identifier: Apache-2.0
#include "agent/flush/profile_writer.h"

#include <array>
#include <optional>

#include "agent/identity/identity.h"
#include "profile/builder.h"

namespace kiln::agent {
namespace {

using profile::AttributeIndex;
using profile::AttributeSetIndex;
using profile::LocationIndex;
using profile::ProfileBuilder;
using profile::StringIndex;

// For a frame whose file's debug information is in this state.
std::string_view WhyNoLines(IndexState state) {
  const bool read = state == IndexState::kReady || state == IndexState::kNotNeeded;
  return read ? "no line at the address" : IndexStateName(state);
}

class Writer {
 public:
  Writer(const Window& window, Namer& namer, NamingCounts& naming)
      : window_(window), namer_(namer), naming_(naming), locations_(window.frames.size()) {}

  profile::Profile Write(const ProfileFacts& facts) {
    builder_.SetSampleTypes({builder_.Type("samples", "count")});
    builder_.SetPeriod(builder_.Type("cpu", "nanoseconds"), 1'000'000'000 / window_.frequency_hz);
    builder_.SetTime(window_.time_unix_nano, window_.duration_ns());
    thread_id_ = facts.thread_id;
    thread_name_ = facts.thread_name;
    namer_.BeginWindow(window_);
    for (const Aggregate::Count& count : window_.aggregate.counts) AddSample(count);
    namer_.EndWindow(window_);
    for (size_t miss = 1; miss < missed_.size(); ++miss) {
      if (missed_[miss] == 0) continue;
      naming_.missed[std::string(symbolizer::MissName(static_cast<symbolizer::Miss>(miss)))] = missed_[miss];
    }
    for (size_t state = 0; state < without_lines_.size(); ++state) {
      if (without_lines_[state] == 0) continue;
      naming_.without_lines[std::string(WhyNoLines(static_cast<IndexState>(state)))] = without_lines_[state];
    }
    std::vector<AttributeIndex> properties;
    for (const auto& [key, text] : facts.texts) properties.push_back(builder_.AddAttribute(key, text));
    for (const auto& [key, number] : facts.numbers) properties.push_back(builder_.AddAttribute(key, number));
    properties.push_back(builder_.AddAttribute("kiln.frames", naming_.frames));
    for (const auto& [reason, frames] : naming_.missed) {
      properties.push_back(builder_.AddAttribute("kiln.frames.unnamed: " + reason, frames));
    }
    if (naming_.native != 0) properties.push_back(builder_.AddAttribute("kiln.frames.native", naming_.native));
    for (const auto& [reason, frames] : naming_.without_lines) {
      properties.push_back(builder_.AddAttribute("kiln.frames.without_lines: " + reason, frames));
    }
    builder_.SetProperties(builder_.AddAttributeSet(properties));
    return std::move(builder_).Finish();
  }

 private:
  struct NamedLocation {
    LocationIndex location;
    symbolizer::Miss miss;
    bool is_mark;  // of a cut stack: no frame
    IndexState lines_state;
    bool has_lines;
  };
  struct ThreadFacts {
    ThreadIndex thread;
    AttributeSetIndex resource;
    AttributeSetIndex attributes;
  };

  void AddSample(const Aggregate::Count& count) {
    const std::vector<FrameIndex>& frames = window_.aggregate.stacks[count.stack].frames;
    std::vector<LocationIndex> locations;
    locations.reserve(frames.size());
    for (const FrameIndex frame : frames) {
      const NamedLocation& named = Location(frame);
      locations.push_back(named.location);
      if (named.is_mark) continue;
      naming_.frames += count.samples;
      missed_[static_cast<size_t>(named.miss)] += count.samples;
      if (named.lines_state == IndexState::kOff || named.miss != symbolizer::Miss::kNone) continue;
      naming_.native += count.samples;
      if (!named.has_lines) without_lines_[static_cast<size_t>(named.lines_state)] += count.samples;
    }
    const int64_t samples = count.samples;
    const ThreadFacts& thread = FactsOf(count.thread);
    builder_.AddSample({.stack = builder_.AddStack(std::move(locations)),
                        .resource = thread.resource,
                        .attributes = thread.attributes,
                        .link = std::nullopt},
                       {&samples, 1});
  }

  // Counts come sorted by thread.
  const ThreadFacts& FactsOf(ThreadIndex index) {
    if (last_thread_ && last_thread_->thread == index) return *last_thread_;
    const Thread& thread = window_.aggregate.threads[index];
    return last_thread_.emplace(
        ThreadFacts{.thread = index, .resource = ProcessAttributes(thread), .attributes = ThreadAttributes(thread)});
  }

  AttributeSetIndex ProcessAttributes(const Thread& thread) {
    if (const auto image = window_.images.find(thread.image); image != window_.images.end() && image->second.who) {
      return IdentityAttributes(image->first, *image->second.who);
    }
    std::vector<AttributeIndex> attributes{
        builder_.AddAttribute("process.pid", thread.pid.value),
        builder_.AddAttribute("process.executable.name", thread.identity.process_comm)};
    const Pid inner = thread.identity.namespaced_pid;
    if (inner.value != 0 && inner != thread.pid) {
      attributes.push_back(builder_.AddAttribute("process.pid.namespaced", inner.value));
    }
    return builder_.AddAttributeSet(attributes);
  }

  AttributeSetIndex IdentityAttributes(ImageId image, const identity::ProcessIdentity& who) {
    // Threads of one image follow each other.
    if (last_image_ && last_image_->first == image) return last_image_->second;
    std::vector<AttributeIndex> attributes;
    for (const identity::Attribute& attribute : who.attributes) {
      attributes.push_back(
          std::visit([&](const auto& value) { return builder_.AddAttribute(attribute.key, value); }, attribute.value));
    }
    return last_image_.emplace(image, builder_.AddAttributeSet(attributes)).second;
  }

  AttributeSetIndex ThreadAttributes(const Thread& thread) {
    std::vector<AttributeIndex> attributes;
    if (thread_id_) attributes.push_back(builder_.AddAttribute("thread.id", thread.tid.value));
    if (thread_name_) attributes.push_back(builder_.AddAttribute("thread.name", thread.identity.thread_comm));
    return builder_.AddAttributeSet(attributes);
  }

  const NamedLocation& Location(FrameIndex frame) {
    std::optional<NamedLocation>& known = locations_[frame.value()];
    if (!known) known = MakeLocation(namer_.Name(window_, window_.frames[frame]));
    return *known;
  }

  NamedLocation MakeLocation(const NamedFrame& named) {
    profile::Location location{.mapping = std::nullopt, .address = named.address, .type = named.type, .lines = {}};
    if (!named.module.empty()) location.mapping = MappingOf(named);
    for (const symbolizer::SourceLine& line : named.lines) {
      location.lines.push_back({.function = builder_.AddFunction({.name = builder_.String(line.name),
                                                                  .system_name = builder_.String(line.system_name),
                                                                  .filename = builder_.String(line.file),
                                                                  .start_line = line.start_line}),
                                .line = line.line,
                                .column = line.column});
    }
    return {.location = builder_.AddLocation(std::move(location)),
            .miss = named.miss,
            .is_mark = named.type == profile::FrameType::kTruncated,
            .lines_state = named.lines_state,
            .has_lines = !named.lines.front().file.empty()};
  }

  // Frames that follow each other are often in one module.
  profile::MappingIndex MappingOf(const NamedFrame& named) {
    if (last_mapping_ && last_module_ == named.module && last_build_id_ == named.build_id &&
        last_start_ == named.module_start) {
      return *last_mapping_;
    }
    last_module_ = named.module;
    last_build_id_ = named.build_id;
    last_start_ = named.module_start;
    return last_mapping_.emplace(builder_.AddMapping({.memory_start = named.module_start,
                                                      .memory_limit = named.module_limit,
                                                      .file_offset = named.module_offset,
                                                      .filename = builder_.String(named.module),
                                                      .build_id = builder_.String(named.build_id)}));
  }

  const Window& window_;
  Namer& namer_;
  NamingCounts& naming_;
  ProfileBuilder builder_;
  std::vector<std::optional<NamedLocation>> locations_;  // by FrameIndex
  bool thread_id_ = true;
  bool thread_name_ = true;
  std::optional<ThreadFacts> last_thread_;
  std::optional<std::pair<ImageId, AttributeSetIndex>> last_image_;
  std::optional<profile::MappingIndex> last_mapping_;  // of the module with the three:
  std::string last_module_;
  std::string last_build_id_;
  uint64_t last_start_ = 0;
  std::array<int64_t, symbolizer::kMissCount> missed_{};   // frames of all samples, by why they have no name
  std::array<int64_t, kIndexStateCount> without_lines_{};  // the same of native ones without file and line
};

}  // namespace

profile::Profile MakeProfile(const Window& window, Namer& namer, const ProfileFacts& facts, NamingCounts& naming) {
  return Writer(window, namer, naming).Write(facts);
}

}  // namespace kiln::agent
