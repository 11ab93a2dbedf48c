// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>

namespace kiln::pipeline {

// Stands between SQLite and the system's calls, for the whole process, as long as it lives. One at a time; databases
// that were opened before stay under it. Set it up before threads use SQLite.
class SqliteFaults {
 public:
  SqliteFaults();
  ~SqliteFaults();
  SqliteFaults(const SqliteFaults&) = delete;
  SqliteFaults& operator=(const SqliteFaults&) = delete;

  // From now on every write (read) of a file fails with this errno; 0 = works.
  void FailWrites(int error_number);
  void FailReads(int error_number);
  // Called before each call that changes something on the disk.
  void BeforeWrite(std::function<void()> hook);
};

}  // namespace kiln::pipeline
