// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/dwarf/line_program.h"

#include <algorithm>
#include <filesystem>

#include "symbolizer/dwarf/constants.h"

namespace kiln::symbolizer::dwarf {
namespace {

constexpr size_t kMaxFiles = 1 << 20;
constexpr size_t kMaxPathBytes = 4096;

std::string Join(std::string_view folder, std::string_view name) {
  if (folder.empty() || name.starts_with('/')) return std::string(name);
  std::string path(folder);
  if (!path.ends_with('/')) path += '/';
  return path.append(name);
}

}  // namespace

LineTable LineTable::Read(const UnitView& unit, uint64_t offset, std::string_view comp_dir,
                          std::string_view unit_name) {
  LineTable table;
  table.comp_dir_ = comp_dir;
  table.unit_name_ = unit_name;
  Cursor cursor(unit.sections->line, offset);
  if (!table.ReadHeader(unit, cursor)) {
    table.damaged_ = true;
    return table;
  }
  table.Run(cursor);
  return table;
}

bool LineTable::ReadHeader(const UnitView& unit, Cursor& cursor) {
  encoding_ = unit.header.encoding;
  uint64_t length = cursor.U32();
  encoding_.is_64 = length == 0xffffffff;
  if (encoding_.is_64) length = cursor.U64();
  if (cursor.failed() || length > cursor.remaining()) return false;
  end_ = cursor.position() + length;
  encoding_.version = cursor.U16();
  if (encoding_.version < 2 || encoding_.version > 5) return false;
  if (encoding_.version >= 5) {
    encoding_.address_size = cursor.U8();
    cursor.U8();  // segment selectors
  }
  const uint64_t header_length = cursor.Offset(encoding_.is_64);
  if (cursor.failed() || header_length > cursor.remaining()) return false;
  const uint64_t program = cursor.position() + header_length;
  min_instruction_ = cursor.U8();
  if (encoding_.version >= 4) cursor.U8();  // operations per instruction: 1 but for VLIW machines
  cursor.U8();                              // default_is_stmt
  line_base_ = static_cast<int8_t>(cursor.U8());
  line_range_ = cursor.U8();
  opcode_base_ = cursor.U8();
  if (line_range_ == 0 || opcode_base_ == 0) return false;
  for (int i = 1; i < opcode_base_; ++i) operands_.push_back(cursor.U8());
  if (encoding_.version >= 5) {
    ReadEntries(unit, cursor, true);
    ReadEntries(unit, cursor, false);
  } else {
    ReadOldFiles(cursor);
  }
  // Files that can't be read don't make the lines worthless.
  Cursor rest(unit.sections->line.first(end_), program);
  damaged_ = cursor.failed();
  cursor = rest;
  return !cursor.failed();
}

void LineTable::ReadOldFiles(Cursor& cursor) {
  directories_.push_back(comp_dir_);
  for (std::string_view text = cursor.String(); !text.empty(); text = cursor.String()) {
    if (directories_.size() >= kMaxFiles) return cursor.Fail();
    directories_.push_back(text);
  }
  files_.push_back({.name = unit_name_, .directory = 0});
  for (std::string_view text = cursor.String(); !text.empty(); text = cursor.String()) {
    if (files_.size() >= kMaxFiles) return cursor.Fail();
    files_.push_back({.name = text, .directory = cursor.Uleb()});
    cursor.SkipLeb();  // time
    cursor.SkipLeb();  // size
  }
}

void LineTable::ReadEntries(const UnitView& unit, Cursor& cursor, bool directories) {
  UnitView view = unit;
  view.header.encoding = encoding_;
  std::vector<AttributeForm> formats;
  for (int left = cursor.U8(); left > 0; --left) {
    const auto content = static_cast<uint16_t>(cursor.Uleb());
    formats.push_back({.name = content, .form = static_cast<uint16_t>(cursor.Uleb()), .implicit = 0});
  }
  const uint64_t count = cursor.Uleb();
  if (formats.empty() && count != 0) return cursor.Fail();
  for (uint64_t i = 0; i < count && !cursor.failed(); ++i) {
    if (i >= kMaxFiles) return cursor.Fail();
    const uint64_t before = cursor.position();
    FileEntry entry{.name = {}, .directory = 0};
    for (const AttributeForm& format : formats) {
      const Value value = ReadValue(cursor, format, view);
      if (format.name == kLnctPath) entry.name = value.text;
      if (format.name == kLnctDirectoryIndex) entry.directory = value.number;
    }
    // Entries of no bytes could be a million for nothing.
    if (cursor.failed() || cursor.position() == before) return cursor.Fail();
    if (directories) {
      directories_.push_back(entry.name);
    } else {
      files_.push_back(entry);
    }
  }
}

void LineTable::Run(Cursor& cursor) {
  struct {
    uint64_t address = 0;
    uint64_t file = 1, line = 1, column = 0;
  } state;
  const decltype(state) initial;
  size_t sequence = 0;  // its first row
  const auto small = [](uint64_t value) { return value <= UINT32_MAX ? static_cast<uint32_t>(value) : 0; };
  const auto emit = [&](bool ends) {
    rows_.push_back({.address = state.address,
                     .file = small(state.file),
                     .line = small(state.line),
                     .column = static_cast<uint16_t>(state.column <= UINT16_MAX ? state.column : 0),
                     .ends_sequence = ends});
  };
  const auto advance = [&](uint64_t operations) { state.address += operations * min_instruction_; };
  while (!cursor.AtEnd()) {
    if (cursor.failed() || rows_.size() >= kMaxLineRows) break;
    const uint8_t opcode = cursor.U8();
    if (opcode >= opcode_base_) {
      const uint8_t adjusted = opcode - opcode_base_;
      advance(adjusted / line_range_);
      state.line += static_cast<uint64_t>(int64_t{line_base_} + adjusted % line_range_);
      emit(false);
      continue;
    }
    switch (opcode) {
      case kLnsExtended: {
        const uint64_t length = cursor.Uleb();
        if (length == 0 || length > cursor.remaining()) {
          cursor.Fail();
          break;
        }
        const uint64_t next = cursor.position() + length;
        switch (cursor.U8()) {
          case kLneEndSequence:
            emit(true);
            EndSequence(sequence);
            sequence = rows_.size();
            state = initial;
            break;
          case kLneSetAddress: state.address = cursor.Unsigned(static_cast<uint8_t>(length - 1)); break;
          case kLneDefineFile:
            if (files_.size() < kMaxFiles) {
              const std::string_view name = cursor.String();
              files_.push_back({.name = name, .directory = cursor.Uleb()});
            }
            break;
          default: break;
        }
        if (!cursor.failed()) cursor.Seek(next);
        break;
      }
      case kLnsCopy: emit(false); break;
      case kLnsAdvancePc: advance(cursor.Uleb()); break;
      case kLnsAdvanceLine: state.line += static_cast<uint64_t>(cursor.Sleb()); break;
      case kLnsSetFile: state.file = cursor.Uleb(); break;
      case kLnsSetColumn: state.column = cursor.Uleb(); break;
      case kLnsConstAddPc: advance((255 - opcode_base_) / line_range_); break;
      case kLnsFixedAdvancePc: state.address += cursor.U16(); break;
      default:
        for (int i = operands_[opcode - 1]; i > 0; --i) cursor.SkipLeb();
        break;
    }
  }
  // A sequence without an end would reach on for ever.
  damaged_ = damaged_ || cursor.failed() || rows_.size() > sequence;
  rows_.resize(sequence);
}

void LineTable::EndSequence(size_t first) {
  const auto begin = rows_.begin() + static_cast<ptrdiff_t>(first);
  if (std::is_sorted(begin, rows_.end(), [](const auto& a, const auto& b) { return a.address < b.address; })) return;
  const uint64_t end = rows_.back().address;
  std::stable_sort(begin, rows_.end() - 1, [](const auto& a, const auto& b) { return a.address < b.address; });
  // Rows beyond the end would turn the sequence around.
  rows_.erase(std::remove_if(begin, rows_.end() - 1, [&](const LineRow& row) { return row.address > end; }),
              rows_.end() - 1);
}

std::string LineTable::File(uint64_t number) const {
  if (number >= files_.size()) return {};
  const FileEntry& file = files_[number];
  if (file.name.empty() || file.name.size() > kMaxPathBytes) return {};
  if (file.name.starts_with('/')) return std::string(file.name);
  const std::string_view folder = file.directory < directories_.size() ? directories_[file.directory] : "";
  if (folder.size() > kMaxPathBytes || comp_dir_.size() > kMaxPathBytes) return std::string(file.name);
  // "build/../src/x.cc" is what a build in a folder of its own gives.
  return std::filesystem::path(Join(Join(comp_dir_, folder), file.name)).lexically_normal();
}

}  // namespace kiln::symbolizer::dwarf
