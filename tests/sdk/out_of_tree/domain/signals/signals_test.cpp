#include <ATen/ops/arange.h>
#include <ATen/ops/stack.h>
#include <gmock/gmock.h>

#include <filesystem>
#include <numbers>

#include "runtime/modelfile/folder.h"
#include "tests/conformance/conformance.h"

namespace espalier::conformance {
namespace {

// The model's folder lies beside this file; its network is the library's own.
ModelInfo model_info(Model* model = nullptr) {
  Registrar registrar;
  espalier_register(registrar);
  network::Registry networks;
  for (const auto& entry : registrar.networks()) networks.add(entry);
  const auto folder = std::filesystem::path(__FILE__).parent_path() / "model";
  if (model != nullptr) *model = modelfile::load(folder, networks, {.initialize_weights = 3});
  return modelfile::info(folder, networks, {.initialize_weights = 3});
}

TEST(Signals, Conforms) {
  Model model;
  model_info(&model);
  check_domain(plugin("domain.signals"), {}, {.disjoint_splits = false, .model = &model});
}

TEST(Signals, RefusesAModelOfAnotherSize) {
  const auto domain = make<Domain>(plugin("domain.signals"));
  domain->open({.seed = 3});
  auto info = model_info();
  EXPECT_EQ(domain->codec(&info)->spec().at("signal").shape, std::vector<std::int64_t>{32});
  info.architecture["denoiser"]["num_points"] = 64;
  EXPECT_THAT([&] { domain->codec(&info); }, ::testing::ThrowsMessage<DataError>(::testing::HasSubstr("num_points is 64; it must be 32")));
}

// sin(2 pi f i / 32), [32].
at::Tensor wave(double frequency) { return (at::arange(32, at::kDouble) * (2.0 * std::numbers::pi * frequency / 32.0)).sin(); }

// No energy outside the frequencies 1 to 8, of which as many occur as there are waves.
TEST(Signals, ExamplesAreSumsOfWaves) {
  const auto domain = make<Domain>(plugin("domain.signals"));
  domain->open({.seed = 3});
  std::vector<std::uint64_t> positions;
  for (std::uint64_t p = 0; p < 64; ++p) positions.push_back(p);
  const auto batch = domain->data().examples("train")->at(positions);
  const auto signal = batch.sample.tensors.at("signal").to(at::kDouble);
  std::vector<at::Tensor> power;
  for (int f = 0; f <= 16; ++f) {
    const auto cosine = (at::arange(32, at::kDouble) * (2.0 * std::numbers::pi * f / 32.0)).cos();
    power.push_back(signal.matmul(wave(f)).square() + signal.matmul(cosine).square());
  }
  for (std::int64_t b = 0; b < 64; ++b) {
    std::int64_t found = 0;
    for (std::size_t f = 0; f <= 16; ++f) {
      if (power[f][b].item<double>() < 1e-6) continue;
      EXPECT_TRUE(f >= 1 && f <= 8) << f;
      ++found;
    }
    EXPECT_GE(found, 1);
    EXPECT_LE(found, batch.condition.metadata[static_cast<std::size_t>(b)].at("waves").as_integer());
  }
}

TEST(SignalsLowBand, ConformsAndGivesTheShareOfTheEnergy) {
  RewardSamples samples;
  samples.sample.kind = "signal";
  samples.sample.tensors["signal"] = at::stack({wave(2) + 7.0, wave(3), wave(4), wave(1) + 2.0 * wave(9)}).to(at::kFloat);
  samples.metadata.resize(4);
  samples.text.resize(4);
  check_reward(plugin("reward.signals_low_band"), {}, samples);
  const auto reward = make<Reward>(plugin("reward.signals_low_band"));
  const auto score = reward->score({samples.sample, samples.metadata, samples.text});
  const std::vector<double> expected{1.0, 1.0, 0.0, 0.2};
  for (std::size_t i = 0; i < 4; ++i) EXPECT_NEAR(score[static_cast<std::int64_t>(i)].item<double>(), expected[i], 1e-6) << i;
}

}  // namespace
}  // namespace espalier::conformance
