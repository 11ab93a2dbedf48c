// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/demangled_names.h"

#include <gtest/gtest.h>

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <string>

namespace kiln::symbolizer {
namespace {

TEST(DemangledNames, AreMadeOnceAndStayWhereTheyAre) {
  DemangledNames names;
  const std::string mangled = "_ZN3foo3barEi";
  const std::string_view name = names.Get(mangled);
  EXPECT_EQ(name, "foo::bar(int)");
  std::deque<std::string> others;
  for (int i = 0; i < 100'000; ++i) {
    const std::string word = fmt::format("name{}", i);
    const std::string& other = others.emplace_back(fmt::format("_ZN3foo{}{}Ei", word.size(), word));
    EXPECT_EQ(names.Get(other), fmt::format("foo::{}(int)", word));
  }
  EXPECT_EQ(names.Get(mangled).data(), name.data());
  EXPECT_EQ(name, "foo::bar(int)");
}

TEST(DemangledNames, ThatNeedNoDemanglingAreNotCopied) {
  DemangledNames names;
  for (const std::string& name : {std::string("main"), std::string("read.isra.0"), std::string(1 << 20, 'x')}) {
    EXPECT_EQ(names.Get(name).data(), name.data());
  }
  EXPECT_EQ(names.Get("memcpy@@GLIBC_2.14"), "memcpy");
  EXPECT_EQ(names.Get(""), "");
}

TEST(DemangledNames, AreForgottenBeyondTheirBytes) {
  constexpr size_t kMaxBytes = 1 << 20;
  DemangledNames names(kMaxBytes);
  size_t most = 0;
  std::deque<std::string> all;
  for (int i = 0; i < 50'000; ++i) {
    names.Trim();
    EXPECT_LE(names.bytes(), kMaxBytes);
    all.push_back(fmt::format("_ZN3fooILi{}EE3barEi", i));
    EXPECT_EQ(names.Get(all.back()), fmt::format("foo<{}>::bar(int)", i));
    most = std::max(most, names.bytes());
  }
  EXPECT_GT(most, kMaxBytes) << "nothing was forgotten";
  EXPECT_EQ(names.Get(all.front()), "foo<0>::bar(int)");
}

}  // namespace
}  // namespace kiln::symbolizer
