// The numbers of diffusers' DDIMScheduler and FlowMatchEulerDiscreteScheduler, written to golden.json by make_golden.py.
#include <gtest/gtest.h>

#include "runtime/base/digest.h"
#include "runtime/base/errors.h"
#include "runtime/base/files.h"
#include "runtime/diffusion/rectified_flow.h"
#include "runtime/diffusion/schedule.h"
#include "tests/runtime/diffusion/support.h"

namespace espalier::diffusion {
namespace {

const Value& golden() {
  static const Value value = [] {
    const std::string path = std::string(ESPALIER_SOURCE_DIR) + "/tests/runtime/diffusion/golden.json";
    return parse_json(read_file(path), path);
  }();
  return value;
}

std::vector<double> numbers(const Value& list) {
  std::vector<double> result;
  for (const auto& element : list.as_list()) {
    result.push_back(element.as_number());
  }
  return result;
}

// The same as make_golden.py's.
at::Tensor start() { return column({-2.1, -0.9, -0.3, 0.05, 0.2, 0.6, 1.3, 2.4}).to(at::kFloat).reshape({2, 4}); }
at::Tensor noise(double step) { return (((at::arange(8, at::kDouble).reshape({2, 4}) * 37 + step * 53).remainder(64)) - 32) / 16; }
at::Tensor network(Prediction prediction, const at::Tensor& x, double t) {
  const double trend = prediction == Prediction::epsilon ? t / 1000 : prediction == Prediction::sample ? 1 - t / 1000 : 0.0;
  return x * trend + x * 0.1 / (x * x + 1);
}

// The largest difference, relative where a number is above 1.
double distance(const at::Tensor& found, const Value& expected) {
  const auto wanted = column(numbers(expected)).reshape({2, 4});
  return ((found - wanted).abs() / wanted.abs().clamp_min(1.0)).max().item<double>();
}

TEST(Diffusers, AlphaBarsAreEqual) {
  for (const auto& entry : golden().at("schedules").as_list()) {
    Value config;
    for (const char* key : {"beta_schedule", "beta_start", "beta_end"}) {
      config[key] = entry.at(key);
    }
    const auto table = alpha_bars(read_scheduler_config(config, "golden.json"));
    const auto expected = numbers(entry.at("alpha_bar"));
    for (std::size_t i = 0; i < expected.size(); ++i) {
      const auto t = static_cast<std::size_t>(entry.at("index").as_list()[i].as_integer());
      EXPECT_EQ(table.at(t), expected[i]) << entry.at("beta_schedule").as_string() << " " << t;
    }
    EXPECT_NEAR(std::accumulate(table.begin(), table.end(), 0.0), entry.at("sum").as_number(), 1e-9);
  }
}

TEST(Diffusers, TimestepsAreEqualForEveryCount) {
  for (const auto& [name, digest] : golden().at("timesteps_sha256").as_map()) {
    Value table;
    table["timestep_spacing"] = name;
    const auto config = read_scheduler_config(table, "golden.json");
    std::string text;
    for (std::int64_t count = 1; count <= 1000; ++count) {
      const auto timesteps = inference_timesteps(config, count);
      for (std::size_t i = 0; i < timesteps.size(); ++i) {
        text += (i == 0 ? (count == 1 ? "" : "\n") : ",") + std::to_string(timesteps[i]);
      }
    }
    EXPECT_EQ(sha256(text), digest.as_string()) << name;
  }
}

struct Worst {
  double step = 0.0;
  double chain = 0.0;
};
Worst follow(const Value& entry, at::ScalarType dtype) {
  const auto config = read_scheduler_config(entry.at("config"), "golden.json");
  const VariancePreserving process(config);
  const auto grid = process.grid(entry.at("num_inference_steps").as_integer());
  auto x = start().to(dtype);
  Worst worst;
  for (std::int64_t n = grid.num_steps(); n > 0; --n) {
    const State prediction = {{"x", network(config.prediction, x, grid.at(n).timestep)}};
    const auto [mean, std] = process.transition({{"x", x}}, prediction, grid.at(n), grid.at(n - 1), entry.at("eta").as_number());
    x = mean.at("x") + noise(static_cast<double>(grid.num_steps() - n)).to(dtype) * std;
    if (n == grid.num_steps()) {
      worst.step = distance(x, entry.at("first"));
    }
  }
  worst.chain = distance(x, entry.at("last"));
  return worst;
}

TEST(Diffusers, OneStepAndAWholeChainAreEqual) {
  std::size_t chains = 0;
  for (const auto& entry : golden().at("chains").as_list()) {
    const bool single = entry.at("dtype").as_string() == "float32";
    const auto worst = follow(entry, single ? at::kFloat : at::kDouble);
    EXPECT_LT(worst.step, single ? 1e-6 : 1e-10) << to_json(entry);
    EXPECT_LT(worst.chain, single ? 1e-5 : 1e-10) << to_json(entry);
    ++chains;
  }
  EXPECT_EQ(chains, 135U + 54U);
}

TEST(Diffusers, FlowStepsAreEqual) {
  const RectifiedFlow process{FlowConfig{}};
  auto draws = draws_of(2, 0);
  for (const auto& entry : golden().at("flows").as_list()) {
    const auto count = entry.at("num_inference_steps").as_integer();
    const auto timesteps = numbers(entry.at("timesteps"));
    const auto& states = entry.at("states").as_list();
    const auto grid = process.grid(count);
    ASSERT_EQ(static_cast<std::int64_t>(states.size()), count);
    auto chain = start();
    for (std::int64_t k = 0; k < count; ++k) {
      const auto &from = grid.at(count - k), &to = grid.at(count - k - 1);
      const auto stepped = [&](const at::Tensor& x) {
        return process.step({{"x", x}}, {{"x", network(Prediction::epsilon, x, from.timestep)}}, from, to, 0.0, draws).at("x");
      };
      const auto i = static_cast<std::size_t>(k);
      EXPECT_NEAR(from.timestep, timesteps[i], 1e-4);  // float32 there
      const auto before = k == 0 ? start() : column(numbers(states[i - 1])).reshape({2, 4}).to(at::kFloat);
      EXPECT_LT(distance(stepped(before), states[i]), 1e-6) << "step " << k << " of " << count;
      chain = stepped(chain);
    }
    EXPECT_LT(distance(chain, states.back()), 1e-6) << count << " steps";
  }
}

TEST(Grid, AStepReachesTheLevelOneStrideBelowItsTimestep) {
  auto config = plain();
  config.spacing = TimestepSpacing::linspace;
  const VariancePreserving process(config);
  const auto grid = process.grid(4);  // timesteps 999, 666, 333, 0; stride 250
  EXPECT_EQ(grid.at(4).timestep, 999.0);
  EXPECT_EQ(grid.at(4).level.alpha, 0.0);
  EXPECT_EQ(grid.at(3).timestep, 666.0);
  EXPECT_DOUBLE_EQ(grid.at(3).level.alpha, std::sqrt(process.alpha_bars()[749]));
  EXPECT_DOUBLE_EQ(grid.at(1).level.sigma, std::sqrt(1 - process.alpha_bars()[83]));
  EXPECT_EQ(grid.at(0).level.alpha, 1.0);
}

TEST(Grid, SetAlphaToOneDecidesTheLastLevel) {
  auto config = plain();
  config.set_alpha_to_one = false;
  const VariancePreserving process(config);
  EXPECT_DOUBLE_EQ(process.grid(10).at(0).level.alpha, std::sqrt(process.alpha_bars().front()));
}

TEST(Grid, RefusesCountsTheProcessCannotGive) {
  EXPECT_THROW(VariancePreserving(plain()).grid(0), ConfigError);
  EXPECT_THROW(VariancePreserving(plain()).grid(1001), ConfigError);
  auto config = plain();
  config.steps_offset = 1;
  EXPECT_THROW(VariancePreserving(config).grid(1000), ConfigError);
  EXPECT_EQ(VariancePreserving(config).grid(500).num_steps(), 500);
}

}  // namespace
}  // namespace espalier::diffusion
