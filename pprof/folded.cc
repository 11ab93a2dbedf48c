// SPDX-License-Identifier: Apache-2.0
#include "pprof/folded.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <map>

#include "pprof/labels.h"
#include "profile/builder.h"

namespace kiln::pprof {
namespace {

using profile::FrameType;
using profile::Location;
using profile::Profile;

constexpr std::string_view kKernelSuffix = "_[k]";

void AppendFrame(std::string_view name, std::string& line) {
  if (!line.empty()) line += ';';
  for (size_t i = 0; i < name.size(); ++i) {
    const auto byte = [&](size_t at) { return at < name.size() ? static_cast<unsigned char>(name[at]) : 0; };
    const bool is_c1 = byte(i) == 0xc2 && byte(i + 1) >= 0x80 && byte(i + 1) < 0xa0;  // U+0080 to U+009F in UTF-8
    const bool control = byte(i) < 0x20 || byte(i) == 0x7f || is_c1;
    line += name[i] == ';' ? ':' : control ? ' ' : name[i];
    if (is_c1) ++i;
  }
}

void AppendLocation(const Profile& profile, const Location& location, std::string& line) {
  const std::string_view suffix = location.type == FrameType::kKernel ? kKernelSuffix : "";
  if (location.lines.empty()) AppendFrame(BareFrameName(profile, location) + std::string(suffix), line);
  for (auto it = location.lines.rbegin(); it != location.lines.rend(); ++it) {
    AppendFrame(profile.strings[profile.functions[it->function].name] + std::string(suffix), line);
  }
}

int64_t SaturatingAdd(int64_t a, int64_t b) {
  int64_t sum = 0;
  if (!__builtin_add_overflow(a, b, &sum)) return sum;
  return a > 0 ? std::numeric_limits<int64_t>::max() : std::numeric_limits<int64_t>::min();
}

profile::LocationIndex DecodeFrame(std::string_view name, profile::ProfileBuilder& builder) {
  FrameType type = profile::FrameTypeFromConvention("", name);
  if (name.size() > kKernelSuffix.size() && name.ends_with(kKernelSuffix)) {
    name.remove_suffix(kKernelSuffix.size());
    type = FrameType::kKernel;
  }
  const profile::StringIndex none(0);
  const auto function = builder.AddFunction({builder.String(name.empty() ? "[unknown]" : name), none, none, 0});
  return builder.AddLocation({std::nullopt, 0, type, {{function, 0, 0}}});
}

}  // namespace

std::string EncodeFolded(const Profile& profile) {
  std::map<std::string, int64_t> counts;
  for (const profile::Sample& sample : profile.samples) {
    std::string line;
    if (const std::string process = ProcessName(profile, sample.key.resource); !process.empty()) {
      AppendFrame(process, line);
    }
    const auto& locations = profile.stacks[sample.key.stack].locations;
    for (auto it = locations.rbegin(); it != locations.rend(); ++it) {
      AppendLocation(profile, profile.locations[*it], line);
    }
    int64_t& count = counts[line.empty() ? "[unknown]" : line];
    count = SaturatingAdd(count, sample.values[0]);
  }
  std::string out;
  for (const auto& [line, count] : counts) fmt::format_to(std::back_inserter(out), "{} {}\n", line, count);
  return out;
}

StatusOr<Profile> DecodeFolded(std::string_view text) {
  profile::ProfileBuilder builder;
  builder.SetSampleTypes({builder.Type("samples", "count")});
  for (size_t number = 1; !text.empty(); ++number) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) continue;
    const size_t space = line.rfind(' ');
    int64_t count = 0;
    const char* const end = line.data() + line.size();
    const char* const begin = space == std::string_view::npos ? end : line.data() + space + 1;
    const auto [stop, error] = std::from_chars(begin, end, count);
    if (error != std::errc() || stop != end || begin == end) {
      return Error(absl::StatusCode::kInvalidArgument, "line {} does not end in a space and a count", number);
    }
    line = line.substr(0, space);
    std::vector<profile::LocationIndex> stack;
    while (true) {  // at least one frame, be it empty
      const size_t semicolon = line.find(';');
      stack.push_back(DecodeFrame(line.substr(0, semicolon), builder));
      if (semicolon == std::string_view::npos) break;
      line.remove_prefix(semicolon + 1);
    }
    std::ranges::reverse(stack);
    const profile::AttributeSetIndex none(0);
    builder.AddSample({builder.AddStack(std::move(stack)), none, none, std::nullopt}, {{count}});
  }
  return std::move(builder).Finish();
}

}  // namespace kiln::pprof
