// SPDX-License-Identifier: Apache-2.0
// A program of a real compiler: what is known of the source must come out.
#include "symbolizer/file_symbolizer.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "symbolizer/symbol_table.h"

namespace kiln::symbolizer {
namespace {

constexpr const char kSource[] = R"(namespace space {
inline __attribute__((always_inline)) int Inner(int x) {
  return x * 3 +
         x / 7;  // line 4
}
}  // namespace space
extern "C" __attribute__((noinline)) int kiln_outer(int x) {
  return space::Inner(x);  // line 8
}
int main(int count, char**) { return kiln_outer(count); }
)";

class FileSymbolizerTest : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (std::system("g++ --version >/dev/null 2>&1") != 0) GTEST_SKIP() << "there is no g++";
    std::string pattern = std::filesystem::temp_directory_path() / "kiln-symbolizer-XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
    std::ofstream(folder_ / "source.cc") << kSource;
  }
  void TearDown() override {
    if (!folder_.empty()) std::filesystem::remove_all(folder_);
  }
  std::string Compile(const std::string& options) {
    const std::string command = "cd " + folder_.string() + " && g++ -O2 " + options + " source.cc -o program";
    EXPECT_EQ(std::system(command.c_str()), 0) << command;
    return folder_ / "program";
  }

  std::filesystem::path folder_;
};

// What is said of the first instructions of kiln_outer.
Naming LookupOuter(FileSymbolizer& symbolizer, uint64_t beyond = 0) {
  const StatusOr<SymbolTable> symbols = SymbolTable::Read(symbolizer.elf());
  for (const ElfFile::Segment& segment : symbolizer.elf().segments()) {
    if (!segment.executable) continue;
    for (uint64_t i = 0; i < segment.memory_size; ++i) {
      const ElfAddress address(segment.address.value() + i);
      if (symbols->LookupRaw(address) == "kiln_outer") {
        return symbolizer.Lookup(ElfAddress(address.value() + beyond));
      }
    }
  }
  return {};
}

TEST_P(FileSymbolizerTest, GivesInlinedFunctionsAndTheirLines) {
  const auto symbolizer = FileSymbolizer::Open(Compile(GetParam()), {});
  ASSERT_TRUE(symbolizer.ok()) << symbolizer.status();
  EXPECT_EQ((*symbolizer)->note(), "");
  bool seen = false;
  for (uint64_t beyond = 0; beyond < 16 && !seen; ++beyond) {
    const Naming naming = LookupOuter(**symbolizer, beyond);
    ASSERT_FALSE(naming.lines.empty());
    EXPECT_EQ(naming.lines.back().name, "kiln_outer");
    EXPECT_EQ(naming.lines.back().file, (folder_ / "source.cc").string());
    if (naming.lines.size() != 2) continue;
    seen = true;
    EXPECT_NE(naming.lines[0].name.find("space::Inner"), std::string::npos) << naming.lines[0].name;
    EXPECT_GE(naming.lines[0].line, 2u);
    EXPECT_LE(naming.lines[0].line, 5u);
    EXPECT_EQ(naming.lines[0].start_line, 2u);
    EXPECT_EQ(naming.lines[1].line, 8u);
    EXPECT_EQ(naming.lines[1].start_line, 7u);
  }
  EXPECT_TRUE(seen) << "no instruction of the inlined function";
}

INSTANTIATE_TEST_SUITE_P(Forms, FileSymbolizerTest,
                         ::testing::Values("-gdwarf-5", "-gdwarf-4", "-gdwarf-3", "-gdwarf-2", "-gdwarf-5 -gdwarf64",
                                           "-gdwarf-5 -gsplit-dwarf", "-gdwarf-4 -gsplit-dwarf", "-gdwarf-5 -gz",
                                           "-g -flto"));

using FileSymbolizerNotes = FileSymbolizerTest;

TEST_P(FileSymbolizerNotes, TellsWhyThereAreNoLines) {
  const auto symbolizer = FileSymbolizer::Open(Compile(GetParam()), {});
  ASSERT_TRUE(symbolizer.ok()) << symbolizer.status();
  const Naming naming = LookupOuter(**symbolizer);
  ASSERT_EQ(naming.lines.size(), 1u);
  EXPECT_EQ(naming.lines[0].name, "kiln_outer");
  EXPECT_EQ(naming.lines[0].file, "");
  EXPECT_NE((*symbolizer)->note().find("no debug information"), std::string::npos) << (*symbolizer)->note();
}

INSTANTIATE_TEST_SUITE_P(Forms, FileSymbolizerNotes, ::testing::Values("-g0"));

using FileSymbolizerOptionsTest = FileSymbolizerTest;

TEST_P(FileSymbolizerOptionsTest, ReadsNoDebugInformationIfNotAsked) {
  const auto symbolizer = FileSymbolizer::Open(Compile(GetParam()), {.debug_info = false});
  ASSERT_TRUE(symbolizer.ok()) << symbolizer.status();
  const Naming naming = LookupOuter(**symbolizer);
  ASSERT_EQ(naming.lines.size(), 1u);
  EXPECT_EQ(naming.lines[0].file, "");
}

INSTANTIATE_TEST_SUITE_P(Forms, FileSymbolizerOptionsTest, ::testing::Values("-g"));

TEST(FileSymbolizerOpenTest, FailsOnWhatIsNoElfFile) {
  EXPECT_FALSE(FileSymbolizer::Open("/proc/self/no such file", {}).ok());
  EXPECT_FALSE(FileSymbolizer::Open("/etc/passwd", {}).ok());
}

}  // namespace
}  // namespace kiln::symbolizer
