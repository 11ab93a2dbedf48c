// SPDX-License-Identifier: Apache-2.0
#include "base/address.h"

#include <gtest/gtest.h>

#include <type_traits>

namespace kiln {
namespace {

static_assert(!std::is_convertible_v<ProcessAddress, ElfAddress>);
static_assert(!std::is_constructible_v<ElfAddress, FileOffset>);
static_assert(!std::is_convertible_v<uint64_t, ElfAddress>);

TEST(CodeAddress, LooksUpReturnAddressesInsideTheCall) {
  EXPECT_EQ((CodeAddress<ElfAddress>{ElfAddress(0x1000), AddressRole::kReturnAddress}.ForLookup()), ElfAddress(0xfff));
  EXPECT_EQ((CodeAddress<ElfAddress>{ElfAddress(0x1000), AddressRole::kInstruction}.ForLookup()), ElfAddress(0x1000));
}

TEST(CodeAddress, NeverWrapsBelowZero) {
  EXPECT_EQ((CodeAddress<ElfAddress>{ElfAddress(0), AddressRole::kReturnAddress}.ForLookup()), ElfAddress(0));
}

}  // namespace
}  // namespace kiln
