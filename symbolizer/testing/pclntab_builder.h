// SPDX-License-Identifier: Apache-2.0
// Makes Go's tables of functions for tests, in each layout that is read, with what lies outside of them: the inline
// trees, and the moduledata that leads to both.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

namespace kiln::symbolizer::testing {

// Value, for so many units of code.
using TestGoValues = std::vector<std::pair<int32_t, uint32_t>>;

struct TestGoCall {  // inlined
  std::string name;
  uint32_t caller_code = 0;
  int32_t start_line = 0;
};

struct TestGoFunction {
  std::string name;
  uint32_t code = 0;  // offset from the start of the text
  uint8_t flags = 0;
  TestGoValues depths = {};
  TestGoValues files = {};  // index in PclntabBuilder::files
  TestGoValues lines = {};
  TestGoValues inlined = {};  // index in calls, or -1
  std::vector<TestGoCall> calls = {};
  int32_t start_line = 1;
};

struct PclntabBuilder {
  uint32_t magic = 0xfffffff1;
  uint8_t code_unit = 1;
  uint64_t text = 0x401000;
  bool text_in_header = true;
  uint32_t code_bytes = 0;
  std::vector<TestGoFunction> functions;
  std::vector<std::string> files = {};
  uint64_t trees_address = 0;
  bool old() const { return magic == 0xfffffffa; }

  std::string Build() const { return Make().Table(); }
  // What lies at trees_address.
  std::string Trees() const { return Make().trees; }
  // The moduledata of a table at `address`, with trees_address as the word of that index.
  std::string Module(uint64_t address, size_t trees_word) const {
    const Parts parts = Make();
    std::vector<uint64_t> words(64);
    words[0] = address;
    words[1] = address + parts.names_at();
    words[10] = address + parts.values_at();
    words[13] = words[16] = address + parts.functions_at();
    words[20] = text + (functions.empty() ? 0 : functions[0].code);
    words[22] = text;
    words[trees_word] = trees_address;
    return {reinterpret_cast<const char*>(words.data()), words.size() * sizeof(words[0])};
  }

 private:
  struct Parts {
    std::string header;  // up to the offsets
    std::string names = std::string(1, '\0');
    std::string units;
    std::string files;
    std::string values = std::string(1, '\0');
    std::string entries;
    std::string records;
    std::string trees;
    uint64_t names_at() const { return header.size() + 5 * sizeof(uint64_t); }
    uint64_t units_at() const { return names_at() + names.size(); }
    uint64_t files_at() const { return units_at() + units.size(); }
    uint64_t values_at() const { return files_at() + files.size(); }
    uint64_t functions_at() const { return (values_at() + values.size() + 7) / 8 * 8; }
    std::string Table() const {
      std::string table = header;
      for (const uint64_t at : {names_at(), units_at(), files_at(), values_at(), functions_at()}) {
        Put<uint64_t>(table, at);
      }
      table += names + units + files + values;
      table.resize(functions_at());
      return table + entries + records;
    }
  };

  Parts Make() const {
    Parts parts;
    for (const std::string& file : files) {
      Put<uint32_t>(parts.units, static_cast<uint32_t>(parts.files.size()));
      parts.files += file + '\0';
    }
    const uint64_t table_bytes = old() ? functions.size() * 16 + 8 : functions.size() * 8 + 4;
    for (const TestGoFunction& function : functions) {
      // Records are aligned in 1.16, whose last members are pointers.
      if (old()) parts.records.resize((parts.records.size() + 7) / 8 * 8);
      const auto record_at = static_cast<uint32_t>(table_bytes + parts.records.size());
      if (old()) {
        Put<uint64_t>(parts.entries, text + function.code);
        Put<uint64_t>(parts.entries, record_at);
      } else {
        Put<uint32_t>(parts.entries, function.code);
        Put<uint32_t>(parts.entries, record_at);
      }
      AddRecord(function, parts);
    }
    if (old()) {
      Put<uint64_t>(parts.entries, text + code_bytes);
    } else {
      Put<uint32_t>(parts.entries, code_bytes);
    }
    Put<uint32_t>(parts.header, magic);
    parts.header += std::string(2, '\0') + static_cast<char>(code_unit) + '\x08';
    Put<uint64_t>(parts.header, functions.size());
    Put<uint64_t>(parts.header, files.size());
    if (!old()) Put<uint64_t>(parts.header, text_in_header ? text : 0);
    return parts;
  }

  void AddRecord(const TestGoFunction& function, Parts& parts) const {
    const uint64_t tree = parts.trees.size();
    const auto name_at = AddName(function.name, parts);
    for (const TestGoCall& call : function.calls) {
      const uint32_t name = AddName(call.name, parts);
      if (magic == 0xfffffff1) {
        Put<uint32_t>(parts.trees, 0);
      } else {
        Put<uint16_t>(parts.trees, 0xffff);  // no parent
        Put<uint16_t>(parts.trees, 0);
        Put<uint32_t>(parts.trees, 0);  // file and line of the call
        Put<uint32_t>(parts.trees, 77);
      }
      Put<uint32_t>(parts.trees, name);
      Put<uint32_t>(parts.trees, call.caller_code);
      if (magic == 0xfffffff1) Put<int32_t>(parts.trees, call.start_line);
    }
    if (old()) {
      Put<uint64_t>(parts.records, text + function.code);
    } else {
      Put<uint32_t>(parts.records, function.code);
    }
    Put<uint32_t>(parts.records, name_at);
    for (int i = 0; i < 2; ++i) Put<uint32_t>(parts.records, 0);
    for (const TestGoValues* values : {&function.depths, &function.files, &function.lines}) {
      Put<uint32_t>(parts.records, AddValues(*values, parts));
    }
    Put<uint32_t>(parts.records, 3);
    Put<uint32_t>(parts.records, 0);  // its unit is the first one
    if (magic == 0xfffffff1) Put<int32_t>(parts.records, function.start_line);
    Put<uint32_t>(parts.records, uint32_t{function.flags} << 8 | 4u << 24);
    for (int i = 0; i < 2; ++i) Put<uint32_t>(parts.records, 0);
    Put<uint32_t>(parts.records, AddValues(function.inlined, parts));
    if (old()) {
      parts.records.resize((parts.records.size() + 7) / 8 * 8);
      for (int i = 0; i < 3; ++i) Put<uint64_t>(parts.records, 0);
      Put<uint64_t>(parts.records, function.calls.empty() ? 0 : trees_address + tree);
    } else {
      for (int i = 0; i < 3; ++i) Put<uint32_t>(parts.records, ~uint32_t{0});
      Put<uint32_t>(parts.records, function.calls.empty() ? ~uint32_t{0} : static_cast<uint32_t>(tree));
    }
  }

  static uint32_t AddName(const std::string& name, Parts& parts) {
    const auto at = static_cast<uint32_t>(parts.names.size());
    parts.names += name + '\0';
    return at;
  }
  static uint32_t AddValues(const TestGoValues& values, Parts& parts) {
    if (values.empty()) return 0;
    const auto at = static_cast<uint32_t>(parts.values.size());
    int32_t previous = -1;
    for (const auto& [value, units] : values) {
      const int32_t change = value - previous;
      PutNumber(parts.values, static_cast<uint32_t>(change) << 1 ^ static_cast<uint32_t>(change >> 31));
      PutNumber(parts.values, units);
      previous = value;
    }
    parts.values += '\0';
    return at;
  }
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
