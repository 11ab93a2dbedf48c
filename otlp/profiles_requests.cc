// SPDX-License-Identifier: Apache-2.0
// Samples are added to the request under way, and what turns out not to fit is taken back again: only the dictionary
// knows what a sample costs, since most of what it refers to is there already.
#include "otlp/profiles_requests.h"

#include <algorithm>

#include "otlp/profiles_message.h"

namespace kiln::otlp {
namespace {

using profile::Profile;

// Tag and length of a message inside another one, at most: a length of 32 bits takes five bytes.
constexpr size_t kFrame = 6;

int64_t SaturatedSum(int64_t a, int64_t b) {
  int64_t sum = 0;
  if (!__builtin_add_overflow(a, b, &sum)) return sum;
  return a < 0 ? std::numeric_limits<int64_t>::min() : std::numeric_limits<int64_t>::max();
}

class RequestEncoder {
 public:
  RequestEncoder(const Profile& profile, const RequestOptions& options)
      : p_(profile), options_(options), dictionary_(profile) {
    for (size_t i = 0; i < p_.sample_types.size(); ++i) {
      const profile::ValueType& type = p_.sample_types[i];
      if (p_.strings[type.type] == "samples" && p_.strings[type.unit] == "count") count_column_ = static_cast<int>(i);
    }
  }

  std::vector<EncodedRequest> Run() {
    for (const ResourceSamples& resource : GroupByResource(p_)) AddResource(resource);
    Flush();
    return std::move(requests_);
  }

 private:
  // What is taken back as a whole, beside the message itself.
  struct State {
    DictionaryBuilder::Mark dictionary;
    size_t body_bytes = 0;  // of the message without the dictionary, at most
    int64_t items = 0;
    int64_t weight = 0;
    bool properties_done = false;
  };

  State Save() const { return {dictionary_.Here(), body_bytes_, items_, weight_, properties_done_}; }
  void Restore(const State& state) {
    dictionary_.RollBack(state.dictionary);
    body_bytes_ = state.body_bytes;
    items_ = state.items;
    weight_ = state.weight;
    properties_done_ = state.properties_done;
  }

  void AddResource(const ResourceSamples& resource) {
    const State before = Save();
    const bool alone = items_ == 0;
    size_t done = Fill(resource, 0);
    if (done < resource.samples.size() && !alone) {
      if (scope_ != nullptr) message_.mutable_resource_profiles()->RemoveLast();
      Restore(before);
      Flush();
      done = Fill(resource, 0);
    }
    while (done < resource.samples.size()) {
      Flush();
      done += Fill(resource, done);
    }
  }

  // Adds samples of `resource` from number `first` on until one does not fit; how many were added. A request that is
  // still empty takes at least one.
  size_t Fill(const ResourceSamples& resource, size_t first) {
    profiles_.assign(p_.sample_types.size(), nullptr);
    pb::ResourceProfiles& out = *message_.add_resource_profiles();
    SetResource(p_, resource.resource, out);
    body_bytes_ += out.ByteSizeLong() + kFrame;
    scope_ = out.add_scope_profiles();
    SetScope(options_.scope_attributes, *scope_);
    body_bytes_ += scope_->ByteSizeLong() + kFrame;
    size_t added = 0;
    while (first + added < resource.samples.size() && AddSample(*resource.samples[first + added])) ++added;
    OrderProfiles();
    if (added == 0) {
      message_.mutable_resource_profiles()->RemoveLast();
      scope_ = nullptr;
    }
    return added;
  }

  // The Profiles were made when they were first needed; they stand in the order of the sample types.
  void OrderProfiles() {
    auto& profiles = *scope_->mutable_profiles();
    int next = 0;
    for (const pb::Profile* profile : profiles_) {
      for (int i = next; profile != nullptr && i < profiles.size(); ++i) {
        if (&profiles[i] != profile) continue;
        profiles.SwapElements(next++, i);
        break;
      }
    }
  }

  bool AddSample(const profile::Sample& sample) {
    const State before = Save();
    const int profiles_before = scope_->profiles_size();
    for (size_t type = 0; type < p_.sample_types.size(); ++type) {
      if (!HasType(p_, sample, type)) continue;
      pb::Sample& out = *ProfileOf(type).add_samples();
      SetSample(p_, sample, sample.values[type], dictionary_, out);
      body_bytes_ += FieldBytes(out.ByteSizeLong());
      ++items_;
    }
    if (count_column_ >= 0) weight_ = SaturatedSum(weight_, sample.values[static_cast<size_t>(count_column_)]);
    const bool fits =
        items_ <= options_.max_samples && body_bytes_ + dictionary_.bytes() + kFrame <= options_.max_bytes;
    if (fits || before.items == 0) return true;
    for (size_t type = 0; type < p_.sample_types.size(); ++type) {
      if (HasType(p_, sample, type)) profiles_[type]->mutable_samples()->RemoveLast();
    }
    while (scope_->profiles_size() > profiles_before) {
      std::ranges::replace(profiles_, scope_->mutable_profiles(scope_->profiles_size() - 1),
                           static_cast<pb::Profile*>(nullptr));
      scope_->mutable_profiles()->RemoveLast();
    }
    Restore(before);
    return false;
  }

  pb::Profile& ProfileOf(size_t type) {
    pb::Profile*& profile = profiles_[type];
    if (profile != nullptr) return *profile;
    profile = scope_->add_profiles();
    SetHead(p_, type, options_.new_profile_id(), dictionary_, *profile);
    if (!properties_done_) SetProperties(p_, dictionary_, *profile);
    properties_done_ = true;
    body_bytes_ += profile->ByteSizeLong() + kFrame;
    return *profile;
  }

  // Fields of a message may stand one after the other: saves a copy of the dictionary.
  void AppendDictionary(std::string& out) const {
    out += static_cast<char>(pb::ProfilesData::kDictionaryFieldNumber << 3 | 2);
    size_t length = dictionary_.bytes();
    for (; length >= 0x80; length >>= 7) out += static_cast<char>(length | 0x80);
    out += static_cast<char>(length);
    dictionary_.dictionary().AppendToString(&out);
  }

  void Flush() {
    if (items_ == 0) return;
    EncodedRequest& request = requests_.emplace_back();
    message_.AppendToString(&request.bytes);
    AppendDictionary(request.bytes);
    message_.Clear();
    request.items = items_;
    request.weight = count_column_ >= 0 ? weight_ : items_;
    const bool properties_done = properties_done_;
    Restore({});
    properties_done_ = properties_done;
  }

  const Profile& p_;
  const RequestOptions& options_;
  int count_column_ = -1;  // of samples/count
  std::vector<EncodedRequest> requests_;

  // The request under way.
  pb::ProfilesData message_;
  DictionaryBuilder dictionary_;
  size_t body_bytes_ = 0;
  int64_t items_ = 0;
  int64_t weight_ = 0;
  bool properties_done_ = false;
  // The resource under way.
  pb::ScopeProfiles* scope_ = nullptr;
  std::vector<pb::Profile*> profiles_;  // by sample type
};

}  // namespace

std::vector<EncodedRequest> EncodeProfilesRequests(const Profile& profile, const RequestOptions& options) {
  return RequestEncoder(profile, options).Run();
}

}  // namespace kiln::otlp
