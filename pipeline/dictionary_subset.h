// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"
#include "otlp/profiles.pb.h"

namespace kiln::pipeline {

namespace profiles_pb = ::opentelemetry::proto::profiles::v1development;
namespace common_pb = ::opentelemetry::proto::common::v1;

// The part of a dictionary that some of its users need: entries are copied when they are first asked for, with all that
// they refer to, and get new indices in that order. Index 0 of each table stays the zero value. What was asked for last
// can be taken back, so that one can see how large something gets.
//
// Each method gives the new index. Indices of the source that lead nowhere are kInvalidArgument (index 0 is allowed
// even in a table that was left out). Equal entries of the source stay apart. `source` must outlive the object.
// Thread-compatible.
class DictionarySubset {
 public:
  explicit DictionarySubset(const profiles_pb::ProfilesDictionary& source);

  Status Text(int32_t& index) { return Translate(kText, index); }
  Status Attributes(google::protobuf::RepeatedField<int32_t>& indices);
  Status Stack(int32_t& index) { return Translate(kStack, index); }
  Status Link(int32_t& index) { return Translate(kLink, index); }
  // References inside of values, and as keys of resource and scope attributes.
  Status Value(common_pb::AnyValue& value);
  Status KeyValues(google::protobuf::RepeatedPtrField<common_pb::KeyValue>& attributes);

  // What AppendField will append, or some bytes more.
  int64_t bytes() const { return bytes_; }
  // A moment to come back to.
  size_t mark() const { return added_.size(); }
  void RollBack(size_t mark);

  // Appends what was asked for, as the field `dictionary` of ProfilesData.
  void AppendField(std::string& out) const;

 private:
  enum Table : uint8_t { kText, kAttribute, kMapping, kFunction, kLocation, kStack, kLink, kTables };
  struct Added {
    Table table;
    int32_t source_index;
    int64_t bytes;
  };

  // Replaces `index` of the source by that of the result.
  Status Translate(Table table, int32_t& index);
  int SourceSize(Table table) const;
  // Copies the entry with what it refers to, and tells its new index.
  Status Copy(Table table, int32_t source_index, int32_t& index, int64_t& bytes);
  Status CopyAttribute(int32_t source_index, profiles_pb::KeyValueAndUnit& to);
  Status CopyMapping(int32_t source_index, profiles_pb::Mapping& to);
  Status CopyFunction(int32_t source_index, profiles_pb::Function& to);
  Status CopyLocation(int32_t source_index, profiles_pb::Location& to);
  Status CopyStack(int32_t source_index, profiles_pb::Stack& to);

  // A translated field of a message.
  template <typename Get, typename Set>
  Status TranslateField(Table table, Get get, Set set);

  const profiles_pb::ProfilesDictionary& source_;
  profiles_pb::ProfilesDictionary out_;
  std::vector<int32_t> known_[kTables];  // new indices by the source's; -1 = not yet
  std::vector<Added> added_;
  int64_t bytes_ = 0;
};

}  // namespace kiln::pipeline
