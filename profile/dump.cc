// SPDX-License-Identifier: Apache-2.0
#include "profile/dump.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <set>

namespace kiln::profile {
namespace {

// In double quotes, with C escapes for quotes, backslashes and control characters.
std::string Quote(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  return out + '"';
}

// Names and numbers as they are, everything else quoted, so that no text looks like two.
std::string QuoteUnlessPlain(std::string_view text) {
  const bool plain = std::ranges::all_of(
      text, [](unsigned char c) { return std::isalnum(c) != 0 || c == '_' || c == '.' || c == '-'; });
  return plain ? std::string(text) : Quote(text);
}

template <size_t kSize>
std::string Hex(const std::array<uint8_t, kSize>& bytes) {
  std::string out;
  for (const uint8_t byte : bytes) out += fmt::format("{:02x}", byte);
  return out;
}

// Gives each distinct text a number from 1 in the order of the texts.
class Numbering {
 public:
  void Add(const std::string& text) { numbers_.try_emplace(text, 0); }
  void Close() {
    size_t next = 1;
    for (auto& [text, number] : numbers_) number = next++;
  }
  size_t operator[](const std::string& text) const { return numbers_.at(text); }
  const std::map<std::string, size_t>& all() const { return numbers_; }

 private:
  std::map<std::string, size_t> numbers_;
};

class Dumper {
 public:
  explicit Dumper(const Profile& profile) : p_(profile) {}

  std::string Run() {
    for (const Sample& sample : p_.samples) {
      for (const LocationIndex index : p_.stacks[sample.key.stack].locations) used_.insert(index);
    }
    for (const LocationIndex index : used_) {
      if (p_.locations[index].mapping) mappings_.Add(MappingText(*p_.locations[index].mapping));
    }
    mappings_.Close();
    for (const LocationIndex index : used_) frames_.Add(FrameText(index));
    frames_.Close();
    return Head() + Tables() + Samples();
  }

 private:
  const std::string& Text(StringIndex index) const { return p_.strings[index]; }
  std::string TypeText(const ValueType& type) const {
    return QuoteUnlessPlain(Text(type.type)) + "/" + QuoteUnlessPlain(Text(type.unit));
  }

  std::string MappingText(MappingIndex index) const {
    const Mapping& m = p_.mappings[index];
    std::string out = fmt::format("{} 0x{:x}-0x{:x} offset 0x{:x}", Quote(Text(m.filename)), m.memory_start,
                                  m.memory_limit, m.file_offset);
    if (m.build_id.value() != 0) out += " build id " + QuoteUnlessPlain(Text(m.build_id));
    return out;
  }

  std::string FrameText(LocationIndex index) const {
    const Location& location = p_.locations[index];
    const std::string mapping = location.mapping ? fmt::format("M{}", mappings_[MappingText(*location.mapping)]) : "-";
    std::string out = fmt::format("{} {} 0x{:x}", FrameTypeName(location.type), mapping, location.address);
    for (const Line& line : location.lines) {
      const Function& function = p_.functions[line.function];
      out += "\n    " + Quote(Text(function.name));
      if (function.system_name.value() != 0 && function.system_name != function.name) {
        out += " symbol " + Quote(Text(function.system_name));
      }
      if (function.filename.value() != 0) out += " in " + Quote(Text(function.filename));
      if (function.start_line != 0) out += fmt::format(" from {}", function.start_line);
      if (line.line != 0 || line.column != 0) out += fmt::format(" at {}:{}", line.line, line.column);
    }
    return out;
  }

  std::string SetText(AttributeSetIndex index) const {
    std::string out;
    for (const AttributeIndex item : p_.attribute_sets[index].attributes) {
      const Attribute& attribute = p_.attributes[item];
      out += ' ' + QuoteUnlessPlain(Text(attribute.key)) + '=';
      if (const auto* text = std::get_if<StringIndex>(&attribute.value)) out += Quote(Text(*text));
      if (const auto* number = std::get_if<int64_t>(&attribute.value)) out += fmt::format("{}", *number);
      if (const auto* real = std::get_if<double>(&attribute.value)) out += fmt::format("double({})", *real);
      if (const auto* truth = std::get_if<bool>(&attribute.value)) out += *truth ? "true" : "false";
      if (attribute.unit.value() != 0) out += fmt::format("[{}]", QuoteUnlessPlain(Text(attribute.unit)));
    }
    return out;
  }

  std::string StackText(StackIndex index) const {
    std::string out;
    for (const LocationIndex location : p_.stacks[index].locations) {
      out += fmt::format(" F{}", frames_[FrameText(location)]);
      for (const Line& line : p_.locations[location].lines) out += ' ' + Quote(Text(p_.functions[line.function].name));
    }
    return out;
  }

  std::string Head() const {
    std::string out = "sample types:";
    for (const ValueType& type : p_.sample_types) out += ' ' + TypeText(type);
    out += fmt::format("\nperiod: {} {}\ntime: {} + {} ns\n", p_.period, TypeText(p_.period_type), p_.time_unix_nano,
                       p_.duration_nano);
    return out + "properties:" + SetText(p_.properties) + '\n';
  }

  std::string Tables() const {
    std::string out = "mappings:\n";
    for (const auto& [text, number] : mappings_.all()) out += fmt::format("  M{} {}\n", number, text);
    out += "frames:\n";
    for (const auto& [text, number] : frames_.all()) out += fmt::format("  F{} {}\n", number, text);
    return out;
  }

  std::string Samples() const {
    std::map<std::string, std::map<std::string, std::multiset<std::string>>> groups;
    for (const Sample& sample : p_.samples) {
      std::string text = StackText(sample.key.stack);
      if (sample.key.link) {
        const Link& link = p_.links[*sample.key.link];
        text += " link " + Hex(link.trace_id) + "/" + Hex(link.span_id);
      }
      text += fmt::format(": {}", fmt::join(sample.values, " "));
      groups[SetText(sample.key.resource)][SetText(sample.key.attributes)].insert(std::move(text));
    }
    std::string out = "samples:\n";
    for (const auto& [resource, by_attributes] : groups) {
      out += "  resource" + resource + '\n';
      for (const auto& [attributes, samples] : by_attributes) {
        out += "    attributes" + attributes + '\n';
        for (const std::string& sample : samples) out += "     " + sample + '\n';
      }
    }
    return out;
  }

  const Profile& p_;
  std::set<LocationIndex> used_;
  Numbering mappings_;
  Numbering frames_;
};

}  // namespace

std::string Dump(const Profile& profile) { return Dumper(profile).Run(); }

}  // namespace kiln::profile
