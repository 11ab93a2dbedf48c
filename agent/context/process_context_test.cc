// SPDX-License-Identifier: Apache-2.0
#include "agent/context/process_context.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <fstream>
#include <sstream>
#include <thread>

#include "otlp/process_context.pb.h"
#include "sdk/kiln/process_context.h"
#include "sdk/kiln/thread_context.h"

namespace kiln::agent {
namespace {

using identity::Attribute;
using Message = ::opentelemetry::proto::processcontext::v1development::ProcessContext;

std::string OwnMaps() {
  std::ifstream file("/proc/self/maps");
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// What the SDK publishes in this process.
class PublishedProcessContext : public testing::Test {
 protected:
  ~PublishedProcessContext() override { kiln_process_context_withdraw(); }
  static void Publish(std::initializer_list<kiln_attribute> resource) {
    ASSERT_EQ(kiln_process_context_publish(resource.begin(), resource.size(), 0), 0);
  }
  const ProcessMemory memory_ = *ProcessMemory::Open(Pid{::getpid()});
};

TEST_F(PublishedProcessContext, IsFoundAndReadOnce) {
  EXPECT_EQ(FindProcessContext(OwnMaps()), std::nullopt);
  Publish({{"service.name", "checkout"}, {"service.version", "1.4.2"}});
  const int key = kiln_attribute_key("http.route");
  const auto address = FindProcessContext(OwnMaps());
  ASSERT_TRUE(address);
  const auto first = ReadProcessContext(memory_, *address);
  ASSERT_TRUE(first.ok()) << first.status();
  ASSERT_TRUE(first->context);
  EXPECT_THAT(first->context->resource,
              testing::ElementsAre(Attribute{"service.name", "checkout"}, Attribute{"service.version", "1.4.2"}));
  EXPECT_EQ(first->context->thread_schema, "tlsdesc_v1_dev");
  EXPECT_EQ(first->context->thread_keys.at(static_cast<size_t>(key)), "http.route");
  const auto again = ReadProcessContext(memory_, *address, first->published_ns);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->published_ns, first->published_ns);
  EXPECT_FALSE(again->context) << "it has not changed";
  Publish({{"service.name", "cart"}});
  const auto changed = ReadProcessContext(memory_, *address, first->published_ns);
  ASSERT_TRUE(changed.ok());
  EXPECT_GT(changed->published_ns, first->published_ns);
  EXPECT_THAT(changed->context->resource, testing::ElementsAre(Attribute{"service.name", "cart"}));
  kiln_process_context_withdraw();
  EXPECT_EQ(ReadProcessContext(memory_, *address).status().code(), absl::StatusCode::kOutOfRange);
}

TEST_F(PublishedProcessContext, IsWholeOrNotTakenWhileItChanges) {
  Publish({{"a", "0"}, {"b", "0"}});
  const auto address = FindProcessContext(OwnMaps());
  ASSERT_TRUE(address);
  std::atomic<bool> stop = false;
  std::thread writer([&] {
    for (int i = 0; !stop; ++i) {
      const std::string number = std::to_string(i);
      const std::string text(static_cast<size_t>(i % 500), 'x');
      const kiln_attribute resource[] = {{"a", number.c_str()}, {"text", text.c_str()}, {"b", number.c_str()}};
      kiln_process_context_publish(resource, 3, 0);
    }
  });
  int taken = 0;
  while (taken < 200) {
    const auto read = ReadProcessContext(memory_, *address);
    if (!read.ok()) {
      EXPECT_EQ(read.status().code(), absl::StatusCode::kUnavailable) << read.status();
      continue;
    }
    ++taken;
    const auto& resource = read->context->resource;
    EXPECT_EQ(TextOf(*identity::Find(resource, "a")), TextOf(*identity::Find(resource, "b")));
  }
  stop = true;
  writer.join();
}

// A context as another maker, or an attacker, might write it, in this process's memory.
struct Forged {
  char signature[8] = {'O', 'T', 'E', 'L', '_', 'C', 'T', 'X'};
  uint32_t version = 2;
  uint32_t payload_bytes = 0;
  uint64_t published_ns = 1;
  uint64_t payload = 0;
};

absl::StatusCode CodeOf(const Forged& forged) {
  const auto memory = ProcessMemory::Open(Pid{::getpid()});
  const ProcessAddress at(reinterpret_cast<uint64_t>(&forged));
  return ReadProcessContext(*memory, at).status().code();
}

TEST(ForgedProcessContext, IsRefusedWithItsReason) {
  const std::string payload = [] {
    Message message;
    message.mutable_resource()->add_attributes()->set_key("k");
    return message.SerializeAsString();
  }();
  Forged good;
  good.payload = reinterpret_cast<uint64_t>(payload.data());
  good.payload_bytes = static_cast<uint32_t>(payload.size());
  EXPECT_EQ(CodeOf(good), absl::StatusCode::kOk);
  Forged other = good;
  other.signature[0] = 'X';
  EXPECT_EQ(CodeOf(other), absl::StatusCode::kDataLoss);
  other = good;
  other.version = 3;
  EXPECT_EQ(CodeOf(other), absl::StatusCode::kFailedPrecondition);
  other = good;
  other.published_ns = 0;
  EXPECT_EQ(CodeOf(other), absl::StatusCode::kUnavailable);
  for (const uint32_t bytes : {0u, kMaxProcessContextBytes + 1, UINT32_MAX}) {
    other = good;
    other.payload_bytes = bytes;
    EXPECT_EQ(CodeOf(other), absl::StatusCode::kDataLoss) << bytes;
  }
  other = good;
  other.payload_bytes -= 1;
  EXPECT_EQ(CodeOf(other), absl::StatusCode::kDataLoss) << "a message that is cut";
  for (const uint64_t address : {uint64_t{0}, uint64_t{8}, UINT64_MAX}) {
    other = good;
    other.payload = address;
    EXPECT_EQ(CodeOf(other), absl::StatusCode::kOutOfRange) << address;
  }
}

TEST(ParsedProcessContext, HasAllKindsOfValuesAndNoKeyTwice) {
  Message message;
  const auto add = [&](const std::string& key) {
    auto* const pair = message.mutable_resource()->add_attributes();
    pair->set_key(key);
    return pair->mutable_value();
  };
  add("text")->set_string_value("ü");
  add("number")->set_int_value(-7);
  add("yes")->set_bool_value(true);
  add("list")->mutable_array_value()->add_values()->set_int_value(1);
  add("nothing");
  add("")->set_string_value("no key");
  add("number")->set_int_value(8);
  const auto context = ParseProcessContext(message.SerializeAsString());
  ASSERT_TRUE(context.ok());
  EXPECT_THAT(context->resource, testing::ElementsAre(Attribute{"text", "ü"}, Attribute{"number", int64_t{-7}},
                                                      Attribute{"yes", "true"}, Attribute{"list", "[1]"}));
  EXPECT_EQ(context->thread_schema, "");
  EXPECT_TRUE(context->thread_keys.empty());
  EXPECT_TRUE(ParseProcessContext("").ok()) << "nothing is said";
  for (const std::string_view damaged : {"\xff\xff", "\x0a\x05\x0a\x03\x0a\x01\x80"}) {  // cut; a key that is no UTF-8
    EXPECT_EQ(ParseProcessContext(damaged).status().code(), absl::StatusCode::kDataLoss);
  }
}

TEST(ParsedProcessContext, HasAsManyKeysAsNumbersReach) {
  Message message;
  auto* const pair = message.add_attributes();
  pair->set_key("threadlocal.attribute_key_map");
  for (int i = 0; i < 300; ++i) pair->mutable_value()->mutable_array_value()->add_values()->set_string_value("key");
  EXPECT_EQ(ParseProcessContext(message.SerializeAsString())->thread_keys.size(), kMaxThreadKeys);
}

TEST(ProcessContextMapping, IsFoundByTheNamesThatKernelsGiveIt) {
  const auto find = [](std::string_view lines) { return FindProcessContext(lines); };
  EXPECT_EQ(find("7f01-7f02 rw-p 00000000 00:01 1024    /memfd:OTEL_CTX (deleted)\n"), ProcessAddress(0x7f01));
  EXPECT_EQ(find("5-6 r--p 0 0:0 0 /bin/true\n7f01-7f02 rw-p 00000000 00:00 0      [anon:OTEL_CTX]"),
            ProcessAddress(0x7f01));
  EXPECT_EQ(find("7f01-7f02 rw-p 00000000 00:01 9 [anon_shmem:OTEL_CTX]\n8-9 rw-p 0 0:0 0 [anon:OTEL_CTX]\n"),
            ProcessAddress(0x7f01));
  EXPECT_EQ(find("7f01-7f02 r-xp 00000000 00:01 1024    /memfd:OTEL_CTX (deleted)\n"), std::nullopt) << "code";
  EXPECT_EQ(find("7f01-7f02 rw-p 00000000 00:01 1024    /tmp/memfd:OTEL_CTX\n"), std::nullopt);
  EXPECT_EQ(find("7f01-7f02 rw-p 00000000 00:01 1024    /x [anon:OTEL_CTX]\n"), std::nullopt) << "a file's name";
  for (const char* text :
       {"", "\n", "   \n", "7f01", "- - - - - [anon:OTEL_CTX]", "xyz-1 rw-p 0 0:0 0 [anon:OTEL_CTX]"}) {
    EXPECT_EQ(find(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace kiln::agent
