// SPDX-License-Identifier: Apache-2.0
// ask_debuginfod URL CACHE_FOLDER BUILD_ID…: asks for the debug file of each and prints "BUILD_ID STATE PATH".
#include <fmt/format.h>

#include <cstdio>

#include "symbolizer/debuginfod.h"

using namespace kiln::symbolizer;

int main(int count, char** arguments) {
  if (count < 4) return 2;
  auto client = Debuginfod::Start({.urls = {arguments[1]}, .cache_folder = arguments[2]});
  if (!client.ok()) {
    fmt::print(stderr, "{}\n", client.status().ToString());
    return 1;
  }
  for (int i = 3; i < count; ++i) (void)(*client)->Find(arguments[i]);
  if (!(*client)->AwaitIdle(absl::Minutes(5))) return 1;
  for (int i = 3; i < count; ++i) {
    const Debuginfod::Answer answer = (*client)->Find(arguments[i]);
    fmt::print("{}\t{}\t{}\n", arguments[i], DebuginfodStateName(answer.state), answer.path);
  }
}
