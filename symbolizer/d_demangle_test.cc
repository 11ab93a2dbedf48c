// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/d_demangle.h"

#include <gtest/gtest.h>

#include "symbolizer/demangle.h"

namespace kiln::symbolizer {
namespace {

// Each expectation is what c++filt -s dlang says.
TEST(DDemangleTest, PrintsDeclarations) {
  const struct {
    std::string_view mangled;
    std::string_view demangled;
  } kCases[] = {
      {"_Dmain", "D main"},
      {"_D8demangle4testFaZv", "demangle.test(char)"},
      {"_D8demangle4testFZv", "demangle.test()"},
      {"_D8demangle4testi", "demangle.test"},
      {"_D8demangle4testFAbZv", "demangle.test(bool[])"},
      {"_D8demangle4testFG42aZv", "demangle.test(char[42])"},
      {"_D8demangle4testFHaaZv", "demangle.test(char[char])"},
      {"_D8demangle4testFPaZv", "demangle.test(char*)"},
      {"_D8demangle4testFxAaZv", "demangle.test(const(char[]))"},
      {"_D8demangle4testFOxaZv", "demangle.test(shared(const(char)))"},
      {"_D8demangle4testFNgAaZv", "demangle.test(inout(char[]))"},
      {"_D8demangle4testFNhG4fZv", "demangle.test(__vector(float[4]))"},
      {"_D8demangle4testFPFNaNbNiNfZaZv", "demangle.test(char() pure nothrow @nogc @safe function)"},
      {"_D8demangle4testFPUaZaZv", "demangle.test(extern(C) char(char) function)"},
      {"_D8demangle4testFDFZaZv", "demangle.test(char() delegate)"},
      {"_D8demangle4testFDxFZaZv", "demangle.test(char() delegate const)"},
      {"_D8demangle4testFKaJbLcXv", "demangle.test(ref char, out bool, lazy creal...)"},
      {"_D8demangle4testFaYv", "demangle.test(char, ...)"},
      {"_D8demangle4testFYv", "demangle.test(...)"},
      {"_D8demangle4testFS8demangle1SE8demangle1EZv", "demangle.test(demangle.S, demangle.E)"},
      {"_D8demangle4testFB2aiZv", "demangle.test(Tuple!(char, int))"},
      {"_D8demangle4test6__ctorMFZC8demangle4test", "demangle.test.this()"},
      {"_D8demangle4test6__dtorMFZv", "demangle.test.~this()"},
      {"_D8demangle4test6__initZ", "initializer for demangle.test"},
      {"_D8demangle4test6__vtblZ", "vtable for demangle.test"},
      {"_D8demangle4test7__ClassZ", "ClassInfo for demangle.test"},
      {"_D8demangle4test10__postblitMFZv", "demangle.test.this(this)"},
      {"_D8demangle4test3fooMxFZv", "demangle.test.foo() const"},
      {"_D8demangle4testFaZ3fooFbZv", "demangle.test(char).foo(bool)"},
      {"_D8demangle11__T4testTaZ4testFaZv", "demangle.test!(char).test(char)"},
      {"_D8demangle__T4testTaZQiFaZv", "demangle.test!(char).test(char)"},
      {"_D8demangle13__T4testVii5Z4testFZv", "demangle.test!(5).test()"},
      {"_D8demangle__T4testVk5VlN6Vb1Va97Z4testFZv", "demangle.test!(5u, -6L, true, 'a').test()"},
      {"_D8demangle__T4testVde0A8P6Z4testFZv", "demangle.test!(0x0.A8p6).test()"},
      {"_D8demangle__T4testVAyaa3_616263Z4testFZv", "demangle.test!(\"abc\").test()"},
      {"_D8demangle__T4testVAiA3i1i2i3Z4testFZv", "demangle.test!([1, 2, 3]).test()"},
      {"_D8demangle__T4testVHiiA1i1i2Z4testFZv", "demangle.test!([1:2]).test()"},
      {"_D8demangle__T4testVS8demangle1SS2i1i2Z4testFZv", "demangle.test!(demangle.S(1, 2)).test()"},
      {"_D8demangle__T4testS8demangle1SZ4testFZv", "demangle.test!(demangle.S).test()"},
      {"_D3std3xml__T4starS_DQtQr9checkMiscFNaNfKAyaZvZQBiQp",
       "std.xml.star!(std.xml.checkMisc(ref immutable(char)[])).star"},
      {"_D3std5stdio__T7writelnTAyaZQnFNfQjZv", "std.stdio.writeln!(immutable(char)[]).writeln(immutable(char)[])"},
  };
  for (const auto& c : kCases) {
    EXPECT_EQ(DDemangle(c.mangled).value_or("nothing"), c.demangled) << c.mangled;
    EXPECT_EQ(Demangle(c.mangled), c.demangled);
  }
}

TEST(DDemangleTest, LeavesOtherNamesAlone) {
  for (const std::string_view name :
       {"", "_D", "_DYNAMIC", "_D8", "_D8demangle", "_D99demangle4testFaZv", "_D8demangle4testFaZ",
        "_D8demangle4testFaZvv", "_D8demangle4testFQaZv", "_D8demangle4testFQzzzzZv", "_D0", "_D8demangle4testF?Zv",
        "_D8demangle__T4test", "_D8demangle4testFNzZv"}) {
    EXPECT_EQ(DDemangle(name), std::nullopt) << name;
    EXPECT_EQ(Demangle(name), name);
  }
}

TEST(DDemangleTest, LimitsDepthStepsAndOutput) {
  EXPECT_EQ(DDemangle("_D1aF" + std::string(120, 'P') + "aZv")->size(), 2 + 4 + 120 + 1u);
  EXPECT_EQ(DDemangle("_D1aF" + std::string(1000, 'P') + "aZv"), std::nullopt) << "depth";
  // Each parameter is a type that names the one before twice.
  std::string bomb = "_D1aFHaa";
  size_t last = 5;
  for (int i = 0; i < 40; ++i) {
    const size_t here = bomb.size();
    const auto back = [&](size_t from) {
      const size_t distance = from - last;
      return "Q" + (distance >= 26 ? std::string(1, static_cast<char>('A' + distance / 26)) : "") +
             std::string(1, static_cast<char>('a' + distance % 26));
    };
    bomb += "H" + back(here + 1);
    bomb += back(bomb.size());
    last = here;
  }
  EXPECT_EQ(DDemangle(bomb + "Zv"), std::nullopt) << "2^40 types";
  EXPECT_EQ(DDemangle("_D" + std::to_string(kMaxMangledBytes) + std::string(kMaxMangledBytes, 'a') + "i"),
            std::nullopt);
  // A reference to itself.
  EXPECT_EQ(DDemangle("_D1aFPQbZv"), std::nullopt);
}

}  // namespace
}  // namespace kiln::symbolizer
