// SPDX-License-Identifier: Apache-2.0
// The table against our .proto files, read as text: the lite runtime has no descriptors to ask. All other signals are
// compared with the package opentelemetry-proto by tests/formats/otlp_peer.py.
#include "otlp/schema.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <regex>
#include <set>
#include <sstream>

#include "base/file.h"

namespace kiln::otlp::schema {
namespace {

struct ProtoField {
  uint32_t number;
  std::string label, type;
};
// "package.Message" -> field name -> field. Nested messages do not occur in these files.
using Proto = std::map<std::string, std::map<std::string, ProtoField>>;

void ParseProto(const std::string& path, Proto& out) {
  const auto text = ReadFile(path, 1 << 20);
  ASSERT_TRUE(text.ok()) << text.status();
  static const std::regex field(R"(\s*(repeated |optional )?([\w.]+) (\w+) = (\d+);.*)");
  std::istringstream lines(*text);
  std::string line, package, message;
  bool oneof = false;
  for (std::smatch match; std::getline(lines, line);) {
    if (line.starts_with("package ")) package = line.substr(8, line.size() - 9);
    if (line.starts_with("message ")) message = package + "." + line.substr(8, line.size() - 10);
    if (line.starts_with("  oneof ")) oneof = true;
    if (line == "  }") oneof = false;
    if (line == "}") message.clear();
    if (message.empty() || !std::regex_match(line, match, field)) continue;
    out[message][match[3]] = {static_cast<uint32_t>(std::stoul(match[4])), oneof ? "oneof " : match[1].str(), match[2]};
  }
}

std::string TypeName(const Field& field) {
  switch (field.kind) {
    case Kind::kString: return "string";
    case Kind::kBytes:
    case Kind::kId: return "bytes";
    case Kind::kBool: return "bool";
    case Kind::kInt32: return "int32";
    case Kind::kInt64: return "int64";
    case Kind::kUint32: return "uint32";
    case Kind::kUint64: return "uint64";
    case Kind::kSint32: return "sint32";
    case Kind::kFixed32: return "fixed32";
    case Kind::kFixed64: return "fixed64";
    case Kind::kSfixed64: return "sfixed64";
    case Kind::kDouble: return "double";
    case Kind::kEnum: return "enum";
    case Kind::kMessage: return std::string(field.message->name);
  }
  return "?";
}

std::string LabelName(Presence presence) {
  switch (presence) {
    case Presence::kImplicit: return "";
    case Presence::kExplicit: return "optional ";
    case Presence::kOneof: return "oneof ";
    case Presence::kRepeated: return "repeated ";
  }
  return "?";
}

TEST(Schema, AgreesWithTheProtoFiles) {
  Proto proto;
  for (const char* path : {"otlp/common.proto", "otlp/resource.proto", "otlp/profiles.proto"}) ParseProto(path, proto);
  ASSERT_EQ(proto.size(), 6u + 1u + 14u);
  size_t compared = 0;
  for (const Message* message : AllMessages()) {
    const auto found = proto.find(std::string(message->package) + "." + std::string(message->name));
    if (found == proto.end()) continue;
    ++compared;
    EXPECT_EQ(message->fields.size(), found->second.size()) << message->name;
    for (const Field& field : message->fields) {
      const ProtoField& expected = found->second[std::string(field.name)];
      EXPECT_EQ(field.number, expected.number) << message->name << "." << field.name;
      EXPECT_EQ(LabelName(field.presence), expected.label) << message->name << "." << field.name;
      EXPECT_EQ(TypeName(field), expected.type.substr(expected.type.rfind('.') + 1))
          << message->name << "." << field.name;
    }
  }
  EXPECT_EQ(compared, proto.size());
}

TEST(Schema, FieldsAreInTheOrderOfTheirNumbersAndMessagesAreNamedOnce) {
  std::set<std::pair<std::string_view, std::string_view>> names;
  for (const Message* message : AllMessages()) {
    EXPECT_TRUE(names.emplace(message->package, message->name).second) << message->name;
    uint32_t last = 0;
    for (const Field& field : message->fields) {
      EXPECT_GT(field.number, last) << message->name << "." << field.name;
      last = field.number;
      EXPECT_EQ(field.kind == Kind::kMessage, field.message != nullptr) << message->name << "." << field.name;
    }
  }
}

}  // namespace
}  // namespace kiln::otlp::schema
