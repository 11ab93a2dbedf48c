// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/unwind/cfi_section.h"

#include <string_view>

namespace kiln::symbolizer {
namespace {

constexpr uint32_t kWideLength = 0xffffffff;  // a 64-bit length follows

// What the augmentation string says, with its data. False if what follows in the CIE or in its FDEs can't be found.
bool ReadAugmentation(std::string_view letters, ByteReader& reader, const PointerBases& bases, Cie& cie) {
  if (letters.empty()) return true;
  if (letters[0] != 'z') {
    // Without a length only letters without data can be read over.
    for (const char letter : letters) {
      if (letter != 'S' && letter != 'B' && letter != 'G') return false;
      if (letter == 'S') cie.signal_frame = true;
    }
    return true;
  }
  uint64_t length = 0;
  if (!ReadUleb128(reader, length)) return false;
  PointerBases data_bases = bases;
  data_bases.pc += reader.position();
  const auto data = reader.Bytes(length);
  if (!data) return false;
  cie.has_augmentation_length = true;
  ByteReader in(*data);
  for (const char letter : letters.substr(1)) {
    uint8_t encoding = 0;
    uint64_t pointer = 0;
    switch (letter) {
      case 'R':
        if (!in.Read(cie.pointer_encoding)) return false;
        break;
      case 'P':  // personality routine: usually indirect, so read over it by its format
        if (!in.Read(encoding) || encoding == kPointerAligned) return false;
        if (encoding != kPointerOmitted && !ReadPointerValue(in, encoding, pointer)) return false;
        break;
      case 'L':
        if (!in.Read(encoding)) return false;
        break;
      case 'S': cie.signal_frame = true; break;
      case 'B':  // return addresses are signed with key B
      case 'G':  // memory tagging
        break;
      default: return true;  // unknown: its data may be anything, but the length leads behind it
    }
  }
  return true;
}

}  // namespace

std::optional<CfiEntry> CfiSection::EntryAt(uint64_t offset) const {
  if (offset > bytes_.size()) return std::nullopt;
  ByteReader reader(bytes().subspan(offset));
  uint32_t short_length = 0;
  if (!reader.Read(short_length) || short_length == 0) return std::nullopt;
  uint64_t length = short_length;
  CfiEntry entry{.offset = offset, .end = 0, .is_cie = false, .wide = short_length == kWideLength, .cie_offset = 0};
  if (entry.wide && !reader.Read(length)) return std::nullopt;
  if (length > reader.remaining()) return std::nullopt;
  const uint64_t id_offset = offset + reader.position();
  entry.end = id_offset + length;

  uint64_t id = 0;
  uint32_t short_id = 0;
  const uint64_t id_bytes = entry.wide ? 8 : 4;
  if (length < id_bytes) return std::nullopt;
  if (!(entry.wide ? reader.Read(id) : reader.Read(short_id))) return std::nullopt;
  if (!entry.wide) id = short_id;
  entry.body = id_offset + id_bytes;
  if (kind_ == Kind::kEhFrame) {
    entry.is_cie = id == 0;
    entry.cie_offset = id_offset - id;  // beyond the section if it underflows, which EntryAt refuses
  } else {
    entry.is_cie = id == (entry.wide ? ~uint64_t{0} : 0xffffffff);
    entry.cie_offset = id;
  }
  return entry;
}

bool CfiSection::EndsAt(uint64_t offset) const {
  if (offset >= bytes_.size()) return offset == bytes_.size();
  ByteReader reader(bytes().subspan(offset));
  uint32_t length = 0;
  return reader.Read(length) && length == 0;
}

std::optional<Cie> CfiSection::ReadCie(const CfiEntry& entry, UnwindCounts& counts) const {
  const auto refuse = [&](UnwindIssue issue) {
    counts.Count(issue);
    return std::nullopt;
  };
  ByteReader reader = Reader(entry.body, entry.end);
  Cie cie;
  uint8_t version = 0;
  if (!reader.Read(version)) return refuse(UnwindIssue::kCieDamaged);
  if (version != 1 && version != 3 && version != 4) return refuse(UnwindIssue::kCieVersion);
  const std::optional<std::string_view> found_letters = reader.CString();
  if (!found_letters) return refuse(UnwindIssue::kCieDamaged);
  std::string_view letters = *found_letters;
  if (letters.starts_with("eh")) {  // GCC 2: a pointer to its own exception table
    if (!reader.Skip(8)) return refuse(UnwindIssue::kCieDamaged);
    letters.remove_prefix(2);
  }
  if (version == 4) {
    uint8_t address_size = 0;
    uint8_t segment_size = 0;
    if (!reader.Read(address_size) || !reader.Read(segment_size)) return refuse(UnwindIssue::kCieDamaged);
    if (address_size != 8 || segment_size != 0) return refuse(UnwindIssue::kCieAddressSize);
  }
  if (!ReadUleb128(reader, cie.code_alignment) || !ReadSleb128(reader, cie.data_alignment)) {
    return refuse(UnwindIssue::kCieDamaged);
  }
  uint8_t short_column = 0;
  if (version == 1 ? !reader.Read(short_column) : !ReadUleb128(reader, cie.return_column)) {
    return refuse(UnwindIssue::kCieDamaged);
  }
  if (version == 1) cie.return_column = short_column;
  if (!ReadAugmentation(letters, reader, BasesAt(entry.body), cie)) return refuse(UnwindIssue::kCieAugmentation);
  cie.instructions = *reader.Bytes(reader.remaining());
  return cie;
}

std::optional<Fde> CfiSection::ReadFde(const CfiEntry& entry, const Cie& cie, UnwindCounts& counts) const {
  const auto refuse = [&](UnwindIssue issue) {
    counts.Count(issue);
    return std::nullopt;
  };
  ByteReader reader = Reader(entry.body, entry.end);
  Fde fde{.cie_offset = entry.cie_offset};
  if (!ReadPointer(reader, cie.pointer_encoding, BasesAt(entry.body), fde.begin) ||
      !ReadPointerValue(reader, cie.pointer_encoding, fde.size)) {
    return refuse(UnwindIssue::kPointerEncoding);
  }
  if (cie.has_augmentation_length) {
    uint64_t length = 0;
    if (!ReadUleb128(reader, length) || !reader.Skip(length)) return refuse(UnwindIssue::kEntryCut);
  }
  if (fde.begin == 0) return refuse(UnwindIssue::kDiscardedFde);
  if (fde.size == 0) return refuse(UnwindIssue::kEmptyFde);
  if (fde.begin + fde.size < fde.begin) return refuse(UnwindIssue::kFdeOverflow);
  fde.instructions = *reader.Bytes(reader.remaining());
  return fde;
}

}  // namespace kiln::symbolizer
