// SPDX-License-Identifier: Apache-2.0
#include "tests/programs/truth.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace kiln::programs {
namespace {

std::string Quoted(std::string_view text) { return '"' + std::string(text) + '"'; }

void AddEntry(std::string& list, pid_t id, std::string_view name, int64_t on_cpu_ns) {
  if (!list.empty()) list += ',';
  list += "{\"id\":" + std::to_string(id) + ",\"name\":" + Quoted(name) +
          ",\"on_cpu_ns\":" + std::to_string(on_cpu_ns) + '}';
}

}  // namespace

Truth::Truth(std::string_view program) : fields_("\"program\":" + Quoted(program)) {}

Truth& Truth::Number(std::string_view key, int64_t value) {
  fields_ += ',' + Quoted(key) + ':' + std::to_string(value);
  return *this;
}

Truth& Truth::Text(std::string_view key, std::string_view value) {
  fields_ += ',' + Quoted(key) + ':' + Quoted(value);
  return *this;
}

Truth& Truth::Parts(std::string_view key, std::span<const Part> parts) {
  std::string object;
  for (const Part& part : parts) {
    object += (object.empty() ? "" : ",") + Quoted(part.name) + ':' + std::to_string(part.spent_ns);
  }
  fields_ += ',' + Quoted(key) + ":{" + object + '}';
  return *this;
}

Truth& Truth::Process(pid_t pid, std::string_view function, int64_t on_cpu_ns) {
  AddEntry(processes_, pid, function, on_cpu_ns);
  return *this;
}

Truth& Truth::Thread(pid_t tid, std::string_view name, int64_t on_cpu_ns) {
  AddEntry(threads_, tid, name, on_cpu_ns);
  return *this;
}

void Truth::Print() const {
  std::string line = '{' + fields_;
  if (!processes_.empty()) line += ",\"processes\":[" + processes_ + ']';
  if (!threads_.empty()) line += ",\"threads\":[" + threads_ + ']';
  line += "}\n";
  if (write(STDOUT_FILENO, line.data(), line.size()) != static_cast<ssize_t>(line.size())) {
    Die("writing the ground truth");
  }
}

void Die(const std::string& what) {
  perror(what.c_str());
  exit(EXIT_FAILURE);
}

int64_t DurationArgument(int argc, char** argv, int index, const char* usage) {
  char* end = nullptr;
  const double seconds = index < argc ? strtod(argv[index], &end) : 0;
  if (seconds <= 0 || *end != '\0') {
    fprintf(stderr, "usage: %s\n", usage);
    exit(2);
  }
  return static_cast<int64_t>(seconds * 1e9);
}

}  // namespace kiln::programs
