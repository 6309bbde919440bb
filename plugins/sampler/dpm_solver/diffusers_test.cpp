#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include "plugins/sampler/dpm_solver/rule.h"
#include "runtime/base/files.h"
#include "runtime/sampling/transition.h"
#include "tests/conformance/conformance.h"

namespace espalier::conformance {
namespace {

// Written by make_diffusers.py beside it, from diffusers' DPMSolverMultistepScheduler.
constexpr const char* kGolden = ESPALIER_SOURCE_DIR "/plugins/sampler/dpm_solver/diffusers.json";

at::Tensor tensor_of(const Value& numbers) {
  std::vector<double> values;
  for (const auto& number : numbers.as_list()) values.push_back(number.as_number());
  return at::tensor(values, at::kFloat).unsqueeze(0);
}

// The script's network and noise.
at::Tensor network(const std::string& prediction, const at::Tensor& x, double t) {
  const double trend = prediction == "epsilon" ? t / 1000 : prediction == "sample" ? 1 - t / 1000 : 0;
  return x * trend + x * 0.1 / (x * x + 1);
}
at::Tensor noise(std::int64_t step) {
  return ((at::arange(8, at::kFloat) * 37 + static_cast<double>(step) * 53).remainder(64) - 32).unsqueeze(0) / 16;
}

struct Chain {
  explicit Chain(const Value& entry) : entry_(entry), sampler_(make<Sampler>(plugin("sampler.dpm_solver"), options())) {
    ModelInfo info;
    info.role = "denoiser";
    info.process = entry.at("process");
    info.process["_class_name"] = "PNDMScheduler";  // clips nothing, and its spacing would be leading
    process_ = diffusion::make_process(info.process, "the test");
    info.process = process_->config();
    phase_ = sampler_->phases({info}, nullptr).front();
  }

  Options options() const {
    Options options;
    for (const auto& [name, value] : entry_.at("options").as_map()) options.emplace(name, value);
    return options;
  }
  const Phase& phase() const { return phase_; }

  // The state after each step. A solver draws its own noise, from `draws`; what it draws is replaced by the script's.
  std::vector<at::Tensor> states() const {
    const auto prediction = entry_.at("process").at("prediction_type").as_string();
    const auto steps = phase_.grid.num_steps();
    const auto solver = sampler_->solver(phase_);
    auto x = at::tensor(std::vector<double>{-2.1, -0.9, -0.3, 0.05, 0.2, 0.6, 1.3, 2.4}, at::kFloat).unsqueeze(0);
    std::vector<at::Tensor> states;
    for (auto n = steps; n > 0; --n) {
      const auto &from = phase_.grid.at(n), &to = phase_.grid.at(n - 1);
      random::Draws draws({1, random::Purpose::sampling}, {0});
      draws.begin(static_cast<std::uint32_t>(n));
      auto next = solver->step({{"sample", x}}, {{"sample", network(prediction, x, from.timestep)}}, {{*process_, from, to}, draws, {}});
      x = next.at("sample") + (noise(steps - n) - drawn(n)) * spread(from, to);
      states.push_back(x);
    }
    return states;
  }

 private:
  static at::Tensor drawn(std::int64_t n) {
    random::Draws draws({1, random::Purpose::sampling}, {0});
    draws.begin(static_cast<std::uint32_t>(n));
    return draws.normals({8});
  }
  double spread(const diffusion::GridPoint& from, const diffusion::GridPoint& to) const {
    if (entry_.at("options").at("algorithm_type").as_string() == "dpmsolver++") return 0.0;
    const State none = {{"sample", at::tensor(std::vector<double>{0.0}, at::kFloat)}};
    return dpm_solver::transition(none, none, nullptr, process_->level(from.timestep), to.level, {.stochastic = true, .heun = false}).std;
  }

  const Value& entry_;
  std::unique_ptr<Sampler> sampler_;
  std::shared_ptr<const diffusion::NoiseProcess> process_;
  Phase phase_;
};

double relative_difference(const at::Tensor& found, const Value& expected) {
  const auto numbers = tensor_of(expected);
  return (found - numbers).abs().max().item<double>() / numbers.abs().max().item<double>();
}

TEST(DpmSolver, HasDiffusersTimesteps) {
  const auto chains = parse_json(read_file(kGolden), kGolden);
  for (const auto& entry : chains.as_list()) {
    const Chain chain(entry);
    const auto& timesteps = entry.at("timesteps").as_list();
    const auto steps = chain.phase().grid.num_steps();
    ASSERT_EQ(static_cast<std::int64_t>(timesteps.size()), steps);
    for (std::int64_t n = steps; n > 0; --n) {
      EXPECT_EQ(chain.phase().grid.at(n).timestep, timesteps.at(static_cast<std::size_t>(steps - n)).as_number()) << to_json(entry);
    }
  }
}

// float32 there: a chain of 50 steps loses 5e-6 of its largest number; a first-order step in place of a second shows at 1e-3.
TEST(DpmSolver, TakesDiffusersSteps) {
  const auto chains = parse_json(read_file(kGolden), kGolden);
  ASSERT_EQ(chains.as_list().size(), 120U + 28U);
  double worst = 0.0;
  for (const auto& entry : chains.as_list()) {
    const auto states = Chain(entry).states();
    const double second = relative_difference(states.at(std::min<std::size_t>(1, states.size() - 1)), entry.at("second"));
    const double last = relative_difference(states.back(), entry.at("last"));
    EXPECT_LT(std::max(second, last), 2e-5) << to_json(entry.at("process")) << to_json(entry.at("options"));
    worst = std::max({worst, second, last});
  }
  RecordProperty("worst_relative_difference", std::to_string(worst));
}

}  // namespace
}  // namespace espalier::conformance
