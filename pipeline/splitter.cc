// SPDX-License-Identifier: Apache-2.0
// Works on the messages themselves, not on profile::Profile, which has no place for scopes, ids, timestamps and much
// else that other senders use. Samples are added to the piece at hand as long as it stays within the limits; the size
// is counted along, exactly but for the lengths of the messages around, for which the most is assumed.
#include "pipeline/splitter.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/stubs/logging.h>
#include <xxhash.h>

#include <algorithm>
#include <limits>
#include <memory>

#include "otlp/profiles.pb.h"
#include "pipeline/dictionary_subset.h"

namespace kiln::pipeline {
namespace {

using google::protobuf::RepeatedPtrField;

// Tag and length of a message around others.
constexpr int64_t kMaxFieldHead = 6;
// Repeating a header of megabytes for each sample is no use to anyone.
constexpr int64_t kMostGrowth = 64;
constexpr int64_t kAlwaysAllowedBytes = int64_t{16} << 20;
// One sample's weight counts up to this when a batch's weight is shared out, so that sums fit.
constexpr int64_t kMaxSampleWeight = int64_t{1} << 32;

int64_t FieldBytes(size_t bytes) {
  return 1 + google::protobuf::io::CodedOutputStream::VarintSize32(static_cast<uint32_t>(bytes)) +
         static_cast<int64_t>(bytes);
}

// How many of `total` belong to the first `part` of `whole`. What it gives for part == whole is all of it, so pieces
// that take the difference to the piece before add up.
int64_t Share(int64_t total, int64_t part, int64_t whole) {
  return whole == 0 ? total : static_cast<int64_t>(static_cast<__int128>(total) * part / whole);
}

class Splitter {
 public:
  Splitter(const Batch& batch, profiles_pb::ProfilesData& message, const SplitLimits& limits)
      : batch_(batch), message_(message), limits_(limits), dictionary_(message.dictionary()) {
    most_bytes_ = kAlwaysAllowedBytes + kMostGrowth * static_cast<int64_t>(batch.bytes.size());
  }

  StatusOr<std::vector<BatchPtr>> Run() && {
    for (profiles_pb::ResourceProfiles& resource : *message_.mutable_resource_profiles()) {
      KILN_RETURN_IF_ERROR(AddResource(resource));
    }
    if (units_ > 0 || pieces_.empty()) KILN_RETURN_IF_ERROR(FinishPiece());
    return ShareOut();
  }

 private:
  struct Piece {
    std::string bytes;
    int64_t items = 0;   // samples in it
    int64_t weight = 0;  // by their values
  };

  // Each of the three takes the children out of the message, which leaves its header.
  Status AddResource(profiles_pb::ResourceProfiles& resource) {
    RepeatedPtrField<profiles_pb::ScopeProfiles> scopes;
    scopes.Swap(resource.mutable_scope_profiles());
    resource_ = &resource;
    open_resource_ = nullptr;
    if (scopes.empty()) KILN_RETURN_IF_ERROR(AddUnit(nullptr, 0));
    for (profiles_pb::ScopeProfiles& scope : scopes) KILN_RETURN_IF_ERROR(AddScope(scope));
    return absl::OkStatus();
  }

  Status AddScope(profiles_pb::ScopeProfiles& scope) {
    RepeatedPtrField<profiles_pb::Profile> profiles;
    profiles.Swap(scope.mutable_profiles());
    scope_ = &scope;
    open_scope_ = nullptr;
    if (profiles.empty()) KILN_RETURN_IF_ERROR(AddUnit(nullptr, 0));
    for (profiles_pb::Profile& profile : profiles) KILN_RETURN_IF_ERROR(AddProfile(profile));
    scope_ = nullptr;
    return absl::OkStatus();
  }

  Status AddProfile(profiles_pb::Profile& profile) {
    RepeatedPtrField<profiles_pb::Sample> samples;
    samples.Swap(profile.mutable_samples());
    profile_ = &profile;
    open_profile_ = nullptr;
    counts_samples_ = CountsSamples(profile);
    if (samples.empty()) KILN_RETURN_IF_ERROR(AddUnit(nullptr, 0));
    for (int i = 0; i < samples.size(); ++i) KILN_RETURN_IF_ERROR(AddUnit(&samples[i], i));
    profile_ = nullptr;
    return absl::OkStatus();
  }

  // Its values are numbers of samples that were taken.
  bool CountsSamples(const profiles_pb::Profile& profile) const {
    const auto text = [&](int32_t index) -> std::string_view {
      const auto& table = message_.dictionary().string_table();
      return index >= 0 && index < table.size() ? std::string_view(table[index]) : std::string_view();
    };
    return text(profile.sample_type().type_strindex()) == "samples" &&
           text(profile.sample_type().unit_strindex()) == "count";
  }

  int64_t WeightOf(const profiles_pb::Sample& sample) const {
    if (!counts_samples_) return 0;
    if (sample.values_size() == 0) return sample.timestamps_unix_nano_size();
    __int128 sum = 0;
    for (const int64_t value : sample.values()) sum += value;
    return static_cast<int64_t>(std::clamp<__int128>(sum, 0, kMaxSampleWeight));
  }

  // What one unit (a sample, or a header that has none below it) adds to the piece at hand. A header that stands there
  // already is null.
  struct Unit {
    std::unique_ptr<profiles_pb::ResourceProfiles> resource;
    std::unique_ptr<profiles_pb::ScopeProfiles> scope;
    std::unique_ptr<profiles_pb::Profile> profile;
    profiles_pb::Sample sample;
    int64_t bytes = 0;
  };

  Status AddUnit(const profiles_pb::Sample* sample, int index) {
    const size_t mark = dictionary_.mark();
    StatusOr<Unit> unit = Translate(sample, index);
    KILN_RETURN_IF_ERROR(unit.status());
    if (units_ > 0 && IsOver(unit->bytes, sample != nullptr)) {
      dictionary_.RollBack(mark);
      KILN_RETURN_IF_ERROR(FinishPiece());
      unit = Translate(sample, index);
      KILN_RETURN_IF_ERROR(unit.status());
    }
    Append(*std::move(unit), sample);
    return absl::OkStatus();
  }

  bool IsOver(int64_t more_bytes, bool is_sample) const {
    if (limits_.max_items > 0 && is_sample && items_ >= limits_.max_items) return true;
    return limits_.max_bytes > 0 && bytes_ + more_bytes + dictionary_.bytes() > limits_.max_bytes;
  }

  StatusOr<Unit> Translate(const profiles_pb::Sample* sample, int index) {
    Unit unit;
    if (open_resource_ == nullptr) {
      unit.resource = std::make_unique<profiles_pb::ResourceProfiles>(*resource_);
      if (unit.resource->has_resource()) {
        KILN_RETURN_IF_ERROR(dictionary_.KeyValues(*unit.resource->mutable_resource()->mutable_attributes()));
      }
      unit.bytes += kMaxFieldHead + static_cast<int64_t>(unit.resource->ByteSizeLong());
    }
    if (scope_ != nullptr && open_scope_ == nullptr) {
      unit.scope = std::make_unique<profiles_pb::ScopeProfiles>(*scope_);
      if (unit.scope->has_scope()) {
        KILN_RETURN_IF_ERROR(dictionary_.KeyValues(*unit.scope->mutable_scope()->mutable_attributes()));
      }
      unit.bytes += kMaxFieldHead + static_cast<int64_t>(unit.scope->ByteSizeLong());
    }
    if (profile_ != nullptr && open_profile_ == nullptr) {
      unit.profile = std::make_unique<profiles_pb::Profile>(*profile_);
      KILN_RETURN_IF_ERROR(TranslateProfile(*unit.profile, index));
      unit.bytes += kMaxFieldHead + static_cast<int64_t>(unit.profile->ByteSizeLong());
    }
    if (sample != nullptr) {
      unit.sample = *sample;
      int32_t stack = sample->stack_index();
      int32_t link = sample->link_index();
      KILN_RETURN_IF_ERROR(dictionary_.Stack(stack));
      KILN_RETURN_IF_ERROR(dictionary_.Link(link));
      KILN_RETURN_IF_ERROR(dictionary_.Attributes(*unit.sample.mutable_attribute_indices()));
      unit.sample.set_stack_index(stack);
      unit.sample.set_link_index(link);
      unit.bytes += FieldBytes(unit.sample.ByteSizeLong());
    }
    return unit;
  }

  Status TranslateProfile(profiles_pb::Profile& profile, int first_sample) {
    const auto translate = [&](profiles_pb::ValueType& type) {
      int32_t name = type.type_strindex();
      int32_t unit = type.unit_strindex();
      KILN_RETURN_IF_ERROR(dictionary_.Text(name));
      KILN_RETURN_IF_ERROR(dictionary_.Text(unit));
      type.set_type_strindex(name);
      type.set_unit_strindex(unit);
      return absl::OkStatus();
    };
    if (profile.has_sample_type()) KILN_RETURN_IF_ERROR(translate(*profile.mutable_sample_type()));
    if (profile.has_period_type()) KILN_RETURN_IF_ERROR(translate(*profile.mutable_period_type()));
    if (first_sample > 0) {
      profile.clear_original_payload();
      profile.clear_original_payload_format();
      if (!profile.profile_id().empty()) profile.set_profile_id(PartId(profile.profile_id(), first_sample));
    }
    return dictionary_.Attributes(*profile.mutable_attribute_indices());
  }

  // Two Profiles must not have one id. Made of the whole's, so that a batch that is sent again has the same parts.
  static std::string PartId(const std::string& id, int first_sample) {
    const XXH128_hash_t hash = XXH3_128bits_withSeed(id.data(), id.size(), static_cast<XXH64_hash_t>(first_sample));
    XXH128_canonical_t bytes;
    XXH128_canonicalFromHash(&bytes, hash);
    return {reinterpret_cast<const char*>(bytes.digest), sizeof(bytes.digest)};
  }

  void Append(Unit unit, const profiles_pb::Sample* sample) {
    if (unit.resource != nullptr) {
      open_resource_ = unit.resource.get();
      piece_.mutable_resource_profiles()->AddAllocated(unit.resource.release());
    }
    if (unit.scope != nullptr) {
      open_scope_ = unit.scope.get();
      open_resource_->mutable_scope_profiles()->AddAllocated(unit.scope.release());
    }
    if (unit.profile != nullptr) {
      open_profile_ = unit.profile.get();
      open_scope_->mutable_profiles()->AddAllocated(unit.profile.release());
    }
    if (sample != nullptr) {
      *open_profile_->add_samples() = std::move(unit.sample);
      ++items_;
      weight_ += WeightOf(*sample);
    }
    bytes_ += unit.bytes;
    ++units_;
  }

  Status FinishPiece() {
    Piece piece{.items = items_, .weight = weight_};
    most_bytes_ -= bytes_ + dictionary_.bytes();
    if (most_bytes_ < 0 || !piece_.SerializeToString(&piece.bytes)) {
      return Error(absl::StatusCode::kResourceExhausted,
                   "a request of {} bytes would become more than {} times as large when split", batch_.bytes.size(),
                   kMostGrowth);
    }
    dictionary_.AppendField(piece.bytes);
    pieces_.push_back(std::move(piece));
    piece_.Clear();
    dictionary_.RollBack(0);
    open_resource_ = nullptr;
    open_scope_ = nullptr;
    open_profile_ = nullptr;
    bytes_ = items_ = weight_ = units_ = 0;
    return absl::OkStatus();
  }

  std::vector<BatchPtr> ShareOut() {
    int64_t all_items = 0;
    int64_t all_weight = 0;
    for (const Piece& piece : pieces_) {
      all_items += piece.items;
      all_weight += piece.weight;
    }
    std::vector<BatchPtr> out;
    int64_t items_so_far = 0;
    int64_t weight_so_far = 0;
    Batch given;  // to the pieces before
    for (Piece& piece : pieces_) {
      items_so_far += piece.items;
      weight_so_far += piece.weight;
      const int64_t items = Share(batch_.items, items_so_far, all_items);
      const int64_t weight = all_weight > 0 ? Share(batch_.weight, weight_so_far, all_weight)
                                            : Share(batch_.weight, items_so_far, all_items);
      out.push_back(std::make_shared<const Batch>(Batch{.signal = batch_.signal,
                                                        .bytes = std::move(piece.bytes),
                                                        .items = items - given.items,
                                                        .weight = weight - given.weight,
                                                        .created_unix_nano = batch_.created_unix_nano}));
      given.items = items;
      given.weight = weight;
    }
    return out;
  }

  const Batch& batch_;
  profiles_pb::ProfilesData& message_;
  const SplitLimits limits_;
  int64_t most_bytes_;
  std::vector<Piece> pieces_;

  // Where we are in the batch: headers; null where there is none.
  const profiles_pb::ResourceProfiles* resource_ = nullptr;
  const profiles_pb::ScopeProfiles* scope_ = nullptr;
  const profiles_pb::Profile* profile_ = nullptr;
  bool counts_samples_ = false;

  // The piece at hand, and the copies of these headers in it; null if they are not in it yet.
  profiles_pb::ProfilesData piece_;
  DictionarySubset dictionary_;
  profiles_pb::ResourceProfiles* open_resource_ = nullptr;
  profiles_pb::ScopeProfiles* open_scope_ = nullptr;
  profiles_pb::Profile* open_profile_ = nullptr;
  int64_t bytes_ = 0;  // without the dictionary
  int64_t items_ = 0;
  int64_t weight_ = 0;
  int64_t units_ = 0;
};

Status Parse(const Batch& batch, profiles_pb::ProfilesData& message) {
  const google::protobuf::LogSilencer errors_are_returned;
  if (batch.bytes.size() > static_cast<size_t>(std::numeric_limits<int>::max()) ||
      !message.ParseFromString(batch.bytes)) {
    return Error(absl::StatusCode::kInvalidArgument, "a request of {} bytes is no OTLP profiles and can't be split",
                 batch.bytes.size());
  }
  return absl::OkStatus();
}

}  // namespace

StatusOr<std::vector<BatchPtr>> SplitBatch(const BatchPtr& batch, const SplitLimits& limits) {
  const bool over = (limits.max_bytes > 0 && static_cast<int64_t>(batch->bytes.size()) > limits.max_bytes) ||
                    (limits.max_items > 0 && batch->items > limits.max_items);
  if (!over || batch->signal != Signal::kProfiles) return std::vector{batch};
  profiles_pb::ProfilesData message;
  KILN_RETURN_IF_ERROR(Parse(*batch, message));
  return Splitter(*batch, message, limits).Run();
}

StatusOr<std::vector<BatchPtr>> HalveBatch(const BatchPtr& batch) {
  if (batch->signal != Signal::kProfiles) return std::vector{batch};
  profiles_pb::ProfilesData message;
  KILN_RETURN_IF_ERROR(Parse(*batch, message));
  int64_t samples = 0;
  for (const auto& resource : message.resource_profiles()) {
    for (const auto& scope : resource.scope_profiles()) {
      for (const auto& profile : scope.profiles()) samples += profile.samples_size();
    }
  }
  if (samples < 2) return std::vector{batch};
  return Splitter(*batch, message, {.max_items = (samples + 1) / 2}).Run();
}

}  // namespace kiln::pipeline
