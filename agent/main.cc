// SPDX-License-Identifier: Apache-2.0
#include "agent/cli/cli.h"
#include "agent/daemon/daemon.h"
#include "agent/record/record.h"
#include "agent/top/top.h"

int main(int argc, char** argv) {
  return kiln::agent::RunCommandLine(
      argc, argv, {.record = kiln::agent::RunRecord, .agent = kiln::agent::RunAgent, .top = kiln::agent::RunTop});
}
