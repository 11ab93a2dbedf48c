// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/demangle.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "symbolizer/rust_identifier.h"

namespace kiln::symbolizer {
namespace {

struct Case {
  std::string_view mangled;
  std::string_view demangled;
};

template <size_t N>
void ExpectAll(const Case (&cases)[N]) {
  for (const Case& c : cases) EXPECT_EQ(Demangle(c.mangled), c.demangled) << c.mangled;
}

TEST(DemangleTest, Cpp) {
  ExpectAll({
      {"_Z3foov", "foo()"},
      {"_ZN3foo3barEi", "foo::bar(int)"},
      {"_ZNK3foo3bar3bazEPKcRS2_OS0_", "foo::bar::baz(char const*, char const*&, foo::bar&&) const"},
      {"_ZN3FooC1Ev", "Foo::Foo()"},
      {"_ZN3FooC2Ev", "Foo::Foo()"},
      {"_ZN3FooD0Ev", "Foo::~Foo()"},
      {"_ZN3FoopLERKS_", "Foo::operator+=(Foo const&)"},
      {"_ZN3FooclEi", "Foo::operator()(int)"},
      {"_ZN3FoocvbEv", "Foo::operator bool()"},
      {"_ZlsRSoRK3Foo", "operator<<(std::ostream&, Foo const&)"},
      {"_Znwm", "operator new(unsigned long)"},
      {"_ZNSt6vectorIiSaIiEE9push_backERKi", "std::vector<int, std::allocator<int> >::push_back(int const&)"},
      {"_ZSt4sortIPiEvT_S1_", "void std::sort<int*>(int*, int*)"},
      {"_ZZ4mainENKUlvE_clEv", "main::{lambda()#1}::operator()() const"},
      {"_ZZ4mainENKUliT_E0_clIcEEDaiS_", "auto main::{lambda(int, auto:1)#2}::operator()<char>(int, char) const"},
      {"_ZN12_GLOBAL__N_13fooEv", "(anonymous namespace)::foo()"},
      {"_ZN3foo3barB5cxx11Ev", "foo::bar[abi:cxx11]()"},
      {"_ZTV3Foo", "vtable for Foo"},
      {"_ZThn16_N3Foo3barEv", "non-virtual thunk to Foo::bar()"},
      {"_ZGVZ3foovE1x", "guard variable for foo()::x"},
      {"_ZZ3foovE1x", "foo()::x"},
      {"_Z1fIJidEEvDpT_", "void f<int, double>(int, double)"},
      {"_Z1fPFivE", "f(int (*)())"},
      {"_Z1fA10_i", "f(int [10])"},
      {"_Z1fM3FooKFviE", "f(void (Foo::*)(int) const)"},
      {"_Z1fDnDsDi", "f(decltype(nullptr), char16_t, char32_t)"},
  });
}

TEST(DemangleTest, RustLegacy) {
  ExpectAll({
      {"_ZN4core3fmt5write17h0123456789abcdefE", "core::fmt::write"},
      {"_ZN71_$LT$Test$u20$$u2b$$u20$$u27$static$u20$as$u20$foo..Bar$LT$Test$GT$$GT$3bar17h0123456789abcdefE",
       "<Test + 'static as foo::Bar<Test>>::bar"},
      {"_ZN4test1a2bc17h0123456789abcdefE", "test::a::bc"},
      {"_ZN8$RF$test3foo17h0123456789abcdefE", "&test::foo"},
      {"_ZN8$BP$test4foob17h0123456789abcdefE", "*test::foob"},
      {"_ZN35Bar$LT$$u5b$u32$u3b$$u20$4$u5d$$GT$3baz17h0123456789abcdefE", "Bar<[u32; 4]>::baz"},
      {"_ZN13test$u20$test4foob17h0123456789abcdefE", "test test::foob"},
      {"_ZN3foo17h05af221e174051e9E.llvm.9D1C9369", "foo"},
      {"_ZN3foo17h05af221e174051e9E.llvm.12345", "foo"},
      {"_ZN28_$u7b$$u7b$closure$u7d$$u7d$17h05af221e174051e9E", "{{closure}}"},
      // No hash of rustc: too few different digits, too short, or not at the end.
      {"_ZN3foo17h0000000000000000E", "foo::h0000000000000000"},
      {"_ZN3foo16h5af221e174051e9E", "foo::h5af221e174051e9"},
      {"_ZN3foo17h05af221e174051e9Ev", "foo::h05af221e174051e9()"},
  });
}

TEST(DemangleTest, RustV0) {
  ExpectAll({
      {"_RNvC6_123foo3bar", "123foo::bar"},
      {"_RNvCs1234_7mycrate7example", "mycrate::example"},
      {"_RNCC4main0", "main::{closure#0}"},
      {"_RNCNCNgCs6DXkGYLi8lr_2cc5spawn00B5_", "cc::spawn::{closure#0}::{closure#0}"},
      {"_RNCINkXs25_NgCsbmNqQUJIY6D_4core5sliceINyB9_4IterhENuNgNoBb_4iter8iterator8Iterator9rpositionNCNgNpB9_"
       "6memchr7memrchrs_0E0Bb_",
       "<core::slice::Iter<u8> as "
       "core::iter::iterator::Iterator>::rposition::<core::slice::memchr::memrchr::{closure#1}>::{closure#0}"},
      {"_RINbNbCskIICzLVDPPb_5alloc5alloc8box_freeDINbNiB4_5boxed5FnBoxuEp6OutputuEL_ECs1iopQbuBiw2_3std",
       "alloc::alloc::box_free::<dyn alloc::boxed::FnBox<(), Output = ()>>"},
      {"_RNvMC0INtC8arrayvec8ArrayVechKj7b_E3new", "<arrayvec::ArrayVec<u8, 123>>::new"},
      {"_RMC0INtC8arrayvec8ArrayVechKj7b_E", "<arrayvec::ArrayVec<u8, 123>>"},
      {"_RMCs4fqI2P2rA04_13const_genericINtB0_8UnsignedKhb_E", "<const_generic::Unsigned<11>>"},
      {"_RMCs4fqI2P2rA04_13const_genericINtB0_6SignedKs98_E", "<const_generic::Signed<152>>"},
      {"_RMCs4fqI2P2rA04_13const_genericINtB0_6SignedKanb_E", "<const_generic::Signed<-11>>"},
      {"_RMCs4fqI2P2rA04_13const_genericINtB0_4BoolKb0_E", "<const_generic::Bool<false>>"},
      {"_RMCs4fqI2P2rA04_13const_genericINtB0_4CharKc76_E", "<const_generic::Char<'v'>>"},
      {"_RMCs4fqI2P2rA04_13const_genericINtB0_4CharKc27_E", "<const_generic::Char<'\\''>>"},
      {"_RMCs4fqI2P2rA04_13const_genericINtB0_3FooKo1ffffffffffffffff_E", "<const_generic::Foo<0x1ffffffffffffffff>>"},
      {"_RMC0INtC3foo3BarKRe616263_E", "<foo::Bar<\"abc\">>"},
      {"_RMC0INtC3foo3BarKAj1_j2_EE", "<foo::Bar<{[1, 2]}>>"},
      {"_RMC0INtC3foo3BarKVNvNtC4core6option4NoneUE", "<foo::Bar<{core::option::None}>>"},
      {"_RMC0INtC3foo3BarKVNtC3foo5PointS1xj1_1yj2_EE", "<foo::Bar<{foo::Point { x: 1, y: 2 }}>>"},
      {"_RMC0TRehE", "<(&str, u8)>"},
      {"_RMC0ThE", "<(u8,)>"},
      {"_RMC0QAhj4_", "<&mut [u8; 4]>"},
      {"_RMC0OSPh", "<*mut [*const u8]>"},
      {"_RMC0FUKCmEh", "<unsafe extern \"C\" fn(u32) -> u8>"},
      {"_RMC0FG_RL0_hEu", "<for<'a> fn(&'a u8)>"},
      {"_RMC0FK6Rust_XhEu", "<extern \"Rust-X\" fn(u8)>"},
      {"_RMC0DNtC3foo1ANtC3foo1BEL_", "<dyn foo::A + foo::B>"},
      {"_RNvNtCs3MG2ofusW15_3foou8gdel_5qa3bar", "foo::gödel::bar"},
      {"_RNSC3foo4vtbl", "foo::{shim:vtbl#0}"},
      {"_RNvCslJIg7ws2U9R_4bstr4utf8", "bstr::utf8"},  // a hash of almost 64 bits
      {"_RNvC3foo3bar.llvm.123", "foo::bar"},
  });
}

TEST(DemangleTest, SuffixesOfCompilersGo) {
  ExpectAll({
      {"foo.cold.12", "foo"},
      {"foo.part.0", "foo"},
      {"foo.isra.0.cold", "foo"},
      {"foo.constprop.3.isra.1", "foo"},
      {"foo.lto_priv.0", "foo"},
      {"foo.llvm.1234567", "foo"},
      {"foo.localalias.1", "foo"},
      {"_Z3foov.localalias", "foo()"},
      {"main.cold", "main.cold"},  // a function of Go, perhaps
      {"foo.localalias", "foo.localalias"},
      {"foo@V.1_2", "foo"},
      {"?foo@@YAXXZ", "?foo@@YAXXZ"},
      {"camlStdlib.@_123", "camlStdlib.@_123"},
      {"foo@@@V1", "foo@@@V1"},
      {"foo@", "foo@"},
      {"foo@scope/package", "foo@scope/package"},
      {"foo@@GLIBC_2.34", "foo"},
      {"foo@GLIBC_2.2.5", "foo"},
      {"_Z3foov.cold", "foo()"},
      {"_ZN3foo3barEv.part.0.constprop.1.cold", "foo::bar()"},
      {"_Z3foov@@V1", "foo()"},
      {"foo@plt", "foo@plt"},
      {"_Z3foov@plt", "foo()@plt"},
      {"_ZN3foo@plt", "_ZN3foo@plt"},
      {"main._omp_fn.0", "main._omp_fn.0"},
      {"_Z3foov._omp_fn.0", "foo() [clone ._omp_fn.0]"},
      {"foo.avx2", "foo.avx2"},
      {"foo.part", "foo.part"},
      {"foo.part.x", "foo.part.x"},
      {".cold", ".cold"},
      {".part.0", ".part.0"},
      {"xcold", "xcold"},
      {"@foo", "@foo"},
  });
}

TEST(DemangleTest, LeavesOtherNamesAlone) {
  for (const std::string_view name : {"",
                                      "main",
                                      "i",
                                      "Z3foov",
                                      "_",
                                      "_Z",
                                      "_ZN",
                                      "_ZN3foo",
                                      "_Z99foo",
                                      "_R",
                                      "_R0foo",
                                      "_RC0",
                                      "_RNvC3foo",
                                      "_RNvC3foo3barX",
                                      "_RB_",
                                      "_RNvB_3foo",
                                      "_RINvC3foo3barB",
                                      "_Zfoo",
                                      "_ZN3foo17h0123456789abcdef",
                                      "_GLOBAL__sub_I_main",
                                      "std::vector<int>",
                                      "\xff\xfe"}) {
    EXPECT_EQ(Demangle(name), name);
  }
}

std::string Repeat(std::string_view text, size_t count) {
  std::string result;
  for (size_t i = 0; i < count; ++i) result += text;
  return result;
}

// Names that would need gigabytes or years come back as they are; those that are only deep or long, as they come.
TEST(DemangleTest, HostileNamesStayBounded) {
  std::string doubling = "_Z1f1PI1AS0_E";
  for (const char c : std::string("123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ")) doubling += fmt::format("S_IS{}_S{}_E", c, c);
  std::string conversions = "i";
  for (int i = 0; i < 40; ++i) conversions = "L_ZcvT_I" + conversions + "EvE";
  std::string rust_doubling = "_RINvC1a1bTuuE";
  size_t before = 8;
  for (int i = 0; i < 40; ++i) {
    const std::string reference = fmt::format("B{}_", static_cast<char>('0' + before - 1));
    rust_doubling += "T" + reference + reference + "E";
  }
  const std::string kNames[] = {
      doubling,
      "_ZcvT_I" + conversions + "Ev",
      rust_doubling + "E",
      "_Z1f" + std::string(kMaxMangledBytes - 5, 'P') + "i",
      "_Z1f" + Repeat("F", 2000) + "v" + Repeat("E", 2000),
      "_ZN" + Repeat("1a", 2000) + "Ev",
      "_Z1f" + Repeat("1aI", 1300) + "i" + Repeat("E", 1300),
      "_Z1fI" + Repeat("OT_", 700) + Repeat("1aIiE", 350) + "Evv",
      "_Z1f" + Repeat("DT", 2000),
      "_Z1fIX" + Repeat("cvi", 1300) + "E",
      "_Z1fIX" + Repeat("pl", 2000) + "E",
      "_Z1f" + Repeat("Z1a", 1300),
      "_Z" + Repeat("Z1av", 1000),
      "_Z1f" + Repeat("U1a", 1300) + "i",
      "_Z1f" + Repeat("A_", 2000) + "i",
      "_Z1f" + Repeat("M1a", 1300) + "i",
      "_Z1fDv" + Repeat("1_Dv", 900) + "4_i",
      "_Z1f" + Repeat("Dp", 2000) + "i",
      "_Z999999999999999999999f",
      "_R" + Repeat("M", 4000),
      "_RNvC1a" + Repeat("Nv", 2000),
      "_RMC0" + Repeat("R", 4000) + "h",
      "_RMC0" + Repeat("T", 4000),
      "_RMC0FGzzzzzzzz_Eu",
      "_RMC0" + Repeat("FG_", 1300) + Repeat("Eu", 1300),
      "_RNvC1a99999999999999999999b",
      "_ZN" + Repeat("1a", 2000) + "17h0123456789abcdefE",
      std::string(1 << 20, '_'),
      "_Z" + std::string(1 << 20, 'N'),
      "_R" + std::string(1 << 20, 'N'),
      Repeat(".cold", 1 << 17),
      Repeat(".cold.1", 1 << 17),
  };
  for (const std::string& name : kNames) {
    EXPECT_LE(Demangle(name).size(), std::max(kMaxDemangledBytes, name.size())) << name.substr(0, 80);
  }
  EXPECT_EQ(Demangle(kNames[0]), kNames[0]);
  EXPECT_EQ(Demangle(kNames[1]), kNames[1]);
}

TEST(DemangleTest, LongNamesOfRealCodeAreDemangled) {
  std::string mangled = "_Z1fI";
  std::string demangled = "void f<";
  for (int i = 0; i < 400; ++i) {
    mangled += "3abc";
    demangled += i == 0 ? "abc" : ", abc";
  }
  // Substitutions replace all but the first one in a real symbol; a demangler has to take both.
  EXPECT_EQ(Demangle(mangled + "Evv"), demangled + ">()");
}

TEST(RustIdentifierTest, Punycode) {
  EXPECT_EQ(DecodePunycode("gdel_5qa"), "gödel");
  EXPECT_EQ(DecodePunycode("ihqwcrb4cv8a8dqg056pqjye"), "他们为什么不说中文");
  EXPECT_EQ(DecodePunycode("maana_pta"), "mañana");
  EXPECT_EQ(DecodePunycode("_5qa").has_value(), true);
  for (const std::string_view damaged : {"", "abc_", "A", "99999999999", "gdel_5q!", "zzzzzzzzzzzzzz"}) {
    EXPECT_EQ(DecodePunycode(damaged), std::nullopt) << damaged;
  }
}

TEST(RustIdentifierTest, EncodesScalarValuesOnly) {
  EXPECT_EQ(EncodeUtf8('a'), "a");
  EXPECT_EQ(EncodeUtf8(0xE9), "é");
  EXPECT_EQ(EncodeUtf8(0x20AC), "€");
  EXPECT_EQ(EncodeUtf8(0x1F525), "🔥");
  EXPECT_EQ(EncodeUtf8(0xD800), "");
  EXPECT_EQ(EncodeUtf8(0x110000), "");
}

TEST(RustIdentifierTest, UnknownLegacyEscapesStay) {
  EXPECT_EQ(UnescapeLegacy("$LT$a$GT$"), "<a>");
  EXPECT_EQ(UnescapeLegacy("$XX$"), "$XX$");
  EXPECT_EQ(UnescapeLegacy("$u1f$"), "$u1f$");  // a control character
  EXPECT_EQ(UnescapeLegacy("$uD800$"), "$uD800$");
  EXPECT_EQ(UnescapeLegacy("$"), "$");
  EXPECT_EQ(UnescapeLegacy("a.b..c"), "a.b::c");
}

}  // namespace
}  // namespace kiln::symbolizer
