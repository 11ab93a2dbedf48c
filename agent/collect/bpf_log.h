// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace kiln::agent {

// Catches what libbpf would print to stderr while this object lives. libbpf knows one printer per process, so only one
// BpfLog may be alive at a time; it is used on the thread that loads.
class BpfLog {
 public:
  BpfLog();
  BpfLog(const BpfLog&) = delete;
  BpfLog& operator=(const BpfLog&) = delete;
  ~BpfLog();

  // The last line that says why something failed: of the verifier if it spoke, else of libbpf. Empty if none.
  std::string LastLine() const;

 private:
  std::string text_;
};

}  // namespace kiln::agent
