// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/short_name.h"

#include <gtest/gtest.h>

namespace kiln::symbolizer {
namespace {

TEST(ShortName, LeavesOutTemplateArgumentsAndParameters) {
  EXPECT_EQ(ShortName("std::vector<int, std::allocator<int> >::push_back(int const&)"), "std::vector<…>::push_back(…)");
  EXPECT_EQ(ShortName("main"), "main");
  EXPECT_EQ(ShortName("f()"), "f()");
  EXPECT_EQ(ShortName("a<b<c>>::d<e>(f(*)(g)) const"), "a<…>::d<…>(…) const");
}

TEST(ShortName, KeepsOperatorsAndAnonymousNamespaces) {
  EXPECT_EQ(ShortName("(anonymous namespace)::f(int)"), "(anonymous namespace)::f(…)");
  EXPECT_EQ(ShortName("std::operator<<(std::ostream&, int)"), "std::operator<<(…)");
  EXPECT_EQ(ShortName("A::operator()(int) const"), "A::operator()(…) const");
  EXPECT_EQ(ShortName("A::operator-><int>()"), "A::operator-><…>()");
  EXPECT_EQ(ShortName("x<&A::operator< >::y"), "x<…>::y");
}

TEST(ShortName, LeavesUnmatchedBracketsAlone) {
  for (const char* name : {"a<b", "a(b", "a<(b>)", "[libc.so.6+0x10]", "a>b", ""}) EXPECT_EQ(ShortName(name), name);
}

TEST(ShortName, HandlesLambdasAndRustPaths) {
  EXPECT_EQ(ShortName("f(int)::{lambda(char)#1}::operator()(char) const"), "f(…)::{lambda(…)#1}::operator()(…) const");
  EXPECT_EQ(ShortName("<alloc::vec::Vec<T> as core::ops::Drop>::drop"), "<…>::drop");
}

}  // namespace
}  // namespace kiln::symbolizer
