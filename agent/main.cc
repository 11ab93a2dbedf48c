// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <string_view>

#include "agent/cli/cli.h"
#include "agent/daemon/daemon.h"
#include "agent/record/record.h"
#include "agent/symbolize/symbolize.h"
#include "agent/symbols/index_process.h"
#include "agent/top/top.h"

int main(int argc, char** argv) {
  // What kiln starts itself by this name is no command of a user's.
  if (argc > 1 && std::string_view(argv[1]) == kiln::agent::kIndexerArgument) {
    // At once: what it has in memory goes with it.
    ::_exit(kiln::agent::RunIndexer({argv + 2, argv + argc}));
  }
  kiln::agent::AllowIndexJobs();
  return kiln::agent::RunCommandLine(argc, argv,
                                     {.record = kiln::agent::RunRecord,
                                      .agent = kiln::agent::RunAgent,
                                      .top = kiln::agent::RunTop,
                                      .symbolize = kiln::agent::RunSymbolize});
}
