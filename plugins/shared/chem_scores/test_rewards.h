#pragma once

#include <string>
#include <utility>
#include <vector>

#include "tests/conformance/conformance.h"
#include "tests/conformance/toy.h"

// For tests of rewards that judge samples of kind "molecule".
namespace espalier::chem::testing {

inline conformance::RewardSamples samples_of(Sample sample) {
  const std::size_t count = sample.strings.at("smiles").size();
  return {std::move(sample), std::vector<Value>(count), std::vector<std::string>(count)};
}

// Molecules without positions; "" is an invalid one.
inline conformance::RewardSamples smiles_samples(const std::vector<std::string>& smiles) {
  return samples_of(Sample{"molecule", {}, {{"smiles", smiles}}});
}

// What the reward ("reward.qed") gives each of them.
inline std::vector<double> scores(const std::string& reward_name, const conformance::RewardSamples& samples,
                                  const conformance::Options& options = {}) {
  const auto domain = conformance::toy_domain();
  const auto reward = conformance::make<Reward>(conformance::plugin(reward_name), options);
  reward->open({*domain, nullptr});
  const auto found = reward->score({samples.sample, samples.metadata, samples.text});
  return {found.const_data_ptr<double>(), found.const_data_ptr<double>() + found.numel()};
}

}  // namespace espalier::chem::testing
