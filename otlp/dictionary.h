// SPDX-License-Identifier: Apache-2.0
// Builds a ProfilesDictionary out of what is asked for: an entry exists only once something refers to it.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "otlp/profiles.pb.h"
#include "profile/profile.h"

namespace kiln::otlp {

namespace pb = ::opentelemetry::proto::profiles::v1development;
namespace common_pb = ::opentelemetry::proto::common::v1;

// The attribute value in OTLP's form, with literal text.
void SetValue(const profile::Profile& profile, const profile::AttributeValue& value, common_pb::AnyValue& out);

// What `length` bytes take as a field with a number below 16: with its tag and its length.
size_t FieldBytes(size_t length);

// Each method returns the index in the dictionary and adds the entry, with all that it refers to, if it is new.
// `profile` must be valid and outlive the builder. Thread-compatible.
class DictionaryBuilder {
 public:
  explicit DictionaryBuilder(const profile::Profile& profile);

  int32_t Text(std::string_view text);
  int32_t Text(profile::StringIndex index);
  int32_t Attribute(profile::AttributeIndex index);
  int32_t Mapping(profile::MappingIndex index);
  int32_t Function(profile::FunctionIndex index);
  int32_t Location(profile::LocationIndex index);
  int32_t Stack(profile::StackIndex index);
  int32_t Link(profile::LinkIndex index);

  const pb::ProfilesDictionary& dictionary() const { return dictionary_; }
  // What the dictionary takes on the wire, without the tag and the length in front of it.
  size_t bytes() const { return bytes_; }

  // What the dictionary holds at a moment; the default is an empty one. Marks of one builder form a stack: one that
  // lies behind a mark that was rolled back to must not be used again.
  struct Mark {
    std::array<int, 7> sizes{1, 1, 1, 1, 1, 1, 1};
    size_t remembered = 0;
    size_t bytes = kEmptyBytes;
  };
  Mark Here() const;
  // Takes back all that was added since `mark`. Costs what that cost.
  void RollBack(const Mark& mark);

 private:
  static constexpr size_t kEmptyBytes = 7 * 2;  // a tag and the length 0 per table
  // Entries by their bytes. A zero value has none, so that "" is index 0.
  using Known = absl::flat_hash_map<std::string, int32_t>;
  // Indices found so far by the profile's index, -1 = not yet.
  using Memo = std::vector<int32_t>;

  template <typename Message>
  int32_t Intern(Message&& message, Known& known, google::protobuf::RepeatedPtrField<Message>& table);
  template <typename Message>
  static void Shrink(int size, Known& known, google::protobuf::RepeatedPtrField<Message>& table);
  int32_t Remember(Memo& memo, uint32_t index, int32_t found);
  int32_t TextAttribute(std::string_view key, std::string_view value);

  const profile::Profile& p_;
  pb::ProfilesDictionary dictionary_;
  Known texts_, attributes_, mappings_, functions_, locations_, stacks_, links_;
  Memo text_memo_, attribute_memo_, mapping_memo_, function_memo_, location_memo_, stack_memo_, link_memo_;
  std::vector<int32_t*> remembered_;  // the places in the memos that were filled, in their order
  size_t bytes_ = kEmptyBytes;
};

}  // namespace kiln::otlp
