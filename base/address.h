// SPDX-License-Identifier: Apache-2.0
// The kinds of code address, as types that do not mix.
//
//   ProcessAddress  where an instruction lies in one process, after relocation (ASLR); the kernel's addresses too
//   ElfAddress      the file's own virtual address (p_vaddr space); what symbols and DWARF speak of, and what leaves
//   kiln FileOffset      bytes from the start of the file; what /proc/PID/maps and PT_LOAD speak of
//
// process -> offset: a mapping; offset -> ELF: a PT_LOAD segment (symbolizer/elf_file.h). There is no way around that
// chain, so there is no conversion here.
//
// A frame that was reached by a return address points *behind* its call: the call may be the last instruction of a
// function, or of a line. CodeAddress keeps the difference until the one place that looks names up, which asks for
// ForLookup(): one byte back for return addresses, unchanged for the leaf and for the frame that a signal interrupted.
#pragma once

#include <compare>
#include <cstdint>
#include <utility>

namespace kiln {

template <class Tag>
class Address {
 public:
  constexpr Address() = default;
  constexpr explicit Address(uint64_t value) : value_(value) {}
  constexpr uint64_t value() const { return value_; }
  friend constexpr auto operator<=>(const Address&, const Address&) = default;
  template <typename H>
  friend H AbslHashValue(H hash, const Address& address) {
    return H::combine(std::move(hash), address.value_);
  }

 private:
  uint64_t value_ = 0;
};

using ProcessAddress = Address<struct ProcessAddressTag>;
using ElfAddress = Address<struct ElfAddressTag>;
using FileOffset = Address<struct FileOffsetTag>;

enum class AddressRole : uint8_t {
  kInstruction,    // the interrupted instruction itself: the leaf, or the frame above a signal frame
  kReturnAddress,  // behind the call that is under way
};

template <class AddressType>
struct CodeAddress {
  AddressType address;
  AddressRole role = AddressRole::kInstruction;

  // The address that lies inside the instruction under way.
  constexpr AddressType ForLookup() const {
    const bool step_back = role == AddressRole::kReturnAddress && address.value() != 0;
    return AddressType(address.value() - (step_back ? 1 : 0));
  }
  friend constexpr auto operator<=>(const CodeAddress&, const CodeAddress&) = default;
};

}  // namespace kiln
