// SPDX-License-Identifier: Apache-2.0
#include "agent/daemon/exports.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>

#include "agent/config/testing.h"
#include "base/file.h"
#include "pipeline/testing/batches.h"

namespace kiln::agent {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class ExportsTest : public ::testing::Test {
 protected:
  ExportsTest() {
    std::string name = ::testing::TempDir() + "kiln-exports-XXXXXX";
    folder_ = ::mkdtemp(name.data());
  }
  ~ExportsTest() override { std::filesystem::remove_all(folder_); }

  // The configuration with these exporters, all in one pipeline. `extensions` as YAML.
  config::AgentConfig Config(const std::string& exporters, const std::string& ids, const std::string& extensions = "") {
    const std::string used = extensions.empty() ? "" : "  extensions: [file_storage]\n";
    const std::string yaml = "receivers: {profiling: {}}\n" + extensions + "exporters:\n" + exporters + "service:\n" +
                             used + "  pipelines: {profiles: {receivers: [profiling], exporters: [" + ids + "]}}\n";
    config::LoadResult loaded = config::Load(yaml);
    EXPECT_TRUE(loaded.ok()) << config::RenderErrors(loaded);
    return loaded.config;
  }
  std::string File(const std::string& name) const { return folder_ + "/" + name; }
  int64_t Lines(const std::string& name) const {
    const auto text = ReadFile(File(name), size_t{1} << 24);
    return text.ok() ? std::ranges::count(*text, '\n') : -1;
  }
  std::string FileExporter(const std::string& id, const std::string& name) const {
    return "  " + id + ": {path: " + File(name) + "}\n";
  }
  // Of the exporter otlphttp; 0 if there is none.
  double Metric(const std::string& name) const {
    const std::string series = "\nkiln_pipeline_" + name + "{exporter=\"otlphttp\",signal=\"profiles\"} ";
    const std::string text = "\n" + metrics_.RenderPrometheus();
    const size_t at = text.find(series);
    return at == std::string::npos ? 0 : std::atof(text.c_str() + at + series.size());
  }
  Status Consume() { return exports_.Consume(pipeline::ProfileBatch(3)); }

  std::string folder_;
  pipeline::SystemClock clock_;
  MetricRegistry metrics_;
  Exports exports_{
      {.notify = [](const pipeline::Notice&) {}, .debug_output = [](std::string_view) {}}, clock_, metrics_};
};

TEST_F(ExportsTest, EachBatchGoesToEachExporterAndAllIsSentAtTheEnd) {
  ASSERT_TRUE(exports_.Apply(Config(FileExporter("file", "a") + FileExporter("file/b", "b"), "file, file/b")).ok());
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(Consume().ok());
  exports_.Shutdown(absl::Seconds(30));
  EXPECT_EQ(Lines("a"), 5);
  EXPECT_EQ(Lines("b"), 5);
  const std::vector<ExporterStatus> rows = exports_.ExporterRows();
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].id, "file");
  EXPECT_EQ(rows[0].endpoint, File("a"));
  EXPECT_EQ(rows[0].last, ExporterStatus::Last::kAccepted);
  EXPECT_EQ(rows[0].failed_samples, 0);
}

TEST_F(ExportsTest, WithoutAnExporterNothingIsTaken) { EXPECT_TRUE(absl::IsUnavailable(Consume())); }

TEST_F(ExportsTest, AReloadLosesNothingAndLeavesWhatIsUnchanged) {
  ASSERT_TRUE(exports_.Apply(Config(FileExporter("file", "a") + FileExporter("file/b", "b"), "file, file/b")).ok());
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(Consume().ok());
  // The first stays, the second goes, a third comes.
  ASSERT_TRUE(exports_.Apply(Config(FileExporter("file", "a") + FileExporter("file/c", "c"), "file, file/c")).ok());
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(Consume().ok());
  exports_.Shutdown(absl::Seconds(30));
  EXPECT_EQ(Lines("a"), 9);
  EXPECT_EQ(Lines("b"), 5);
  EXPECT_EQ(Lines("c"), 4);
  EXPECT_THAT(exports_.QueueRows(), testing::SizeIs(2));
}

TEST_F(ExportsTest, WhatCannotBeOpenedIsRefusedByNameAndAllStaysAsItWas) {
  ASSERT_TRUE(exports_.Apply(Config(FileExporter("file", "a"), "file")).ok());
  const Status status =
      exports_.Apply(Config("  file: {path: /nonexistent/folder/x}\n" + FileExporter("file/c", "c"), "file, file/c"));
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(std::string(Message(status)), HasSubstr("exporters.file"));
  ASSERT_TRUE(Consume().ok());
  exports_.Shutdown(absl::Seconds(30));
  EXPECT_EQ(Lines("a"), 1);
  EXPECT_EQ(Lines("c"), -1);
}

// Nobody listens there: what is queued waits on the disk.
std::string DeadEnd(const std::string& timeout) {
  return "  otlphttp: {endpoint: 'http://127.0.0.1:1', timeout: " + timeout +
         ", sending_queue: {storage: file_storage}, retry_on_failure: {max_elapsed_time: 0s}}\n";
}

TEST_F(ExportsTest, AStorageIsHandedOverWithWhatIsInIt) {
  const std::string storage = "extensions: {file_storage: {directory: " + File("queue") + "}}\n";
  ASSERT_TRUE(exports_.Apply(Config(DeadEnd("5s"), "otlphttp", storage)).ok());
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(Consume().ok());
  // Another timeout makes another way, to the same storage.
  ASSERT_TRUE(exports_.Apply(Config(DeadEnd("6s"), "otlphttp", storage)).ok());
  ASSERT_TRUE(Consume().ok());
  EXPECT_EQ(exports_.ExporterRows().at(0).handed_over, 4);
  // What was left for the next way waits there only.
  EXPECT_GT(Metric("left_samples_total"), 0);
  EXPECT_EQ(Metric("left_samples_total"), Metric("restored_samples_total"));
  ASSERT_GT(Metric("accepted_samples_total"), 0);
  // The page is read while a request goes to and fro between the two: not every reading has it once.
  bool balances = false;
  for (int i = 0; i < 1000 && !balances; ++i) {
    balances = Metric("accepted_samples_total") == Metric("queued_samples") + Metric("in_flight_samples");
  }
  EXPECT_TRUE(balances);
  exports_.Tick();
  // What can't be is refused, and the storage goes back.
  EXPECT_FALSE(
      exports_.Apply(Config(DeadEnd("7s") + "  file: {path: /nonexistent/folder/x}\n", "otlphttp, file", storage))
          .ok());
  ASSERT_TRUE(Consume().ok());
  exports_.Shutdown(absl::ZeroDuration());
  Exports next({.notify = [](const pipeline::Notice&) {}, .debug_output = [](std::string_view) {}}, clock_, metrics_);
  ASSERT_TRUE(next.Apply(Config(DeadEnd("5s"), "otlphttp", storage)).ok());
  EXPECT_EQ(next.ExporterRows().at(0).handed_over, 5);
}

}  // namespace
}  // namespace kiln::agent
