// SPDX-License-Identifier: Apache-2.0
// Jitdumps for tests, good and bad.
#pragma once

#include <elf.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace kiln::symbolizer::testing {

class JitDumpBuilder {
 public:
  struct Entry {
    uint64_t address;
    uint32_t line;
    std::string_view file;
  };
  struct HeaderFields {
    uint32_t magic = 0x4A695444;
    uint32_t version = 1;
    uint32_t total_size = 40;
    uint32_t machine =
#if defined(__aarch64__)
        EM_AARCH64;
#else
        EM_X86_64;
#endif
    uint32_t pid = 1234;
    uint64_t timestamp = 99;
  };

  JitDumpBuilder& Header() { return Header(HeaderFields()); }
  JitDumpBuilder& Header(const HeaderFields& fields) {
    for (const uint32_t word : {fields.magic, fields.version, fields.total_size, fields.machine, 0U, fields.pid}) {
      Put(word);
    }
    Put(fields.timestamp);
    Put(uint64_t{0});
    return *this;
  }
  JitDumpBuilder& Record(uint32_t id, std::string_view body, uint32_t total_size = 0) {
    Put(id);
    Put(total_size != 0 ? total_size : static_cast<uint32_t>(16 + body.size()));
    Put(uint64_t{7});
    bytes_ += body;
    return *this;
  }
  JitDumpBuilder& Load(uint64_t address, uint64_t size, std::string_view name, std::string_view code = "\x90\xc3") {
    std::string body = Numbers32({1, 1}) + Numbers({address, address, size, 0});
    body += name;
    body += '\0';
    body += code;
    return Record(0, body);
  }
  JitDumpBuilder& Move(uint64_t from, uint64_t to, uint64_t size) {
    return Record(1, Numbers32({1, 1}) + Numbers({to, from, to, size, 0}));
  }
  JitDumpBuilder& DebugInfo(uint64_t address, const std::vector<Entry>& entries) {
    std::string body = Numbers({address, entries.size()});
    for (const Entry& entry : entries) {
      body += Numbers({entry.address}) + Numbers32({entry.line, 0});
      body += entry.file;
      body += '\0';
    }
    return Record(2, body);
  }

  const std::string& bytes() const { return bytes_; }
  std::string Take() { return std::exchange(bytes_, {}); }

  static std::string Numbers(const std::vector<uint64_t>& numbers) {
    return {reinterpret_cast<const char*>(numbers.data()), numbers.size() * sizeof(uint64_t)};
  }
  static std::string Numbers32(const std::vector<uint32_t>& numbers) {
    return {reinterpret_cast<const char*>(numbers.data()), numbers.size() * sizeof(uint32_t)};
  }

 private:
  template <class T>
  void Put(T value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof(value));
  }

  std::string bytes_;
};

}  // namespace kiln::symbolizer::testing
