// SPDX-License-Identifier: Apache-2.0
// Makes call frame information for tests: sections of CIEs and FDEs, .eh_frame_hdr. What a test wants to be odd is a
// member, or bytes of its own.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

namespace kiln::symbolizer::testing {

// Little-endian bytes of a number.
template <typename T>
std::string Le(T value) {
  std::string bytes(sizeof(T), '\0');
  std::memcpy(bytes.data(), &value, sizeof(T));
  return bytes;
}
inline std::string Bytes(std::initializer_list<int> values) {
  std::string bytes;
  for (const int value : values) bytes += static_cast<char>(value);
  return bytes;
}
inline std::string Uleb(uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes += static_cast<char>(value | 0x80);
  return bytes + static_cast<char>(value);
}
inline std::string Sleb(int64_t value) {
  std::string bytes;
  for (; value < -64 || value > 63; value >>= 7) bytes += static_cast<char>(value | 0x80);
  return bytes + static_cast<char>(value & 0x7f);
}

// What x86-64 compilers begin with: CFA = RSP + 8, return address at CFA - 8.
inline const std::string kX86Initial = Bytes({0x0c, 7, 8, 0x90, 1});
// arm64: CFA = SP.
inline const std::string kArm64Initial = Bytes({0x0c, 31, 0});

struct TestCie {
  int version = 1;
  std::string augmentation = "zR";
  std::string augmentation_data = Bytes({0x1b});  // pc-relative, 4 bytes signed; only written with 'z'
  uint64_t code_alignment = 1;
  int64_t data_alignment = -8;
  uint64_t return_column = 16;
  std::string instructions = kX86Initial;
};

class CfiBuilder {
 public:
  bool eh_frame = true;
  bool wide = false;  // 64-bit DWARF

  CfiBuilder(bool is_eh_frame, uint64_t section_address) : eh_frame(is_eh_frame), address_(section_address) {}

  uint64_t address() const { return address_; }
  const std::string& bytes() const { return bytes_; }
  // For what an entry can't say.
  void AddRaw(const std::string& bytes) { bytes_ += bytes; }
  void AddEnd() { bytes_ += Le<uint32_t>(0); }

  // Offset of the CIE, for FDEs.
  uint64_t AddCie(const TestCie& cie) {
    std::string body = Bytes({cie.version}) + cie.augmentation + '\0';
    if (cie.version == 4) body += Bytes({8, 0});
    body += Uleb(cie.code_alignment) + Sleb(cie.data_alignment);
    body += cie.version == 1 ? Bytes({static_cast<int>(cie.return_column)}) : Uleb(cie.return_column);
    if (cie.augmentation.starts_with("z")) body += Uleb(cie.augmentation_data.size()) + cie.augmentation_data;
    has_length_ = cie.augmentation.starts_with("z");
    const std::string id = wide ? Le<uint64_t>(eh_frame ? 0 : ~uint64_t{0}) : Le<uint32_t>(eh_frame ? 0 : 0xffffffff);
    return AddEntry(id, body + cie.instructions);
  }
  // An FDE of the last CIE that was added, whose pointers have the encoding of `location`'s type: 4 bytes pc-relative
  // in .eh_frame, 8 bytes absolute in .debug_frame. Returns its offset.
  uint64_t AddFde(uint64_t cie, uint64_t begin, uint64_t size, const std::string& instructions) {
    const uint64_t body = BodyOffset();
    std::string location = eh_frame
                               ? Le(static_cast<int32_t>(begin - (address_ + body))) + Le(static_cast<int32_t>(size))
                               : Le(begin) + Le(size);
    return AddFdeWith(cie, location, instructions);
  }
  // The same with addresses that are encoded already.
  uint64_t AddFdeWith(uint64_t cie, const std::string& location, const std::string& instructions) {
    const uint64_t id_offset = bytes_.size() + (wide ? 12 : 4);
    const uint64_t id = eh_frame ? id_offset - cie : cie;
    const std::string augmentation = has_length_ ? Bytes({0}) : "";
    return AddEntry(wide ? Le<uint64_t>(id) : Le<uint32_t>(static_cast<uint32_t>(id)),
                    location + augmentation + instructions);
  }
  // Offset of what follows the CIE pointer of the next entry.
  uint64_t BodyOffset() const { return bytes_.size() + (wide ? 20 : 8); }

 private:
  uint64_t AddEntry(const std::string& id, std::string body) {
    const uint64_t offset = bytes_.size();
    // Padding by DW_CFA_nop.
    while ((id.size() + body.size()) % 4 != 0) body += '\0';
    const uint64_t length = id.size() + body.size();
    bytes_ += wide ? Le<uint32_t>(0xffffffff) + Le<uint64_t>(length) : Le<uint32_t>(static_cast<uint32_t>(length));
    bytes_ += id + body;
    return offset;
  }

  uint64_t address_;
  std::string bytes_;
  bool has_length_ = false;
};

// .eh_frame_hdr at `address`; `rows` are (begin of the code, address of the FDE).
inline std::string EhFrameHeaderBytes(uint64_t address, uint64_t eh_frame,
                                      const std::vector<std::pair<uint64_t, uint64_t>>& rows) {
  std::string bytes = Bytes({1, 0x1b, 0x03, 0x3b});
  bytes += Le(static_cast<int32_t>(eh_frame - (address + 4)));
  bytes += Le(static_cast<uint32_t>(rows.size()));
  for (const auto& [begin, fde] : rows) {
    bytes += Le(static_cast<int32_t>(begin - address)) + Le(static_cast<int32_t>(fde - address));
  }
  return bytes;
}

}  // namespace kiln::symbolizer::testing
