// SPDX-License-Identifier: Apache-2.0
// check_cfi PATH…: compares the unwind tables of ELF files with libdw (check_file.h), on all processors. --quick: those
// of the libraries of this program and of some programs of the machine.
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/status.h"
#include "symbolizer/unwind/check/check_file.h"

using namespace kiln::symbolizer;
using namespace kiln::symbolizer::check;

namespace {

struct Totals {
  std::mutex mutex;
  uint64_t files = 0;
  uint64_t files_without = 0;
  FileReport sum;
};

bool IsElf(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  char magic[4] = {};
  in.read(magic, sizeof(magic));
  return in.good() && std::memcmp(magic, "\177ELF", sizeof(magic)) == 0;
}

// ELF files at and below `paths`, each once.
std::vector<std::string> FindFiles(const std::vector<std::string>& paths) {
  std::vector<std::string> files;
  std::set<std::pair<dev_t, ino_t>> seen;
  const auto add = [&](const std::filesystem::path& path) {
    struct stat info {};
    if (::stat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) return;
    if (seen.emplace(info.st_dev, info.st_ino).second && IsElf(path)) files.push_back(path);
  };
  for (const std::string& path : paths) {
    std::error_code error;
    if (!std::filesystem::is_directory(path, error)) {
      add(path);
      continue;
    }
    for (std::filesystem::recursive_directory_iterator it(path, error), end; it != end; it.increment(error)) {
      if (it->is_regular_file(error) && !it->is_symlink(error)) add(it->path());
    }
  }
  // The large ones first, so that all processors end at the same time.
  std::ranges::sort(files, std::ranges::greater(), [](const std::string& path) {
    std::error_code error;
    return std::filesystem::file_size(path, error);
  });
  return files;
}

// What a test can check in seconds.
std::vector<std::string> QuickFiles() {
  constexpr size_t kPrograms = 40;
  constexpr uint64_t kMaxProgramBytes = 1 << 20;
  std::vector<std::string> files;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    if (const size_t path = line.find('/'); path != std::string::npos) files.push_back(line.substr(path));
  }
  // What has rules that others have not: code in assembly, GCC's runtime libraries.
  for (const char* name : {"libcrypto.so.3", "libgcc_s.so.1", "libstdc++.so.6", "libmvec.so.1", "libgmp.so.10"}) {
    for (const char* folder : {"/usr/lib/x86_64-linux-gnu/", "/usr/lib/aarch64-linux-gnu/"}) {
      files.push_back(std::string(folder) + name);
    }
  }
  std::vector<std::string> programs;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/usr/bin", error)) {
    if (entry.is_regular_file(error) && entry.file_size(error) <= kMaxProgramBytes && IsElf(entry.path())) {
      programs.push_back(entry.path());
    }
  }
  std::ranges::sort(programs);
  if (programs.size() > kPrograms) programs.resize(kPrograms);
  files.insert(files.end(), programs.begin(), programs.end());
  return files;
}

void Work(const std::vector<std::string>& files, std::atomic<size_t>& next, bool verbose, Totals& totals) {
  for (size_t i = next++; i < files.size(); i = next++) {
    const FileReport report = CheckFile(files[i]);
    const std::lock_guard lock(totals.mutex);
    if (!report.checked) {
      ++totals.files_without;
      continue;
    }
    ++totals.files;
    totals.sum += report;
    for (const std::string& detail : report.details) fmt::print("MISMATCH {}\n", detail);
    if (verbose) {
      fmt::print(
          "{}: {} FDEs, {} rows, {} in the table, {} rules, {} bytes, {} inexpressible, {} lost, {} unjudged{}\n",
          files[i], report.counts.fdes, report.counts.raw_rows, report.table_rows, report.rules, report.table_bytes,
          report.inexpressible, report.lost, report.unjudged, report.tracked != 0 ? ", tracks a register" : "");
    }
  }
}

void Print(const Totals& totals) {
  const FileReport& sum = totals.sum;
  const double us = static_cast<double>(sum.build_ns) / 1e3;
  fmt::print("files                     {} ({} others have no call frame information or are of another kind)\n",
             totals.files, totals.files_without);
  fmt::print("FDEs                      {}\n", sum.counts.fdes);
  fmt::print("rows                      {} raw, {} in tables, {} extended rules\n", sum.counts.raw_rows, sum.table_rows,
             sum.rules);
  fmt::print("tables                    {} pages, {:.1f} MB\n", sum.pages, static_cast<double>(sum.table_bytes) / 1e6);
  fmt::print("cost                      {:.3f} us per raw row, {:.2f} s in all\n",
             us / static_cast<double>(std::max<uint64_t>(sum.counts.raw_rows, 1)), us / 1e6);
  fmt::print("files with tracked register {}\n", sum.tracked);
  fmt::print("places compared           {}\n", sum.compared);
  fmt::print("  inexpressible           {}\n", sum.inexpressible);
  fmt::print("  register lost           {}\n", sum.lost);
  fmt::print("  not judged              {}\n", sum.unjudged);
  for (size_t i = 0; i < kUnwindIssueCount; ++i) {
    if (sum.counts.issues[i] == 0) continue;
    fmt::print("issue: {}  {}\n", sum.counts.issues[i], UnwindIssueText(static_cast<UnwindIssue>(i)));
  }
  fmt::print("mismatches                {}\n", sum.mismatches);
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> paths(argv + 1, argv + argc);
  const bool verbose = std::erase(paths, "--verbose") > 0;
  if (std::erase(paths, "--quick") > 0) paths = QuickFiles();
  if (paths.empty()) {
    fmt::print(stderr, "usage: check_cfi [--verbose] --quick | PATH…\n");
    return 2;
  }
  const std::vector<std::string> files = FindFiles(paths);
  Totals totals;
  std::atomic<size_t> next = 0;
  std::vector<std::thread> workers;
  for (unsigned i = 0; i < std::max(1U, std::thread::hardware_concurrency()); ++i) {
    workers.emplace_back([&] { Work(files, next, verbose, totals); });
  }
  for (std::thread& worker : workers) worker.join();
  Print(totals);
  return totals.files == 0 || totals.sum.mismatches != 0 ? 1 : 0;
}
