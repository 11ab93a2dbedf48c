// SPDX-License-Identifier: Apache-2.0
// What one new process costs: its identity from the real /proc, of this process (its environment is what runs the
// benchmark) and its parts.
#include <benchmark/benchmark.h>
#include <unistd.h>

#include "agent/identity/cgroup_path.h"
#include "agent/identity/identity.h"
#include "agent/identity/mount_facts.h"
#include "base/file.h"

namespace kiln::agent::identity {
namespace {

void ReadIdentity(benchmark::State& state, IdentityOptions options) {
  MetricRegistry registry;
  const auto reader = *IdentityReader::Create(std::move(options), registry);
  const KnownProcess known{.pid = Pid{::getpid()}};
  for (auto _ : state) benchmark::DoNotOptimize(reader->Read(known));
}

void Default(benchmark::State& state) { ReadIdentity(state, {}); }
BENCHMARK(Default);

void EverythingOn(benchmark::State& state) {
  ReadIdentity(state, {.environment_variables = {"HOME", "PATH", "REGION"},
                       .command_line = true,
                       .relabel = {{.action = RelabelAction::kDrop, .source = "service.name", .regex = "cron|atd"},
                                   {.action = RelabelAction::kSet, .target = "cluster", .value = "prod"}}});
}
BENCHMARK(EverythingOn);

void NoEnvironment(benchmark::State& state) { ReadIdentity(state, {.otel_environment = false}); }
BENCHMARK(NoEnvironment);

void GoneProcess(benchmark::State& state) {
  MetricRegistry registry;
  const auto reader = *IdentityReader::Create({}, registry);
  const ProcessIdentity parent = reader->Read({.pid = Pid{::getpid()}});
  const KnownProcess gone{.pid = Pid{1 << 30}, .start_ns = 1};
  for (auto _ : state) benchmark::DoNotOptimize(reader->Read(gone, &parent));
}
BENCHMARK(GoneProcess);

void ParseKindCgroup(benchmark::State& state) {
  const std::string id(64, 'a');
  const std::string text = "0::/system.slice/docker-" + id +
                           ".scope/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/"
                           "kubelet-kubepods-burstable-podd965450c_a307_418f_9349_5a715e85cdd3.slice/cri-containerd-" +
                           std::string(64, 'b') + ".scope\n";
  for (auto _ : state) benchmark::DoNotOptimize(ParseCgroup(text));
}
BENCHMARK(ParseKindCgroup);

void ParseOwnMounts(benchmark::State& state) {
  const auto text = ReadFile("/proc/self/mountinfo", 1 << 20);
  for (auto _ : state) benchmark::DoNotOptimize(ParseMountInfo(*text));
}
BENCHMARK(ParseOwnMounts);

}  // namespace
}  // namespace kiln::agent::identity
