// SPDX-License-Identifier: Apache-2.0
#include "exporters/file.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <zstd.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/file.h"
#include "otlp/profiles.h"
#include "pprof/pprof.h"
#include "profile/dump.h"
#include "profile/synthetic.h"
#include "profile/testing.h"

namespace kiln::exporters {
namespace {

using pipeline::Batch;
using pipeline::ExportResult;
using Format = FileSettings::Format;
using Outcome = pipeline::ExportResult::Outcome;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr int64_t kStart = 1'700'000'000'000'000'000;  // 2023-11-14T22:13:20Z
constexpr int64_t kSecond = 1'000'000'000;

class FileExport : public ::testing::Test {
 protected:
  FileExport() {
    std::string name = ::testing::TempDir() + "kiln-file-XXXXXX";
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
    settings_.path = folder_ + "/out.json";
  }
  ~FileExport() override { std::filesystem::remove_all(folder_); }

  std::unique_ptr<FileExporter> Open() {
    auto exporter = FileExporter::Open(settings_, [this] { return now_; });
    EXPECT_TRUE(exporter.ok()) << exporter.status();
    return exporter.ok() ? *std::move(exporter) : nullptr;
  }
  Status OpenError() {
    return FileExporter::Open(settings_, [this] { return now_; }).status();
  }

  static Batch Profiles(const profile::Profile& profile = profile::ExampleProfile()) {
    return {.bytes = otlp::EncodeProfilesData(profile), .items = 5, .created_unix_nano = kStart};
  }
  // A batch whose JSON line has about this many bytes.
  static Batch Sized(size_t bytes) {
    profile::ProfileBuilder b;
    b.SetSampleTypes({b.Type("samples", "count")});
    const auto set = b.AddAttributeSet(std::vector{b.AddAttribute("k", std::string(bytes, 'x'))});
    b.AddSample({b.AddStack({}), set, profile::AttributeSetIndex(0), std::nullopt}, {{1}});
    return Profiles(b.profile());
  }
  static void ExpectDelivered(const ExportResult& result) {
    EXPECT_EQ(result.outcome, Outcome::kDelivered) << result.message;
  }

  std::string Content(const std::string& path) {
    const auto content = ReadFile(path, size_t{1} << 28);
    EXPECT_TRUE(content.ok()) << content.status();
    return content.ok() ? *content : "";
  }
  // The file names in the folder, sorted.
  std::vector<std::string> Files(const std::string& folder = "") {
    std::vector<std::string> out;
    for (const auto& entry : std::filesystem::directory_iterator(folder.empty() ? folder_ : folder)) {
      out.push_back(entry.path().filename());
    }
    std::ranges::sort(out);
    return out;
  }
  static std::vector<std::string> Lines(const std::string& text) {
    std::vector<std::string> out;
    for (size_t begin = 0; begin < text.size();) {
      const size_t end = text.find('\n', begin);
      out.push_back(text.substr(begin, end - begin));
      if (end == std::string::npos) break;
      begin = end + 1;
    }
    return out;
  }
  // The records of a file of records behind their lengths.
  static std::vector<std::string> Framed(std::string_view text) {
    std::vector<std::string> out;
    while (text.size() >= 4) {
      size_t size = 0;
      for (int i = 0; i < 4; ++i) size = size << 8 | static_cast<unsigned char>(text[static_cast<size_t>(i)]);
      text.remove_prefix(4);
      if (size > text.size()) break;
      out.emplace_back(text.substr(0, size));
      text.remove_prefix(size);
    }
    EXPECT_EQ(text, "");
    return out;
  }

  std::string folder_;
  FileSettings settings_;
  int64_t now_ = kStart;
};

TEST_F(FileExport, JsonIsALinePerBatch) {
  const auto exporter = Open();
  ExpectDelivered(exporter->Export(Profiles(), absl::Seconds(1)));
  ExpectDelivered(
      exporter->Export({.signal = pipeline::Signal::kLogs, .bytes = std::string("\x0a\x00", 2)}, absl::Seconds(1)));
  const auto lines = Lines(Content(settings_.path));
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(nlohmann::json::parse(lines[0])["resourceProfiles"].size(), 2u);
  EXPECT_EQ(lines[1], R"({"resourceLogs":[{}]})");
  struct stat info {};
  ASSERT_EQ(::stat(settings_.path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST_F(FileExport, ProtoStandsBehindItsLength) {
  settings_.format = Format::kProto;
  const auto exporter = Open();
  const Batch small = Profiles(), large = Profiles(profile::SyntheticProfile(300));
  ExpectDelivered(exporter->Export(small, absl::Seconds(1)));
  ExpectDelivered(exporter->Export(large, absl::Seconds(1)));
  EXPECT_THAT(Framed(Content(settings_.path)), ElementsAre(small.bytes, large.bytes));
}

TEST_F(FileExport, ZstdFramesEachBatch) {
  settings_.compression = Compression::kZstd;
  for (const Format format : {Format::kProto, Format::kJson}) {
    settings_.format = format;
    const auto exporter = Open();
    const Batch batch = Profiles(profile::SyntheticProfile(300));
    ExpectDelivered(exporter->Export(batch, absl::Seconds(1)));
    ExpectDelivered(exporter->Export(batch, absl::Seconds(1)));
    const auto records = Framed(Content(settings_.path));
    ASSERT_EQ(records.size(), 2u);
    EXPECT_LT(records[0].size(), batch.bytes.size());
    std::string content(size_t{1} << 24, '\0');
    const size_t size = ZSTD_decompress(content.data(), content.size(), records[1].data(), records[1].size());
    ASSERT_FALSE(ZSTD_isError(size));
    content.resize(size);
    if (format == Format::kProto) {
      EXPECT_EQ(content, batch.bytes);
    } else {
      EXPECT_TRUE(nlohmann::json::accept(content));
    }
  }
}

TEST_F(FileExport, StartsAnewUnlessItAppends) {
  ASSERT_TRUE(WriteFileAtomically(settings_.path, "old, without an end").ok());
  settings_.append = true;
  ExpectDelivered(Open()->Export(Profiles(), absl::Seconds(1)));
  auto lines = Lines(Content(settings_.path));
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0], "old, without an end");
  EXPECT_TRUE(nlohmann::json::accept(lines[1]));
  settings_.append = false;
  ExpectDelivered(Open()->Export(Profiles(), absl::Seconds(1)));
  EXPECT_THAT(Lines(Content(settings_.path)), SizeIs(1));
}

TEST_F(FileExport, RotatesAtItsSizeAndKeepsTheNewestBackups) {
  settings_.rotation = {.enabled = true, .max_megabytes = 1, .max_backups = 2};
  const auto exporter = Open();
  const Batch batch = Sized(400'000);
  for (int i = 0; i < 9; ++i) {
    ExpectDelivered(exporter->Export(batch, absl::Seconds(1)));
    now_ += kSecond;
  }
  // Two fit into a file: set aside before batches 3, 5, 7 and 9, at 2, 4, 6 and 8 seconds.
  EXPECT_THAT(Files(), ElementsAre("out-2023-11-14T22-13-26.000.json", "out-2023-11-14T22-13-28.000.json", "out.json"));
  EXPECT_THAT(Lines(Content(settings_.path)), SizeIs(1));
  EXPECT_THAT(Lines(Content(folder_ + "/out-2023-11-14T22-13-28.000.json")), SizeIs(2));
}

TEST_F(FileExport, RotationGoesOnWithTheFileAndLeavesOtherFilesAlone) {
  settings_.rotation = {.enabled = true, .max_megabytes = 1, .max_days = 1, .max_backups = 100};
  for (const char* name : {"/out-mine.json", "/other-2001-01-01T00-00-00.000.json", "/out-2001-01-01T00-00-00.000.json",
                           "/out-2001-01-01T00-00-00.000.txt"}) {
    ASSERT_TRUE(WriteFileAtomically(folder_ + name, "x").ok());
  }
  ExpectDelivered(Open()->Export(Profiles(), absl::Seconds(1)));
  ExpectDelivered(Open()->Export(Profiles(), absl::Seconds(1)));
  EXPECT_THAT(Lines(Content(settings_.path)), SizeIs(2));
  EXPECT_THAT(Files(), ElementsAre("other-2001-01-01T00-00-00.000.json", "out-2001-01-01T00-00-00.000.txt",
                                   "out-mine.json", "out.json"));
}

TEST_F(FileExport, TwoRotationsInOneMillisecondDoNotOverwriteEachOther) {
  settings_.rotation = {.enabled = true, .max_megabytes = 1};
  const auto exporter = Open();
  for (int i = 0; i < 3; ++i) ExpectDelivered(exporter->Export(Sized(2'000'000), absl::Seconds(1)));
  EXPECT_THAT(Files(), ElementsAre("out-2023-11-14T22-13-20.000.json", "out-2023-11-14T22-13-20.001.json", "out.json"));
}

TEST_F(FileExport, NoticesThatTheFileWasMovedOrDeleted) {
  const auto exporter = Open();
  ExpectDelivered(exporter->Export(Profiles(), absl::Seconds(1)));
  std::filesystem::rename(settings_.path, folder_ + "/moved");
  ExpectDelivered(exporter->Export(Profiles(), absl::Seconds(1)));
  EXPECT_THAT(Lines(Content(settings_.path)), SizeIs(1));
  EXPECT_THAT(Lines(Content(folder_ + "/moved")), SizeIs(1));
  std::filesystem::remove(settings_.path);
  ExpectDelivered(exporter->Export(Profiles(), absl::Seconds(1)));
  EXPECT_THAT(Lines(Content(settings_.path)), SizeIs(1));
  std::filesystem::resize_file(settings_.path, 0);  // logrotate's copytruncate
  ExpectDelivered(exporter->Export(Profiles(), absl::Seconds(1)));
  EXPECT_THAT(Lines(Content(settings_.path)), SizeIs(1));
}

// RLIMIT_FSIZE makes write(2) stop in the middle of a record, as a full disk does.
TEST_F(FileExport, LeavesNoPartOfARecordBehind) {
  const auto exporter = Open();
  ExpectDelivered(exporter->Export(Profiles(), absl::Seconds(1)));
  const std::string before = Content(settings_.path);
  struct rlimit limit {};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &limit), 0);
  const struct rlimit small {
    before.size() + 1000, limit.rlim_max
  };
  const auto handler = ::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const ExportResult failed = exporter->Export(Profiles(), absl::Seconds(1));
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
  ::signal(SIGXFSZ, handler);
  EXPECT_EQ(failed.outcome, Outcome::kRetryable);
  EXPECT_THAT(failed.message, HasSubstr(settings_.path));
  EXPECT_EQ(Content(settings_.path), before);
  ExpectDelivered(exporter->Export(Profiles(), absl::Seconds(1)));
  EXPECT_THAT(Lines(Content(settings_.path)), SizeIs(2));
}

TEST_F(FileExport, AFullDeviceIsRetryable) {
  if (::access("/dev/full", W_OK) != 0) GTEST_SKIP() << "there is no /dev/full";
  settings_.path = "/dev/full";
  const ExportResult result = Open()->Export(Profiles(), absl::Seconds(1));
  EXPECT_EQ(result.outcome, Outcome::kRetryable);
  EXPECT_THAT(result.message, HasSubstr("No space left"));
}

TEST_F(FileExport, AFolderThatIsAwayIsRetryable) {
  settings_.path = folder_ + "/sub/out.json";
  EXPECT_EQ(OpenError().code(), absl::StatusCode::kNotFound);
  std::filesystem::create_directory(folder_ + "/sub");
  const auto exporter = Open();
  std::filesystem::rename(folder_ + "/sub", folder_ + "/away");
  EXPECT_EQ(exporter->Export(Profiles(), absl::Seconds(1)).outcome, Outcome::kRetryable);
  std::filesystem::rename(folder_ + "/away", folder_ + "/sub");
  ExpectDelivered(exporter->Export(Profiles(), absl::Seconds(1)));
}

TEST_F(FileExport, WhatIsNoFileIsPermanent) {
  settings_.path = folder_;
  EXPECT_FALSE(OpenError().ok());
  settings_.path = folder_ + "/out.json";
  const auto exporter = Open();
  std::filesystem::remove(settings_.path);
  std::filesystem::create_directory(settings_.path);
  const ExportResult result = exporter->Export(Profiles(), absl::Seconds(1));
  EXPECT_EQ(result.outcome, Outcome::kPermanent);
  EXPECT_THAT(result.message, HasSubstr(settings_.path));
}

TEST_F(FileExport, DamagedBatchesArePermanentForJson) {
  EXPECT_EQ(Open()->Export({.bytes = "\xff"}, absl::Seconds(1)).outcome, Outcome::kPermanent);
  EXPECT_EQ(Content(settings_.path), "");
}

class FileStream : public FileExport {
 protected:
  FileStream() {
    settings_.path = folder_ + "/fifo";
    EXPECT_EQ(::mkfifo(settings_.path.c_str(), 0600), 0);
  }
  UniqueFd Reader() {
    UniqueFd fd(::open(settings_.path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    ::fcntl(fd.get(), F_SETPIPE_SZ, 4096);
    return fd;
  }
  static std::string Drain(int fd) {
    std::string out(1 << 20, '\0');
    size_t size = 0;
    for (ssize_t count; (count = ::read(fd, out.data() + size, out.size() - size)) > 0;) {
      size += static_cast<size_t>(count);
    }
    out.resize(size);
    return out;
  }
};

TEST_F(FileStream, WritesToAFifo) {
  EXPECT_EQ(OpenError().code(), absl::StatusCode::kUnavailable);
  const UniqueFd reader = Reader();
  const auto exporter = Open();
  ExpectDelivered(exporter->Export({.bytes = std::string("\x0a\x00", 2)}, absl::Seconds(5)));
  EXPECT_EQ(Drain(reader.get()), "{\"resourceProfiles\":[{}]}\n");
}

TEST_F(FileStream, ARecordThatWasCutByASlowReaderIsFollowedByALineBreak) {
  const UniqueFd reader = Reader();
  const auto exporter = Open();
  const ExportResult slow = exporter->Export(Sized(100'000), absl::Milliseconds(1));
  EXPECT_EQ(slow.outcome, Outcome::kRetryable);
  EXPECT_THAT(slow.message, HasSubstr("too slow"));
  const std::string part = Drain(reader.get());
  EXPECT_GT(part.size(), 0u);
  ExpectDelivered(exporter->Export({.bytes = std::string("\x0a\x00", 2)}, absl::Seconds(5)));
  EXPECT_EQ(Drain(reader.get()), "\n{\"resourceProfiles\":[{}]}\n");
}

TEST_F(FileStream, CancelEndsAWriteThatWaits) {
  const UniqueFd reader = Reader();
  const auto exporter = Open();
  std::thread canceller([&] { exporter->Cancel(); });
  const ExportResult result = exporter->Export(Sized(100'000), absl::InfiniteDuration());
  canceller.join();
  EXPECT_EQ(result.outcome, Outcome::kRetryable);
  EXPECT_THAT(result.message, HasSubstr("stopping"));
}

TEST_F(FileStream, ABinaryStreamThatWasCutTakesNothingMore) {
  settings_.format = Format::kProto;
  const UniqueFd reader = Reader();
  const auto exporter = Open();
  EXPECT_EQ(exporter->Export(Sized(100'000), absl::Milliseconds(1)).outcome, Outcome::kRetryable);
  Drain(reader.get());
  EXPECT_EQ(exporter->Export(Profiles(), absl::Seconds(5)).outcome, Outcome::kPermanent);
}

class FilePprof : public FileExport {
 protected:
  FilePprof() {
    settings_.path = folder_ + "/profiles/";
    settings_.format = Format::kPprof;
  }
  std::vector<std::string> Profs() { return Files(folder_ + "/profiles"); }
};

TEST_F(FilePprof, IsAFilePerWindow) {
  const auto exporter = Open();
  ExpectDelivered(exporter->Export(Profiles(), absl::Seconds(1)));
  ExpectDelivered(exporter->Export(Profiles(), absl::Seconds(1)));
  EXPECT_THAT(Profs(), ElementsAre("kiln-2023-11-14T22:13:20Z-1.pb.gz", "kiln-2023-11-14T22:13:20Z-2.pb.gz"));
  const auto decoded = pprof::DecodePprof(Content(folder_ + "/profiles/kiln-2023-11-14T22:13:20Z-2.pb.gz"));
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(TotalsByStack(*decoded), TotalsByStack(profile::ExampleProfile()));
}

TEST_F(FilePprof, RotatesOverTheFolder) {
  settings_.rotation = {.enabled = true, .max_backups = 2};
  const auto exporter = Open();
  ASSERT_TRUE(WriteFileAtomically(folder_ + "/profiles/kiln-notes.txt", "mine").ok());
  profile::Profile profile = profile::ExampleProfile();
  for (int i = 0; i < 4; ++i) {
    ExpectDelivered(exporter->Export(Profiles(profile), absl::Seconds(1)));
    profile.time_unix_nano += kSecond;
  }
  EXPECT_THAT(Profs(),
              ElementsAre("kiln-2023-11-14T22:13:22Z-1.pb.gz", "kiln-2023-11-14T22:13:23Z-1.pb.gz", "kiln-notes.txt"));
  now_ += 3 * 86'400 * kSecond;
  settings_.rotation.max_days = 2;
  ExpectDelivered(Open()->Export(Profiles(profile), absl::Seconds(1)));
  EXPECT_THAT(Profs(), ElementsAre("kiln-notes.txt"));  // the one just written is three days old as well
}

TEST_F(FilePprof, TellsWhatCanNotWorkAtTheStart) {
  settings_.path = folder_ + "/none/profiles";
  EXPECT_EQ(OpenError().code(), absl::StatusCode::kNotFound);
  ASSERT_TRUE(WriteFileAtomically(folder_ + "/file", "x").ok());
  settings_.path = folder_ + "/file";
  EXPECT_THAT(std::string(OpenError().message()), HasSubstr("no folder"));
}

TEST_F(FilePprof, TakesProfilesOnly) {
  const auto exporter = Open();
  EXPECT_EQ(exporter->Export({.signal = pipeline::Signal::kTraces}, absl::Seconds(1)).outcome, Outcome::kPermanent);
  EXPECT_EQ(exporter->Export({.bytes = "\xff"}, absl::Seconds(1)).outcome, Outcome::kPermanent);
}

}  // namespace
}  // namespace kiln::exporters
