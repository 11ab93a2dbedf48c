// SPDX-License-Identifier: Apache-2.0
#include "agent/flush/window_worker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

namespace kiln::agent {
namespace {

std::unique_ptr<Window> WindowAt(uint64_t start_ns) {
  auto window = std::make_unique<Window>();
  window->frequency_hz = 99;
  window->start_ns = start_ns;
  return window;
}

TEST(WindowWorker, WorksOffAllWindowsInTheirOrderAndIsReadyWhenNoneWaits) {
  std::promise<void> go;
  std::shared_future<void> gone = go.get_future().share();
  std::promise<void> began;
  std::vector<uint64_t> seen;
  WindowWorker worker([&](const Window& window, Namer&) {
    if (seen.empty()) {
      began.set_value();
      gone.wait();
    }
    seen.push_back(window.start_ns);
  });
  EXPECT_TRUE(worker.IsReady());
  worker.OnWindow(WindowAt(1));
  began.get_future().wait();
  EXPECT_TRUE(worker.IsReady());  // the first is worked on
  worker.OnWindow(WindowAt(2));
  EXPECT_FALSE(worker.IsReady());
  go.set_value();
  worker.OnWindow(WindowAt(3));  // waits for room
  worker.Finish();
  EXPECT_THAT(seen, testing::ElementsAre(1, 2, 3));
  worker.Finish();
}

TEST(WindowWorker, EndsWithoutAnyWindow) {
  int calls = 0;
  {
    WindowWorker worker([&](const Window&, Namer&) { ++calls; });
  }
  EXPECT_EQ(calls, 0);
}

}  // namespace
}  // namespace kiln::agent
