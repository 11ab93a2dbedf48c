// SPDX-License-Identifier: Apache-2.0
#include "profile/merge.h"

namespace kiln::profile {
namespace {

// Carries items of one profile over into another; each table is translated once, in the order of dependence.
class Translation {
 public:
  Translation(const Profile& from, ProfileBuilder& into) {
    for (const std::string& text : from.strings) strings_.push_back(into.String(text));
    for (Mapping mapping : from.mappings) {
      mapping.filename = String(mapping.filename);
      mapping.build_id = String(mapping.build_id);
      mappings_.push_back(into.AddMapping(mapping));
    }
    for (const Function& function : from.functions) {
      functions_.push_back(into.AddFunction({.name = String(function.name),
                                             .system_name = String(function.system_name),
                                             .filename = String(function.filename),
                                             .start_line = function.start_line}));
    }
    for (Location location : from.locations) {
      if (location.mapping) location.mapping = mappings_[location.mapping->value()];
      for (Line& line : location.lines) line.function = functions_[line.function.value()];
      locations_.push_back(into.AddLocation(std::move(location)));
    }
    for (Stack stack : from.stacks) {
      for (LocationIndex& location : stack.locations) location = locations_[location.value()];
      stacks_.push_back(into.AddStack(std::move(stack.locations)));
    }
    for (Attribute attribute : from.attributes) {
      attribute.key = String(attribute.key);
      attribute.unit = String(attribute.unit);
      if (auto* text = std::get_if<StringIndex>(&attribute.value)) *text = String(*text);
      attributes_.push_back(into.AddAttribute(attribute));
    }
    for (AttributeSet set : from.attribute_sets) {
      for (AttributeIndex& attribute : set.attributes) attribute = attributes_[attribute.value()];
      attribute_sets_.push_back(into.AddAttributeSet(set.attributes));
    }
    for (const Link& link : from.links) links_.push_back(into.AddLink(link));
  }

  StringIndex String(StringIndex index) const { return strings_[index.value()]; }
  SampleKey Key(const SampleKey& key) const {
    return {.stack = stacks_[key.stack.value()],
            .resource = attribute_sets_[key.resource.value()],
            .attributes = attribute_sets_[key.attributes.value()],
            .link = key.link ? std::optional(links_[key.link->value()]) : std::nullopt};
  }

 private:
  std::vector<StringIndex> strings_;
  std::vector<MappingIndex> mappings_;
  std::vector<FunctionIndex> functions_;
  std::vector<LocationIndex> locations_;
  std::vector<StackIndex> stacks_;
  std::vector<AttributeIndex> attributes_;
  std::vector<AttributeSetIndex> attribute_sets_;
  std::vector<LinkIndex> links_;
};

}  // namespace

Status Merge(const Profile& from, ProfileBuilder& into) {
  const Translation translation(from, into);
  std::vector<ValueType> types;
  for (const ValueType& type : from.sample_types) {
    types.push_back({translation.String(type.type), translation.String(type.unit)});
  }
  if (types != into.profile().sample_types) {
    return absl::InvalidArgumentError("profiles with different sample types can't be merged");
  }
  for (const Sample& sample : from.samples) into.AddSample(translation.Key(sample.key), sample.values);
  return absl::OkStatus();
}

}  // namespace kiln::profile
