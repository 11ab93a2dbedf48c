// SPDX-License-Identifier: Apache-2.0
#include "agent/daemon/profile_source.h"

#include <re2/re2.h>

#include <algorithm>
#include <map>

#include "agent/flush/profile_writer.h"
#include "agent/session/environment.h"
#include "agent/telemetry/cgroup_limits.h"
#include "base/file.h"
#include "otlp/profiles_requests.h"
#include "otlp/semconv.h"

namespace kiln::agent {
namespace {

// What receivers of OTLP take at once: Pyroscope's burst of 2 MB is the least of those that are known, and its profiles
// have 16 000 samples at most. Exporters split further where they are told to.
constexpr size_t kMaxRequestBytes = 1'750'000;
constexpr int64_t kMaxRequestSamples = 16'000;
constexpr size_t kMaxProcessRows = 500;
constexpr uint64_t kLongWindows = 4;
constexpr size_t kSmallCacheDivisor = 8;

uint64_t Ns(absl::Duration duration) { return static_cast<uint64_t>(absl::ToInt64Nanoseconds(duration)); }

std::string TextOf(const identity::ProcessIdentity& who, std::string_view key) {
  const identity::Attribute* attribute = identity::Find(who.attributes, key);
  return attribute == nullptr ? "" : identity::TextOf(*attribute);
}

// A path below the root of cgroup v2 as a folder, wherever that is mounted.
std::string CgroupFolder(const std::string& path) {
  const auto mountinfo = ReadFile("/proc/self/mountinfo", size_t{1} << 20);
  const auto mount = mountinfo.ok() ? FindCgroupMount(*mountinfo, "") : std::nullopt;
  if (!mount || path.starts_with(mount->mount_point + "/")) return path;
  return mount->mount_point + path;
}

}  // namespace

ProfileSource::ProfileSource(Options options, pipeline::Consumer& consumer, MetricRegistry& metrics)
    : options_(std::move(options)),
      consumer_(consumer),
      metrics_(metrics),
      windows_(metrics.GetCounter("kiln_profiling_windows_total", "Windows of profiles that were finished.")),
      window_samples_(metrics.GetCounter("kiln_profiling_window_samples_total", "Samples in finished windows.")),
      accepted_items_(metrics.GetCounter("otelcol_receiver_accepted_profile_samples_total",
                                         "OTLP samples that went into the pipeline.", {{"receiver", options_.id}})),
      refused_items_(metrics.GetCounter("otelcol_receiver_refused_profile_samples_total",
                                        "OTLP samples that the pipeline did not take; they are lost.",
                                        {{"receiver", options_.id}})),
      refused_samples_(metrics.GetCounter("kiln_profiling_refused_samples_total",
                                          "Samples that the pipeline did not take; they are lost.")),
      governed_{.frequency_hz = static_cast<int>(options_.settings.frequency)},
      before_(options_.before),
      thread_name_(options_.settings.attributes.thread_name),
      thread_id_(options_.settings.attributes.thread_id) {}

StatusOr<std::unique_ptr<ProfileSource>> ProfileSource::Start(Options options, pipeline::Consumer& consumer,
                                                              MetricRegistry& metrics) {
  std::unique_ptr<ProfileSource> source(new ProfileSource(std::move(options), consumer, metrics));
  const config::ProfilingReceiver& settings = source->options_.settings;
  KILN_ASSIGN_OR_RETURN(auto reader, identity::IdentityReader::Create(IdentityOptionsOf(settings), metrics));
  source->identities_ = std::make_unique<ProcessIdentities>(std::move(reader));
  source->indexes_ = source->MakeIndexes(settings);
  source->worker_ = std::make_unique<WindowWorker>(
      [raw = source.get()](const Window& window, Namer& namer) { raw->OnWindow(window, namer); },
      source->options_.cache_bytes, source->indexes_);
  KILN_ASSIGN_OR_RETURN(source->session_, source->OpenSession(settings));
  KILN_RETURN_IF_ERROR(source->session_->Begin());
  source->RegisterMetrics();
  return source;
}

ProfileSource::~ProfileSource() { Stop(); }

std::shared_ptr<LineIndexes> ProfileSource::MakeIndexes(const config::ProfilingReceiver& settings) const {
  const config::ProfilingDebugInfo& debug_info = settings.debug_info;
  return std::make_shared<LineIndexes>(LineIndexOptions{.enabled = debug_info.enabled,
                                                        .cache_folder = LineCacheFolder(debug_info.cache),
                                                        .cache_bytes = static_cast<uint64_t>(debug_info.cache_size),
                                                        .memory_bytes = static_cast<uint64_t>(debug_info.memory),
                                                        .debug_folders = debug_info.directories,
                                                        .debuginfod = options_.debuginfod});
}

LineIndexes::Status ProfileSource::index_status() const {
  std::shared_ptr<LineIndexes> indexes;
  {
    const std::lock_guard lock(mutex_);
    indexes = indexes_;
  }
  return indexes->status();
}

SessionOptions ProfileSource::SessionOptionsFor(const config::ProfilingReceiver& settings) const {
  SessionOptions options;
  options.sampler.frequency_hz = static_cast<int>(settings.frequency);
  options.sampler.kernel_stacks = settings.kernel_stacks;
  options.sampler.measures_cost = true;
  for (const std::string& path : settings.filters.cgroups) options.sampler.cgroups.push_back(CgroupFolder(path));
  options.exclude_self = settings.filters.exclude_self;
  options.sampler.filter_pids = !settings.filters.pids.empty();
  options.targets = settings.filters.pids;
  if (!settings.filters.comm.empty()) {
    options.sampler.filter_comm = true;
    // The configuration has been checked: it compiles.
    options.comm_matches = [regex = std::make_shared<const RE2>(settings.filters.comm, RE2::Quiet)](
                               const std::string& comm) { return RE2::PartialMatch(comm, *regex); };
  }
  options.unwinder.memory_bytes = static_cast<uint64_t>(settings.unwind_memory);
  options.unwinder.cache_folder = UnwindCacheFolder(settings.unwind_cache);
  options.bpf_memory_bytes = options_.bpf_memory_bytes;
  options.window_ns = Ns(settings.window);
  options.windows = worker_.get();
  options.identities = identities_.get();
  return options;
}

StatusOr<std::unique_ptr<Session>> ProfileSource::OpenSession(const config::ProfilingReceiver& settings) {
  KILN_ASSIGN_OR_RETURN(auto session, Session::Open(SessionOptionsFor(settings)));
  notes_ = session->notes();
  return session;
}

Status ProfileSource::Apply(const config::ProfilingReceiver& settings, const config::ReceiverChange& change) {
  using Part = config::ReceiverPart;
  const auto changes = [&change](Part part) { return change.parts.contains(part); };
  if (changes(Part::kResource) || changes(Part::kRelabel)) {
    KILN_ASSIGN_OR_RETURN(auto reader, identity::IdentityReader::Create(IdentityOptionsOf(settings), metrics_));
    identities_->Replace(std::move(reader));
    session_->Reidentify();
  }
  if (changes(Part::kFilters) || changes(Part::kKernelStacks) || changes(Part::kUnwinding) || changes(Part::kKinds)) {
    KILN_RETURN_IF_ERROR(Restart(settings));
  }
  if (changes(Part::kDebugInfo)) {
    auto indexes = MakeIndexes(settings);
    worker_->SetIndexes(indexes);
    const std::lock_guard lock(mutex_);
    indexes_.swap(indexes);
  }
  options_.settings = settings;
  thread_name_ = settings.attributes.thread_name;
  thread_id_ = settings.attributes.thread_id;
  SetWindow();
  return absl::OkStatus();
}

Status ProfileSource::Restart(const config::ProfilingReceiver& settings) {
  KILN_ASSIGN_OR_RETURN(auto next, OpenSession(settings));
  EndSession();
  Status status = next->Begin();
  {
    const std::lock_guard lock(mutex_);
    session_ = std::move(next);
  }
  Govern(governed_);  // the new session began with what the settings say
  return status;
}

void ProfileSource::EndSession() {
  (void)session_->Stop();
  const std::lock_guard lock(mutex_);
  before_.AddCountsOf(session_->status());
}

void ProfileSource::SetWindow() {
  const uint64_t times = governed_.detail >= Detail::kLongWindows ? kLongWindows : 1;
  session_->SetWindow(times * Ns(options_.settings.window));
}

void ProfileSource::Govern(const GovernorDecision& decision) {
  governed_ = decision;
  session_->SetFrequency(decision.frequency_hz);
  session_->AllowStackCopies(decision.detail < Detail::kNoStackCopies);
  SetWindow();
  worker_->SetCacheBytes(decision.small_caches ? options_.cache_bytes / kSmallCacheDivisor : options_.cache_bytes);
}

void ProfileSource::Stop() {
  registrations_.clear();
  if (session_ != nullptr) (void)session_->Stop();
  if (worker_ != nullptr) worker_->Finish();
}

void ProfileSource::OnWindow(const Window& window, Namer& namer) {
  windows_.Add();
  window_samples_.Add(window.aggregate.samples);
  NoteProcesses(window);
  if (window.aggregate.samples == 0) return;
  NamingCounts naming;
  const profile::Profile profile = MakeProfile(
      window, namer, {.thread_id = thread_id_, .thread_name = thread_name_, .texts = {}, .numbers = window.losses},
      naming);
  {
    const std::lock_guard lock(mutex_);
    naming_notes_ = namer.notes();
  }
  HandOver(profile);
}

void ProfileSource::HandOver(const profile::Profile& profile) {
  for (otlp::EncodedRequest& request :
       otlp::EncodeProfilesRequests(profile, {.max_bytes = kMaxRequestBytes, .max_samples = kMaxRequestSamples})) {
    const int64_t items = request.items, weight = request.weight;
    auto batch = std::make_shared<const pipeline::Batch>(
        pipeline::Batch{.signal = pipeline::Signal::kProfiles,
                        .bytes = std::move(request.bytes),
                        .items = items,
                        .weight = weight,
                        .created_unix_nano = profile.time_unix_nano + profile.duration_nano});
    if (consumer_.Consume(std::move(batch)).ok()) {
      accepted_items_.Add(items);
    } else {
      refused_items_.Add(items);
      refused_samples_.Add(weight);
    }
  }
}

void ProfileSource::NoteProcesses(const Window& window) {
  struct Sum {
    int64_t samples = 0;
    int64_t complete = 0;
    std::string name;
  };
  std::map<ImageId, Sum> sums;
  int64_t complete = 0;
  for (const Aggregate::Count& count : window.aggregate.counts) {
    const Thread& thread = window.aggregate.threads[count.thread];
    Sum& sum = sums[thread.image];
    sum.samples += count.samples;
    if (sum.name.empty()) sum.name = thread.identity.process_comm;
    if (!IsComplete(window.aggregate.stacks[count.stack].stop)) continue;
    sum.complete += count.samples;
    complete += count.samples;
  }
  std::vector<ProcessRow> rows;
  for (const auto& [image, sum] : sums) {
    const WindowImage& facts = window.images.at(image);
    ProcessRow row{.pid = facts.pid.value,
                   .name = sum.name,
                   .samples = sum.samples,
                   .complete_share = static_cast<double>(sum.complete) / static_cast<double>(sum.samples)};
    if (facts.who != nullptr) {
      row.executable = TextOf(*facts.who, otlp::kProcessExecutablePath);
      row.service = TextOf(*facts.who, otlp::kServiceName);
      row.container = TextOf(*facts.who, otlp::kContainerId);
      row.runtime = TextOf(*facts.who, otlp::kContainerRuntimeName);
    }
    rows.push_back(std::move(row));
  }
  std::ranges::stable_sort(rows, std::greater<>(), &ProcessRow::samples);
  if (rows.size() > kMaxProcessRows) rows.resize(kMaxProcessRows);
  const int64_t all = window.aggregate.samples;
  const std::lock_guard lock(mutex_);
  processes_ = std::move(rows);
  if (all > 0) complete_share_ = static_cast<double>(complete) / static_cast<double>(all);
}

SessionStatus ProfileSource::status() const {
  const std::lock_guard lock(mutex_);
  SessionStatus status = session_->status();
  status.AddCountsOf(before_);
  return status;
}

uint64_t ProfileSource::bpf_ns() const { return status().counters[KILN_COUNTER_RUN_NS]; }

std::vector<ProcessRow> ProfileSource::Processes() const {
  const std::lock_guard lock(mutex_);
  return processes_;
}

std::vector<std::string> ProfileSource::naming_notes() const {
  const std::lock_guard lock(mutex_);
  return naming_notes_;
}

double ProfileSource::last_complete_share() const {
  const std::lock_guard lock(mutex_);
  return complete_share_;
}

}  // namespace kiln::agent
