// SPDX-License-Identifier: Apache-2.0
// The whole command on this program itself.
#include "agent/symbolize/symbolize.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "symbolizer/elf_file.h"

// Names that no compiler changes.
extern "C" __attribute__((noinline)) void kiln_symbolize_me() { asm volatile(""); }
// Its last instruction is a call, so that it returns to the next function.
extern "C" __attribute__((noinline)) void kiln_symbolize_caller() {
  asm volatile("");
  std::abort();
}

namespace kiln::agent {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

struct Output {
  int status;
  std::string out;
  std::string err;
};

Output Symbolized(const SymbolizeOptions& options, std::string_view input = "") {
  const int fd = ::memfd_create("input", 0);
  EXPECT_EQ(::write(fd, input.data(), input.size()), static_cast<ssize_t>(input.size()));
  ::lseek(fd, 0, SEEK_SET);
  const int saved = ::dup(STDIN_FILENO);
  ::dup2(fd, STDIN_FILENO);
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  Output output{.status = kiln::agent::RunSymbolize(options)};
  output.out = testing::internal::GetCapturedStdout();
  output.err = testing::internal::GetCapturedStderr();
  ::dup2(saved, STDIN_FILENO);
  ::close(saved);
  ::close(fd);
  return output;
}

uint64_t ProcessAddressOf(void (*function)()) { return reinterpret_cast<uint64_t>(function); }

std::string OwnPath() { return std::filesystem::read_symlink("/proc/self/exe").string(); }

// Where this program was loaded: address in the process less the address in the file.
uint64_t ElfAddressOf(void (*function)()) {
  const Output output = Symbolized({.pid = Pid{::getpid()}, .addresses = {ProcessAddressOf(function)}, .json = true});
  const std::string text = nlohmann::json::parse(output.out).at("elf_address");
  return std::strtoull(text.c_str(), nullptr, 16);
}

TEST(Symbolize, NamesAddressesOfAProcess) {
  const Output output = Symbolized({.pid = Pid{::getpid()}, .addresses = {ProcessAddressOf(kiln_symbolize_me), 1}});
  EXPECT_EQ(output.status, 0) << output.err;
  EXPECT_THAT(output.out, HasSubstr("\nkiln_symbolize_me\n"));
  EXPECT_THAT(output.out, HasSubstr("0x0000000000000001\n??\n??:0\n"));
  EXPECT_THAT(output.err, HasSubstr("1 of 2 addresses have no name: no executable memory at the address\n"));
}

TEST(Symbolize, NamesAddressesOfAFileFromArgumentsAndFromInput) {
  const uint64_t address = ElfAddressOf(kiln_symbolize_me);
  const Output arguments = Symbolized({.exe = OwnPath(), .addresses = {address, address + 1}});
  EXPECT_EQ(arguments.status, 0) << arguments.err;
  EXPECT_THAT(arguments.out, StartsWith(fmt::format("{:#018x}\nkiln_symbolize_me\n", address)));
  EXPECT_EQ(Symbolized({.exe = OwnPath()}, fmt::format("{:x} {:#x}\n", address, address + 1)).out, arguments.out);
}

TEST(Symbolize, CountsFromASection) {
  const uint64_t address = ElfAddressOf(kiln_symbolize_me);
  const auto elf = symbolizer::ElfFile::Open(*File::Open(OwnPath()));
  const auto* text = elf->FindSection(".text");
  ASSERT_NE(text, nullptr);
  const uint64_t offset = address - text->address.value();
  const Output output = Symbolized({.exe = OwnPath(), .section = ".text", .addresses = {offset, text->size}});
  EXPECT_THAT(output.out, HasSubstr("\nkiln_symbolize_me\n"));
  EXPECT_THAT(output.err, HasSubstr("1 of 2 addresses have no name: beyond the section\n"));
  const Output none = Symbolized({.exe = OwnPath(), .section = ".no", .addresses = {0}});
  EXPECT_EQ(none.status, 64);
  EXPECT_THAT(none.err, HasSubstr("has no section .no"));
}

TEST(Symbolize, NamesTheCallerOfAReturnAddress) {
  // The first byte is returned to by nothing in this function, so it is the function before that counts.
  const uint64_t start = ElfAddressOf(kiln_symbolize_caller);
  const SymbolizeOptions options = {.exe = OwnPath(), .addresses = {start + 1}, .return_addresses = true};
  EXPECT_THAT(Symbolized(options).out, HasSubstr("\nkiln_symbolize_caller\n"));
  EXPECT_THAT(Symbolized({.exe = OwnPath(), .addresses = {start}, .return_addresses = true, .json = true}).out,
              HasSubstr(fmt::format(R"("address":"{:#x}")", start)));
  EXPECT_THAT(Symbolized({.exe = OwnPath(), .addresses = {start}, .return_addresses = true, .json = true}).out,
              HasSubstr(fmt::format(R"("elf_address":"{:#x}")", start - 1)));
}

TEST(Symbolize, FindsTheFileInARoot) {
  const std::string path = OwnPath();
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  const Output output = Symbolized({.exe = "/" + std::filesystem::path(path).filename().string(),
                                    .addresses = {ElfAddressOf(kiln_symbolize_me)},
                                    .root = folder.string()});
  EXPECT_THAT(output.out, HasSubstr("\nkiln_symbolize_me\n")) << output.err;
}

TEST(Symbolize, AnswersEveryWordAndFailsForWhatIsNoAddress) {
  const Output output = Symbolized({.exe = OwnPath()}, "0\nmain\n\x1b[2J 1\n");
  EXPECT_EQ(output.status, 65);
  EXPECT_EQ(std::count(output.out.begin(), output.out.end(), '\n'), 4 * 3);
  EXPECT_THAT(output.err, HasSubstr("2 of the words on standard input are no addresses, the first in line 2: 'main'"));
}

TEST(Symbolize, EndsWithOneSentenceIfTheFileIsNotRead) {
  const Output gone = Symbolized({.exe = "/no/such", .addresses = {1}});
  EXPECT_EQ(gone.status, 66);
  EXPECT_EQ(gone.out, "");
  EXPECT_THAT(gone.err, HasSubstr("/no/such"));
  const Output text = Symbolized({.exe = "/etc/passwd", .addresses = {1}});
  EXPECT_EQ(text.status, 65);
  EXPECT_THAT(text.err, HasSubstr("/etc/passwd"));
  EXPECT_EQ(std::count(text.err.begin(), text.err.end(), '\n'), 1) << text.err;
  EXPECT_EQ(Symbolized({.exe = "/dev/zero", .addresses = {1}}).status, 65);
  EXPECT_EQ(Symbolized({.pid = Pid{0x7fffffff}, .addresses = {1}}).status, 66);
}

}  // namespace
}  // namespace kiln::agent
