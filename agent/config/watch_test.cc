// SPDX-License-Identifier: Apache-2.0
#include "agent/config/watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace kiln::agent::config {
namespace {

namespace fs = std::filesystem;
using ::testing::Contains;
using ::testing::Key;

class WatchTest : public ::testing::Test {
 protected:
  WatchTest() { fs::create_directories(folder_); }
  ~WatchTest() override { fs::remove_all(folder_); }

  static void Write(const fs::path& path, const std::string& text) { std::ofstream(path) << text; }
  void Watch(const std::vector<std::string>& paths) {
    auto watcher = ConfigWatcher::Create(paths);
    ASSERT_TRUE(watcher.ok()) << watcher.status();
    watcher_ = *std::move(watcher);
  }
  // inotify's events are there when the call that makes them returns.
  bool IsReadable() const {
    pollfd poll{.fd = watcher_->fd(), .events = POLLIN};
    return ::poll(&poll, 1, 0) == 1;
  }
  // Takes in what there is, lets the dust settle on the test's own clock, and tells whether that was a change.
  bool Settles() {
    if (IsReadable()) watcher_->OnReadable(now_ns_);
    if (!watcher_->deadline_ns()) return false;
    EXPECT_FALSE(watcher_->Changed(now_ns_)) << "before the dust has settled";
    now_ns_ = *watcher_->deadline_ns();
    const bool changed = watcher_->Changed(now_ns_);
    EXPECT_FALSE(watcher_->Changed(now_ns_)) << "twice";
    return changed;
  }

  const fs::path folder_ = fs::path(::testing::TempDir()) / ("kiln_watch_" + std::to_string(::getpid()));
  const fs::path file_ = folder_ / "kiln.yaml";
  std::unique_ptr<ConfigWatcher> watcher_;
  int64_t now_ns_ = 1'000'000'000;
};

TEST_F(WatchTest, SeesWhatIsWrittenInPlace) {
  Write(file_, "a");
  Watch({file_});
  EXPECT_FALSE(Settles());
  Write(file_, "b");
  EXPECT_TRUE(Settles());
  EXPECT_FALSE(Settles());
}

TEST_F(WatchTest, SeesWhatIsRenamedOver) {
  Write(file_, "a");
  Watch({file_});
  for (const char* text : {"b", "c"}) {
    Write(folder_ / "new", text);
    fs::rename(folder_ / "new", file_);
    EXPECT_TRUE(Settles()) << text;
  }
}

TEST_F(WatchTest, TakesATouchForNothing) {
  Write(file_, "a");
  Watch({file_});
  Write(file_, "a");
  fs::last_write_time(file_, fs::file_time_type::clock::now());
  EXPECT_FALSE(Settles());
  Write(folder_ / "other.yaml", "x");
  EXPECT_FALSE(Settles());
}

TEST_F(WatchTest, TellsNothingThatWasReadAnyway) {
  Write(file_, "a");
  Watch({file_});
  Write(file_, "b");
  watcher_->NoteRead();
  EXPECT_FALSE(Settles());
  Write(file_, "c");
  EXPECT_TRUE(Settles());
}

TEST_F(WatchTest, SeesAFileGoAndComeBack) {
  Write(file_, "a");
  Watch({file_});
  fs::remove(file_);
  EXPECT_TRUE(Settles());
  Write(file_, "a");
  EXPECT_TRUE(Settles());
  // Gone and back within the dust is nothing.
  fs::remove(file_);
  Write(file_, "a");
  EXPECT_FALSE(Settles());
}

TEST_F(WatchTest, FollowsTheSwitchOfAConfigMap) {
  // As kubelet does: kiln.yaml → ..data/kiln.yaml, ..data → ..1.
  const auto version = [&](const std::string& name, const std::string& text) {
    fs::create_directory(folder_ / name);
    Write(folder_ / name / "kiln.yaml", text);
    fs::create_directory_symlink(name, folder_ / "..data_tmp");
    fs::rename(folder_ / "..data_tmp", folder_ / "..data");
  };
  version("..1", "a");
  fs::create_symlink("..data/kiln.yaml", file_);
  Watch({file_});
  for (const auto& [name, old] : {std::pair{"..2", "..1"}, {"..3", "..2"}, {"..4", "..3"}}) {
    version(name, std::string("text of ") + name);
    fs::remove_all(folder_ / old);
    EXPECT_TRUE(Settles()) << name;
  }
  version("..5", "text of ..4");
  EXPECT_FALSE(Settles());
}

TEST_F(WatchTest, FollowsFoldersOnTheWay) {
  const fs::path deep = folder_ / "a" / "b";
  const fs::path file = deep / "kiln.yaml";
  Watch({file});  // nothing of it is there yet
  fs::create_directory(folder_ / "a");
  EXPECT_FALSE(Settles());
  fs::create_directory(deep);
  EXPECT_FALSE(Settles());
  Write(file, "a");
  EXPECT_TRUE(Settles());
  fs::rename(folder_ / "a", folder_ / "old");
  EXPECT_TRUE(Settles());
  Write(folder_ / "old" / "b" / "kiln.yaml", "unseen");
  EXPECT_FALSE(Settles());
  fs::create_directories(deep);
  Write(file, "c");  // before anybody watches the new folder
  EXPECT_TRUE(Settles());
}

TEST_F(WatchTest, SeesFilesOfAFolderComeAndGo) {
  Write(folder_ / "a.yaml", "a");
  Watch({folder_});
  Write(folder_ / "b.yaml", "b");
  EXPECT_TRUE(Settles());
  Write(folder_ / "notes.txt", "x");
  EXPECT_FALSE(Settles());
  Write(folder_ / "b.yaml", "c");
  EXPECT_TRUE(Settles());
  fs::remove(folder_ / "a.yaml");
  EXPECT_TRUE(Settles());
}

TEST_F(WatchTest, WaitsForTheDustButNotForEver) {
  Write(file_, "0");
  Watch({file_});
  const int64_t start = now_ns_;
  for (int i = 1; now_ns_ < start + ConfigWatcher::kMaxSettleNs; ++i) {
    Write(file_, std::to_string(i));
    watcher_->OnReadable(now_ns_);
    EXPECT_FALSE(watcher_->Changed(now_ns_));
    now_ns_ += ConfigWatcher::kSettleNs / 2;
  }
  EXPECT_TRUE(watcher_->Changed(now_ns_));
}

TEST_F(WatchTest, TakesOtherPaths) {
  Write(file_, "a");
  Write(folder_ / "secret", "x");
  Watch({file_});
  Write(folder_ / "secret", "y");
  EXPECT_FALSE(Settles());
  watcher_->SetPaths({file_, folder_ / "secret"});
  EXPECT_FALSE(Settles());
  Write(folder_ / "secret", "z");
  EXPECT_TRUE(Settles());
}

TEST_F(WatchTest, ListsEachStepOfLinks) {
  fs::create_directory(folder_ / "real");
  Write(folder_ / "real" / "f", "");
  fs::create_directory_symlink("real", folder_ / "link");
  fs::create_symlink("../link/./f", folder_ / "real" / "g");
  const auto steps = StepsTo(folder_ / "real" / "g");
  EXPECT_THAT(steps.at(folder_), ::testing::ElementsAre("link", "real"));
  EXPECT_THAT(steps.at(folder_ / "real"), ::testing::ElementsAre("f", "g"));
  EXPECT_THAT(steps, Contains(Key("/")));
  fs::create_symlink("loop", folder_ / "loop");
  EXPECT_THAT(StepsTo(folder_ / "loop" / "x").at(folder_), ::testing::ElementsAre("loop"));
}

}  // namespace
}  // namespace kiln::agent::config
