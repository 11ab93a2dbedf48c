// SPDX-License-Identifier: Apache-2.0
// usage: make_table_image OUT PROGRAM…
// Compiles the unwind tables of arm64 programs into the file that the runner loads (table_image.h). A program goes by
// its file name; a file vdso.so becomes "[vdso]".
#include <elf.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <vector>

#include "base/file.h"
#include "base/status.h"
#include "symbolizer/elf_file.h"
#include "symbolizer/unwind/unwind_table_builder.h"
#include "tests/vm/arm64/table_image.h"

namespace {

using namespace kiln;

// Objects one behind the other; the first value stays empty.
class Values {
 public:
  kiln_ref Append(std::span<const uint32_t> object) {
    if (words_.size() % KILN_VALUE_WORDS + object.size() > KILN_VALUE_WORDS) {
      words_.resize((words_.size() / KILN_VALUE_WORDS + 1) * KILN_VALUE_WORDS);
    }
    const size_t at = words_.size();
    words_.insert(words_.end(), object.begin(), object.end());
    words_.resize((words_.size() + 1) / 2 * 2);  // ranges are read in words of 64 bits
    return static_cast<kiln_ref>(at);
  }

  // Whole values.
  std::span<const uint32_t> Finish() {
    words_.resize((words_.size() + KILN_VALUE_WORDS - 1) / KILN_VALUE_WORDS * KILN_VALUE_WORDS);
    return words_;
  }

 private:
  std::vector<uint32_t> words_ = std::vector<uint32_t>(KILN_VALUE_WORDS);
};

StatusOr<table_image_file> AddFile(const std::string& path, Values& values) {
  KILN_ASSIGN_OR_RETURN(File file, File::Open(path));
  KILN_ASSIGN_OR_RETURN(const symbolizer::ElfFile elf, symbolizer::ElfFile::Open(std::move(file)));
  if (elf.machine() != EM_AARCH64) return Error(absl::StatusCode::kInvalidArgument, "{} is not for arm64", path);
  KILN_ASSIGN_OR_RETURN(const auto table, symbolizer::UnwindTableBuilder::Open(elf));

  std::vector<uint32_t> directory(offsetof(kiln_directory, pages) / sizeof(uint32_t));
  std::vector<uint32_t> page;
  for (uint32_t i = 0; i < table->page_count(); ++i) {
    directory.push_back(table->CompilePage(i, page) ? values.Append(page) : kiln_ref{KILN_PAGE_FAILED});
  }
  kiln_directory head{};
  head.page_count = table->page_count();
  head.tracked = table->tracked();
  std::memcpy(directory.data(), &head, offsetof(kiln_directory, pages));
  const kiln_ref ref = values.Append(directory);

  table_image_file entry{};
  const std::string name = std::filesystem::path(path).filename();
  (name == "vdso.so" ? std::string("[vdso]") : name).copy(entry.name, sizeof(entry.name) - 1);
  for (const symbolizer::ElfFile::Segment& segment : elf.segments()) {
    if (!segment.executable || entry.range_count == TABLE_IMAGE_MAX_RANGES) continue;
    entry.ranges[entry.range_count++] = {.start = segment.address.value(),
                                         .end = segment.address.value() + segment.memory_size,
                                         .base = table->base().value(),
                                         .ref = ref,
                                         .walker = KILN_WALKER_TABLE,
                                         .count = 0};
  }
  return entry;
}

template <typename T>
void Write(std::ofstream& out, std::span<const T> items) {
  out.write(reinterpret_cast<const char*>(items.data()), static_cast<std::streamsize>(items.size_bytes()));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3 || argc - 2 > TABLE_IMAGE_MAX_FILES) {
    std::fprintf(stderr, "usage: make_table_image OUT PROGRAM…\n");
    return 64;
  }
  Values values;
  std::vector<table_image_file> files;
  for (int i = 2; i < argc; ++i) {
    const auto file = AddFile(argv[i], values);
    if (!file.ok()) {
      std::fprintf(stderr, "make_table_image: %s: %s\n", argv[i], std::string(file.status().message()).c_str());
      return 1;
    }
    files.push_back(*file);
  }
  const std::span<const uint32_t> words = values.Finish();
  table_image image{};
  std::memcpy(image.magic, TABLE_IMAGE_MAGIC, sizeof(image.magic));
  image.file_count = static_cast<uint32_t>(files.size());
  image.value_count = static_cast<uint32_t>(words.size() / KILN_VALUE_WORDS);
  std::ofstream out(argv[1], std::ios::binary);
  Write<table_image>(out, {&image, 1});
  Write<table_image_file>(out, files);
  Write<uint32_t>(out, words);
  if (!out.flush()) {
    std::fprintf(stderr, "make_table_image: cannot write %s\n", argv[1]);
    return 1;
  }
}
