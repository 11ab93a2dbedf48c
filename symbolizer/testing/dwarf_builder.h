// SPDX-License-Identifier: Apache-2.0
// Makes debug information for tests, section by section. It writes what it is told, right or wrong; only lengths of
// units and of line programs are filled in at the end, unless a test sets them itself.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/byte_reader.h"
#include "symbolizer/dwarf/constants.h"
#include "symbolizer/dwarf/sections.h"
#include "symbolizer/testing/elf_builder.h"

namespace kiln::symbolizer::testing {

inline constexpr uint16_t kTagCompileUnit = 0x11;
inline constexpr uint16_t kTagLexicalBlock = 0x0b;

class ByteWriter {
 public:
  ByteWriter& Number(uint64_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) bytes_ += static_cast<char>(value >> (8 * i));
    return *this;
  }
  ByteWriter& U8(uint64_t value) { return Number(value, 1); }
  ByteWriter& U16(uint64_t value) { return Number(value, 2); }
  ByteWriter& U32(uint64_t value) { return Number(value, 4); }
  ByteWriter& U64(uint64_t value) { return Number(value, 8); }
  ByteWriter& Uleb(uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_ += static_cast<char>(value | 0x80);
    return U8(value);
  }
  ByteWriter& Sleb(int64_t value) {
    for (; value < -64 || value > 63; value >>= 7) bytes_ += static_cast<char>(value | 0x80);
    return U8(static_cast<uint64_t>(value) & 0x7f);
  }
  // Ends the children of an entry.
  ByteWriter& EndChildren() { return U8(0); }
  // With its NUL.
  ByteWriter& Text(std::string_view text) {
    bytes_.append(text) += '\0';
    return *this;
  }
  ByteWriter& Raw(std::string_view bytes) {
    bytes_.append(bytes);
    return *this;
  }
  void Set32(uint64_t at, uint64_t value) { bytes_.replace(at, 4, ByteWriter().U32(value).bytes()); }
  uint64_t size() const { return bytes_.size(); }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

// One table of .debug_abbrev.
class AbbreviationBuilder {
 public:
  using Attributes = std::vector<std::pair<uint16_t, uint16_t>>;  // name and form
  // Returns the code.
  uint64_t Add(uint16_t tag, bool has_children, const Attributes& attributes) {
    writer_.Uleb(++last_).Uleb(tag).U8(has_children ? 1 : 0);
    for (const auto& [name, form] : attributes) writer_.Uleb(name).Uleb(form);
    writer_.U16(0);
    return last_;
  }
  std::string bytes() const { return writer_.bytes() + '\0'; }

 private:
  ByteWriter writer_;
  uint64_t last_ = 0;
};

// .debug_info. After Entry come the values of the attributes, in the order of the abbreviation.
class InfoBuilder : public ByteWriter {
 public:
  struct Unit {
    uint16_t version = 5;
    uint8_t type = dwarf::kUnitCompile;
    uint8_t address_size = 8;
    uint32_t abbreviations = 0;
    uint64_t dwo_id = 0;
  };
  // Returns the offset of the unit.
  uint64_t BeginUnit(const Unit& unit) {
    unit_ = size();
    U32(0).U16(unit.version);
    if (unit.version < 5) {
      U32(unit.abbreviations).U8(unit.address_size);
    } else {
      U8(unit.type).U8(unit.address_size).U32(unit.abbreviations);
      if (unit.type == dwarf::kUnitSkeleton || unit.type == dwarf::kUnitSplitCompile) U64(unit.dwo_id);
    }
    return unit_;
  }
  void EndUnit() { Set32(unit_, size() - unit_ - 4); }
  // Returns the offset of the entry.
  uint64_t Entry(uint64_t code) {
    const uint64_t at = size();
    Uleb(code);
    return at;
  }

 private:
  uint64_t unit_ = 0;
};

// One program of .debug_line, with opcodes 1 to 12, line_base -5 and line_range 14, as GCC and LLVM have them.
class LineBuilder : public ByteWriter {
 public:
  struct File {
    std::string name;
    uint64_t directory;
  };
  struct Header {
    uint16_t version = 5;
    uint8_t min_instruction = 1;
    uint8_t line_range = 14;
    uint8_t opcode_base = 13;
    // As the version counts them: from DWARF 5 on the first ones are those of the unit.
    std::vector<std::string> directories = {};
    std::vector<File> files = {};
  };
  explicit LineBuilder(const Header& header) {
    U32(0).U16(header.version);
    if (header.version >= 5) U8(8).U8(0);
    const uint64_t length_at = size();
    U32(0).U8(header.min_instruction);
    if (header.version >= 4) U8(1);
    U8(1).U8(static_cast<uint64_t>(-5)).U8(header.line_range).U8(header.opcode_base);
    constexpr uint8_t kOperands[] = {0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1};
    // Later ones are of opcodes that nobody knows, with one operand.
    for (size_t i = 0; i + 1 < header.opcode_base; ++i) U8(i < std::size(kOperands) ? kOperands[i] : 1);
    if (header.version >= 5) {
      U8(1).Uleb(dwarf::kLnctPath).Uleb(dwarf::kFormString).Uleb(header.directories.size());
      for (const std::string& directory : header.directories) Text(directory);
      U8(2).Uleb(dwarf::kLnctPath).Uleb(dwarf::kFormString).Uleb(dwarf::kLnctDirectoryIndex).Uleb(dwarf::kFormUdata);
      Uleb(header.files.size());
      for (const File& file : header.files) Text(file.name).Uleb(file.directory);
    } else {
      for (const std::string& directory : header.directories) Text(directory);
      U8(0);
      for (const File& file : header.files) Text(file.name).Uleb(file.directory).Uleb(0).Uleb(0);
      U8(0);
    }
    Set32(length_at, size() - length_at - 4);
  }

  LineBuilder& Op(uint8_t opcode) { return U8(opcode), *this; }
  LineBuilder& Extended(uint8_t opcode, std::string_view operands) {
    U8(0).Uleb(operands.size() + 1).U8(opcode).Raw(operands);
    return *this;
  }
  LineBuilder& Address(uint64_t address) { return Extended(dwarf::kLneSetAddress, ByteWriter().U64(address).bytes()); }
  LineBuilder& Advance(uint64_t bytes) { return Op(dwarf::kLnsAdvancePc).Uleb(bytes), *this; }
  LineBuilder& AdvanceLine(int64_t lines) { return Op(dwarf::kLnsAdvanceLine).Sleb(lines), *this; }
  LineBuilder& SetFile(uint64_t file) { return Op(dwarf::kLnsSetFile).Uleb(file), *this; }
  LineBuilder& Column(uint64_t column) { return Op(dwarf::kLnsSetColumn).Uleb(column), *this; }
  LineBuilder& Row() { return Op(dwarf::kLnsCopy); }
  LineBuilder& End() { return Extended(dwarf::kLneEndSequence, ""); }
  std::string Build() const {
    ByteWriter whole = *this;
    whole.Set32(0, size() - 4);
    return whole.bytes();
  }
};

struct DebugSections {
  std::string info, abbrev, line, str, line_str, str_offsets, addr, ranges, rnglists, cu_index;

  // Refers to the texts here.
  dwarf::Sections View() const {
    return {.info = AsBytes(info),
            .abbrev = AsBytes(abbrev),
            .line = AsBytes(line),
            .str = AsBytes(str),
            .line_str = AsBytes(line_str),
            .str_offsets = AsBytes(str_offsets),
            .addr = AsBytes(addr),
            .ranges = AsBytes(ranges),
            .rnglists = AsBytes(rnglists),
            .cu_index = AsBytes(cu_index)};
  }
  // `suffix` is ".dwo" for split units.
  void AddTo(ElfBuilder& elf, std::string_view suffix = "") const {
    const auto add = [&](std::string_view name, const std::string& bytes) {
      if (!bytes.empty()) elf.Add({.name = ".debug_" + std::string(name) + std::string(suffix), .bytes = bytes});
    };
    add("info", info);
    add("abbrev", abbrev);
    add("line", line);
    add("str", str);
    add("line_str", line_str);
    add("str_offsets", str_offsets);
    add("addr", addr);
    add("ranges", ranges);
    add("rnglists", rnglists);
    if (!cu_index.empty()) elf.Add({.name = ".debug_cu_index", .bytes = cu_index});
  }
};

}  // namespace kiln::symbolizer::testing
