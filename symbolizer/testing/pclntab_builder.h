// SPDX-License-Identifier: Apache-2.0
// Makes Go's tables of functions for tests, in each layout that is read.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

namespace kiln::symbolizer::testing {

struct TestGoFunction {
  std::string name;
  uint32_t code = 0;  // offset from the start of the text
  uint8_t flags = 0;
  std::vector<std::pair<int32_t, uint32_t>> depths;  // depth of the stack, for so many units of code
};

struct PclntabBuilder {
  uint32_t magic = 0xfffffff1;
  uint8_t code_unit = 1;
  uint64_t text = 0x401000;
  bool text_in_header = true;
  uint32_t code_bytes = 0;
  std::vector<TestGoFunction> functions;

  std::string Build() const {
    const bool old = magic == 0xfffffffa;
    std::string names(1, '\0');
    std::string depths(1, '\0');
    std::string records;
    std::string entries;
    const uint64_t table_bytes = old ? functions.size() * 16 + 8 : functions.size() * 8 + 4;
    for (const TestGoFunction& function : functions) {
      const auto record_at = static_cast<uint32_t>(table_bytes + records.size());
      if (old) {
        Put<uint64_t>(entries, text + function.code);
        Put<uint64_t>(entries, record_at);
        Put<uint64_t>(records, text + function.code);
      } else {
        Put<uint32_t>(entries, function.code);
        Put<uint32_t>(entries, record_at);
        Put<uint32_t>(records, function.code);
      }
      Put<uint32_t>(records, static_cast<uint32_t>(names.size()));
      for (int i = 0; i < 2; ++i) Put<uint32_t>(records, 0);
      Put<uint32_t>(records, function.depths.empty() ? 0 : static_cast<uint32_t>(depths.size()));
      for (int i = 0; i < 4; ++i) Put<uint32_t>(records, 0);
      if (magic == 0xfffffff1) Put<uint32_t>(records, 1);
      Put<uint32_t>(records, uint32_t{function.flags} << 8);
      names += function.name + '\0';
      int32_t previous = -1;
      for (const auto& [depth, units] : function.depths) {
        const int32_t change = depth - previous;
        PutNumber(depths, static_cast<uint32_t>(change) << 1 ^ static_cast<uint32_t>(change >> 31));
        PutNumber(depths, units);
        previous = depth;
      }
      depths += '\0';
    }
    if (old) {
      Put<uint64_t>(entries, text + code_bytes);
    } else {
      Put<uint32_t>(entries, code_bytes);
    }

    std::string header;
    Put<uint32_t>(header, magic);
    header += std::string(2, '\0') + static_cast<char>(code_unit) + '\x08';
    Put<uint64_t>(header, functions.size());
    Put<uint64_t>(header, 0);
    if (!old) Put<uint64_t>(header, text_in_header ? text : 0);
    const uint64_t names_at = header.size() + 5 * 8;
    const uint64_t depths_at = names_at + names.size();
    for (const uint64_t offset : {names_at, names_at, names_at, depths_at, depths_at + depths.size()}) {
      Put<uint64_t>(header, offset);
    }
    return header + names + depths + entries + records;
  }

 private:
  template <typename T>
  static void Put(std::string& out, T value) {
    out.append(reinterpret_cast<const char*>(&value), sizeof(value));
  }
  static void PutNumber(std::string& out, uint32_t value) {
    for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
    out += static_cast<char>(value);
  }
};

}  // namespace kiln::symbolizer::testing
