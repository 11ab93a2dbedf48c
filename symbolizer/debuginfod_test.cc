// SPDX-License-Identifier: Apache-2.0
// Against a stand-in on loopback; against the real server: tests/peers/test_debuginfod.py.
#include "symbolizer/debuginfod.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>

#include "base/net/http_server.h"
#include "symbolizer/testing/elf_builder.h"

namespace kiln::symbolizer {
namespace {

using testing::BuildIdNote;
using testing::ElfBuilder;

constexpr char kId[] = "12abcdef";
constexpr absl::Duration kLong = absl::Minutes(2);

std::string DebugImage() {
  ElfBuilder builder;
  builder.AddNoteSegment(BuildIdNote("\x12\xab\xcd\xef"), 4);
  builder.AddText(0x1000, 0x100);
  return builder.Build();
}

class DebuginfodTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = (std::filesystem::temp_directory_path() / "kiln_debuginfod.XXXXXX").string();
    ASSERT_NE(::mkdtemp(folder_.data()), nullptr);
    auto server = HttpServer::Start({.address = "127.0.0.1:0"}, [this](const HttpServerRequest& request) {
      ++requests_;
      if (hold_) {
        std::unique_lock lock(mutex_);
        reached_ = true;
        changed_.notify_all();
        changed_.wait(lock, [this] { return released_; });
      }
      if (request.path != "/buildid/12abcdef/debuginfo") return HttpServerResponse{.status = 404};
      return HttpServerResponse{.content_type = "application/octet-stream", .body = body_, .compressible = false};
    });
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }
  void TearDown() override {
    Release();
    client_.reset();
    server_->Stop();
    std::filesystem::remove_all(folder_);
  }

  void Release() {
    const std::lock_guard lock(mutex_);
    released_ = true;
    changed_.notify_all();
  }
  void AwaitRequest() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return reached_; });
  }

  void Start(DebuginfodOptions options = {}) {
    options.urls = {"http://" + server_->address()};
    options.cache_folder = folder_ + "/cache";
    options.now_ns = [this] { return now_ns_.load(); };
    auto client = Debuginfod::Start(std::move(options));
    ASSERT_TRUE(client.ok()) << client.status();
    client_ = *std::move(client);
  }
  DebuginfodState AnswerFor(std::string_view build_id) {
    (void)client_->Find(build_id);
    EXPECT_TRUE(client_->AwaitIdle(kLong));
    return client_->Find(build_id).state;
  }

  std::string folder_;
  std::string body_ = DebugImage();
  std::atomic<int> requests_ = 0;
  std::atomic<bool> hold_ = false;
  std::atomic<uint64_t> now_ns_ = 1'000'000'000;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool reached_ = false;
  bool released_ = false;
  std::unique_ptr<HttpServer> server_;
  std::unique_ptr<Debuginfod> client_;
};

TEST_F(DebuginfodTest, FindsTheFileWithoutWaiting) {
  hold_ = true;
  Start();
  EXPECT_EQ(client_->Find(kId).state, DebuginfodState::kPending);
  AwaitRequest();
  EXPECT_EQ(client_->Find(kId).state, DebuginfodState::kPending) << "still under way";
  Release();
  ASSERT_TRUE(client_->AwaitIdle(kLong));
  const Debuginfod::Answer answer = client_->Find(kId);
  EXPECT_EQ(answer.state, DebuginfodState::kFound) << DebuginfodStateName(answer.state);
  EXPECT_EQ(*ReadFile(answer.path, 1 << 20), body_);
  EXPECT_TRUE(answer.path.starts_with(folder_ + "/cache/"));
  EXPECT_EQ(requests_, 1);
  EXPECT_EQ(client_->counts().found, 1u);
  EXPECT_EQ(client_->counts().bytes, body_.size());
}

TEST_F(DebuginfodTest, TakesObjectFilesBeforeLinkingAsKernelModulesAre) {
  ElfBuilder module;
  module.patch_header = [](Elf64_Ehdr& header) { header.e_type = ET_REL; };
  module.Add({.name = ".note.gnu.build-id", .type = SHT_NOTE, .bytes = BuildIdNote("\x12\xab\xcd\xef")});
  body_ = module.Build();
  Start();
  EXPECT_EQ(AnswerFor(kId), DebuginfodState::kFound);
}

TEST_F(DebuginfodTest, RemembersThatAFileIsNotFoundForATime) {
  Start({.not_found_time = absl::Seconds(100)});
  EXPECT_EQ(AnswerFor("0011"), DebuginfodState::kNotFound);
  const int requests = requests_;
  now_ns_ += 99'000'000'000;
  EXPECT_EQ(AnswerFor("0011"), DebuginfodState::kNotFound);
  EXPECT_EQ(client_->counts().not_found, 1u);
  EXPECT_EQ(requests_, requests);
  now_ns_ += 2'000'000'000;
  EXPECT_EQ(client_->Find("0011").state, DebuginfodState::kPending) << "asked again";
}

TEST_F(DebuginfodTest, RefusesTheFileOfAnotherBuild) {
  body_ = "no ELF file";
  Start();
  EXPECT_EQ(AnswerFor(kId), DebuginfodState::kWrong);
  EXPECT_EQ(client_->counts().wrong, 1u);
}

TEST_F(DebuginfodTest, DoesNotTakeFilesAboveTheLimit) {
  body_ += std::string(1 << 20, 'x');
  Start({.max_bytes = 1 << 16});
  EXPECT_EQ(AnswerFor(kId), DebuginfodState::kTooLarge);
  EXPECT_EQ(client_->counts().too_large, 1u);
}

TEST_F(DebuginfodTest, SaysThatTheServerCouldNotBeAsked) {
  Start({.failure_time = absl::Seconds(10)});
  server_->Stop();
  EXPECT_EQ(AnswerFor(kId), DebuginfodState::kFailed);
  now_ns_ += 11'000'000'000;
  EXPECT_EQ(client_->Find(kId).state, DebuginfodState::kPending);
}

TEST_F(DebuginfodTest, DropsAndCountsWhatTheQueueHasNoRoomFor) {
  hold_ = true;
  Start({.max_queue = 2});
  (void)client_->Find(kId);
  AwaitRequest();  // no longer in the queue
  EXPECT_EQ(client_->Find("0001").state, DebuginfodState::kPending);
  EXPECT_EQ(client_->Find("0002").state, DebuginfodState::kPending);
  EXPECT_EQ(client_->Find("0003").state, DebuginfodState::kDropped);
  EXPECT_EQ(client_->Find("0002").state, DebuginfodState::kPending) << "waits already";
  EXPECT_EQ(client_->counts().dropped, 1u);
}

TEST_F(DebuginfodTest, DropsWhatItCannotRemember) {
  Start({.max_known = 1, .not_found_time = absl::Seconds(100)});
  EXPECT_EQ(AnswerFor("0001"), DebuginfodState::kNotFound);
  EXPECT_EQ(client_->Find("0002").state, DebuginfodState::kDropped);
  now_ns_ += 101'000'000'000;
  EXPECT_EQ(client_->Find("0002").state, DebuginfodState::kPending) << "in the place of what has expired";
}

TEST_F(DebuginfodTest, GivesUpWhatIsUnderWayWhenItEnds) {
  hold_ = true;
  Start();
  (void)client_->Find(kId);
  AwaitRequest();
  client_.reset();  // returns although the server does not answer
}

TEST_F(DebuginfodTest, RefusesWhatIsNoBuildId) {
  Start();
  for (const std::string& id : {std::string(), std::string("12"), std::string("123"), std::string("12ABCD"),
                                std::string("../../etc"), std::string(130, '0')}) {
    EXPECT_EQ(client_->Find(id).state, DebuginfodState::kUnusable) << id;
  }
  EXPECT_EQ(requests_, 0);
}

TEST(DebuginfodOptionsTest, SaysWhatIsWrong) {
  const DebuginfodOptions kCases[] = {
      {.urls = {}, .cache_folder = "/tmp"},
      {.urls = {"ftp://x"}, .cache_folder = "/tmp"},
      {.urls = {"http://a http://b"}, .cache_folder = "/tmp"},
      {.urls = {"http://a"}, .cache_folder = "relative"},
      {.urls = {"http://a"}, .cache_folder = "/tmp", .timeout = absl::Milliseconds(1)},
  };
  for (const DebuginfodOptions& options : kCases) {
    EXPECT_EQ(Debuginfod::Start(options).status().code(), absl::StatusCode::kInvalidArgument);
  }
  EXPECT_FALSE(Debuginfod::Start({.urls = {"http://a"}, .cache_folder = "/proc/none"}).ok());
}

}  // namespace
}  // namespace kiln::symbolizer
