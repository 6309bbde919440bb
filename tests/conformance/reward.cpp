#include <cmath>
#include <thread>

#include <ATen/ops/arange.h>
#include <ATen/ops/index_select.h>

#include "runtime/sdk/check.h"
#include "tests/conformance/conformance.h"
#include "tests/conformance/toy.h"

namespace espalier::conformance {
namespace {

RewardSamples rows(const RewardSamples& all, std::size_t first, std::size_t count) {
  RewardSamples part;
  part.sample.kind = all.sample.kind;
  const auto start = static_cast<std::int64_t>(first), length = static_cast<std::int64_t>(count);
  for (const auto& [name, tensor] : all.sample.tensors) part.sample.tensors[name] = tensor.narrow(0, start, length).contiguous();
  for (const auto& [name, texts] : all.sample.strings) {
    part.sample.strings[name] = {texts.begin() + start, texts.begin() + start + length};
  }
  part.metadata = {all.metadata.begin() + start, all.metadata.begin() + start + length};
  part.text = {all.text.begin() + start, all.text.begin() + start + length};
  return part;
}

// `first`: the number of the first sample's trajectory.
std::vector<double> score(const Reward& reward, const RewardSamples& samples, std::size_t first = 0) {
  const auto count = static_cast<std::int64_t>(samples.metadata.size());
  const auto scores = reward.score({samples.sample, samples.metadata, samples.text, View::range(static_cast<std::int64_t>(first), count)});
  if (!expect_accepted([&] { espalier::check_scores("the reward", scores, count); })) return {};
  const auto exact = scores.to(at::kDouble).contiguous();
  return {exact.const_data_ptr<double>(), exact.const_data_ptr<double>() + exact.numel()};
}

// NaN means that a sample cannot be scored; here it is equal to itself.
bool same(double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); }

void expect_same(const std::vector<double>& a, const std::vector<double>& b, const char* what) {
  ASSERT_EQ(a.size(), b.size()) << what;
  for (std::size_t i = 0; i < a.size(); ++i)
    EXPECT_TRUE(same(a[i], b[i])) << what << ": sample " << i << " scored " << a[i] << " and " << b[i];
}

void check_batches(const Reward& reward, const RewardSamples& samples, const std::vector<double>& whole, double tolerance) {
  for (const std::size_t batch : {std::size_t{1}, std::size_t{3}}) {
    for (std::size_t first = 0; first < whole.size(); first += batch) {
      const auto count = std::min(batch, whole.size() - first);
      const auto part = score(reward, rows(samples, first, count), first);
      ASSERT_EQ(part.size(), count);
      for (std::size_t i = 0; i < count; ++i) {
        const double a = part[i], b = whole[first + i];
        EXPECT_TRUE(same(a, b) || std::abs(a - b) <= tolerance * (1.0 + std::abs(b)))
            << "sample " << first + i << " scored " << b << " among all and " << a << " in a batch of " << batch;
      }
    }
  }
}

void check_threads(const Reward& reward, const RewardSamples& samples, const std::vector<double>& whole) {
  std::vector<double> results[2];
  std::thread threads[2];
  for (int i = 0; i < 2; ++i) {
    threads[i] = std::thread([&, i] { results[i] = score(reward, samples); });
  }
  for (auto& thread : threads) thread.join();
  for (const auto& result : results) expect_same(whole, result, "scored from two threads at once");
}

}  // namespace

void check_reward(const PluginEntry& entry, const Options& options, const RewardSamples& samples, double tolerance) {
  const auto domain = toy_domain();
  check_reward(entry, options, samples, {*domain, nullptr}, tolerance);
}

void check_reward(const PluginEntry& entry, const Options& options, const RewardSamples& samples, const RewardContext& context,
                  double tolerance) {
  check_options(entry);
  SCOPED_TRACE("conformance of " + entry.kind + "." + entry.name);
  const auto kind = inputs_of(entry, options).at("samples").of;
  EXPECT_TRUE(kind.empty() || kind == samples.sample.kind) << "samples of kind '" << samples.sample.kind << "'";
  ASSERT_GE(samples.metadata.size(), 4u);
  ASSERT_EQ(samples.metadata.size(), samples.text.size());
  const auto reward = make<Reward>(entry, options);
  const auto identity = reward->identity();
  EXPECT_EQ(identity, make<Reward>(entry, options)->identity()) << "two equal rewards have two identities";
  reward->open(context);
  EXPECT_EQ(identity, reward->identity()) << "opening changed the identity";
  const auto before = digest_weights(samples.sample.tensors);
  const auto whole = score(*reward, samples);
  ASSERT_EQ(whole.size(), samples.metadata.size());
  EXPECT_EQ(before, digest_weights(samples.sample.tensors)) << "scoring changed the samples";
  expect_same(whole, score(*reward, samples), "scored twice");
  check_batches(*reward, samples, whole, tolerance);
  check_threads(*reward, samples, whole);
}

}  // namespace espalier::conformance
