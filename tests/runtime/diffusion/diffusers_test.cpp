// The numbers of diffusers' DDIMScheduler and FlowMatchEulerDiscreteScheduler, written to golden.json by make_golden.py.
#include <gtest/gtest.h>

#include <algorithm>
#include <initializer_list>

#include "plugins/shared/flow/solver.h"
#include "runtime/base/digest.h"
#include "runtime/base/errors.h"
#include "runtime/base/files.h"
#include "runtime/diffusion/rectified_flow.h"
#include "runtime/diffusion/schedule.h"
#include "runtime/sampling/transition.h"
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

double largest_difference(const at::Tensor& found, const Value& expected) {
  return (found - column(numbers(expected)).reshape({2, 4})).abs().max().item<double>();
}

// As rounding() of make_golden.py, which gives the reason.
double rounding(std::int64_t steps, std::initializer_list<const Value*> states, at::ScalarType dtype = at::kFloat) {
  if (dtype == at::kDouble) return 1e-10;
  double largest = 1.0;
  for (const auto* state : states) {
    for (const double value : numbers(*state)) largest = std::max(largest, std::abs(value));
  }
  return 8 * std::ldexp(1.0, -24) * static_cast<double>(steps) * largest;
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
  for (const auto& entry : golden().at("timesteps").as_list()) {
    const auto config = read_scheduler_config(entry.at("config"), "golden.json");
    std::string text;
    for (std::int64_t count = 1; count <= config.num_train_timesteps; ++count) {
      const auto timesteps = ddim_timesteps(config, count);
      for (std::size_t i = 0; i < timesteps.size(); ++i) {
        text += (i == 0 ? (count == 1 ? "" : "\n") : ",") + std::to_string(timesteps[i]);
      }
    }
    EXPECT_EQ(sha256(text), entry.at("sha256").as_string()) << to_json(entry);
  }
}

std::vector<double> timesteps_of(const Grid& grid) {
  std::vector<double> timesteps;
  for (const auto& point : grid.points) timesteps.push_back(point.timestep);
  timesteps.pop_back();
  return timesteps;
}

// The timesteps of every count, or a mark where the grid is refused.
template <class MakeGrid>
std::vector<std::string> lines_of(std::int64_t train, const MakeGrid& grid_of) {
  std::vector<std::string> lines;
  for (std::int64_t count = 1; count <= train; ++count) {
    std::string line;
    try {
      for (const double timestep : timesteps_of(grid_of(count))) {
        line += (line.empty() ? "" : ",") + std::to_string(static_cast<std::int64_t>(timestep));
      }
    } catch (const ConfigError&) {
      line = "refused";
    }
    lines.push_back(line);
  }
  return lines;
}

void expect_lines(const std::vector<std::string>& lines, const Value& sha256_there, const Value& refused_there, const std::string& what) {
  std::string text;
  for (const auto& line : lines) text += (text.empty() ? "" : "\n") + line;
  EXPECT_EQ(std::ranges::count(lines, "refused"), refused_there.as_integer()) << what;
  EXPECT_EQ(sha256(text), sha256_there.as_string()) << what;
}

// Files of other schedulers: DDIM's and DPM-Solver's grids, as their schedulers have them that a pipeline makes by from_config().
TEST(Diffusers, FilesOfOtherSchedulersGiveEqualGrids) {
  for (const auto& entry : golden().at("files").as_list()) {
    const auto& file = entry.at("file");
    const VariancePreserving process(read_scheduler_config(file, "golden.json"));
    EXPECT_EQ(process.alpha_bars().back(), entry.at("alpha_bar_999").as_number()) << to_json(file);
    const auto ddim = [&](std::int64_t count) { return process.grid(count); };
    const auto dpm = [&](std::int64_t count) { return process.dpm_solver_grid(count); };
    expect_lines(lines_of(1000, ddim), entry.at("ddim_sha256"), entry.at("ddim_refused"), "DDIM: " + to_json(file));
    expect_lines(lines_of(1000, dpm), entry.at("dpm_sha256"), entry.at("dpm_refused"), "DPM-Solver: " + to_json(file));
    EXPECT_NEAR(std::pow(process.grid(20).at(0).level.alpha, 2), entry.at("final_alpha_bar").as_number(), 1e-15);
    const auto sigmas = numbers(entry.at("dpm_sigmas"));  // of diffusers: sigma / alpha, float32
    const auto grid = process.dpm_solver_grid(20);
    for (std::int64_t n = 20; n >= 0; --n) {
      const auto level = n == 20 ? process.level(grid.at(n).timestep) : grid.at(n).level;
      const double expected = sigmas.at(static_cast<std::size_t>(20 - n));
      EXPECT_NEAR(level.sigma / level.alpha, expected, 1e-6 * expected) << n << " of " << to_json(file);
    }
  }
}

struct Worst {
  double step = 0.0;
  double chain = 0.0;
};
Worst follow(const Value& entry, at::ScalarType dtype) {
  const auto config = read_scheduler_config(entry.at("config"), "golden.json");
  const VariancePreserving process(config);
  const auto grid = process.diffusers_grid(entry.at("num_inference_steps").as_integer());
  auto x = start().to(dtype);
  Worst worst;
  for (std::int64_t n = grid.num_steps(); n > 0; --n) {
    const State prediction = {{"x", network(config.prediction, x, grid.at(n).timestep)}};
    const auto [mean, std] =
        sampling::ddim_transition({{"x", x}}, prediction, {process, grid.at(n), grid.at(n - 1)}, entry.at("eta").as_number());
    x = mean.at("x") + noise(static_cast<double>(grid.num_steps() - n)).to(dtype) * std;
    if (n == grid.num_steps()) {
      worst.step = largest_difference(x, entry.at("first"));
    }
  }
  worst.chain = largest_difference(x, entry.at("last"));
  return worst;
}

TEST(Diffusers, OneStepAndAWholeChainAreEqual) {
  std::size_t chains = 0;
  for (const auto& entry : golden().at("chains").as_list()) {
    const auto dtype = entry.at("dtype").as_string() == "float32" ? at::kFloat : at::kDouble;
    const auto worst = follow(entry, dtype);
    const auto steps = entry.at("num_inference_steps").as_integer();
    EXPECT_LT(worst.step, rounding(1, {&entry.at("first")}, dtype)) << to_json(entry);
    EXPECT_LT(worst.chain, rounding(steps, {&entry.at("first"), &entry.at("last")}, dtype)) << to_json(entry);
    ++chains;
  }
  EXPECT_EQ(chains, 135U + 54U);
}

TEST(Diffusers, FlowStepsAreEqual) {
  const RectifiedFlow process{FlowConfig{}};
  const auto euler = flow::make_solver("euler");
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
        return euler->step({{"x", x}}, {{"x", network(Prediction::epsilon, x, from.timestep)}}, {{process, from, to}, draws, {}}).at("x");
      };
      const auto i = static_cast<std::size_t>(k);
      EXPECT_NEAR(from.timestep, timesteps[i], 1000 * 0x1p-23);  // float32 there: sigma is rounded, then 1000 sigma
      const auto before = k == 0 ? start() : column(numbers(states[i - 1])).reshape({2, 4}).to(at::kFloat);
      EXPECT_LT(largest_difference(stepped(before), states[i]), rounding(1, {&states[i]})) << "step " << k << " of " << count;
      chain = stepped(chain);
    }
    EXPECT_LT(largest_difference(chain, states.back()), rounding(count, {&states.front(), &states.back()})) << count << " steps";
  }
}

bool equal(const Grid& a, const Grid& b) {
  const auto same = [](const GridPoint& p, const GridPoint& q) {
    return p.steps_remaining == q.steps_remaining && p.timestep == q.timestep && p.level.alpha == q.level.alpha &&
           p.level.sigma == q.level.sigma;
  };
  return std::ranges::equal(a.points, b.points, same);
}

// Every count of steps, of a T that has few divisors and one that has many.
template <class Check>
void for_every_grid(Check check) {
  for (const auto spacing : {TimestepSpacing::leading, TimestepSpacing::trailing, TimestepSpacing::linspace}) {
    for (const std::int64_t train : {60, 77, 1000}) {
      auto config = plain(Prediction::epsilon, train);
      config.spacing = spacing;
      for (std::int64_t count = 1; count <= train; ++count) check(VariancePreserving(config), count, spacing, train);
    }
  }
}

TEST(Grid, AStateHasTheLevelOfTheTimestepThatTheNetworkIsGiven) {
  for_every_grid([](const VariancePreserving& process, std::int64_t count, TimestepSpacing, std::int64_t) {
    const auto grid = process.grid(count);
    ASSERT_EQ(grid.num_steps(), count);
    EXPECT_EQ(grid.at(count).level.alpha, 0.0);
    EXPECT_EQ(grid.at(0).level.alpha, 1.0);
    for (std::int64_t n = count - 1; n > 0; --n) {
      const auto& point = grid.at(n);
      const double abar = process.alpha_bars()[static_cast<std::size_t>(point.timestep)];
      ASSERT_DOUBLE_EQ(point.level.alpha * point.level.alpha, abar) << "step " << n << " of " << count;
      ASSERT_NEAR(point.level.sigma * point.level.sigma, 1 - abar, 1e-15) << "step " << n << " of " << count;
    }
  });
}

// What lies in caches by such grids is found again.
TEST(Grid, IsDiffusersForLeadingAndWhereTheCountDividesTrailing) {
  std::int64_t different = 0;
  for_every_grid([&](const VariancePreserving& process, std::int64_t count, TimestepSpacing spacing, std::int64_t train) {
    const bool equally = equal(process.grid(count), process.diffusers_grid(count));
    if (spacing == TimestepSpacing::leading || (spacing == TimestepSpacing::trailing && train % count == 0)) {
      EXPECT_TRUE(equally) << count << " of " << train;
    }
    different += equally ? 0 : 1;
  });
  EXPECT_GT(different, 1000);
}

// diffusers' issues 9261 and 11347: T = 100, N = 5.
TEST(Grid, OfDiffusersPassesATimestepByAStride) {
  auto config = plain(Prediction::epsilon, 100);
  config.spacing = TimestepSpacing::linspace;
  const VariancePreserving process(config);
  const auto ours = process.grid(5), theirs = process.diffusers_grid(5);
  EXPECT_EQ(timesteps_of(ours), (std::vector<double>{99, 74, 50, 25, 0}));
  EXPECT_EQ(timesteps_of(theirs), timesteps_of(ours));
  const std::vector<std::size_t> reached{79, 54, 30, 5};
  for (std::size_t i = 0; i < reached.size(); ++i) {
    EXPECT_DOUBLE_EQ(theirs.points[i + 1].level.alpha, std::sqrt(process.alpha_bars()[reached[i]]));
  }
  EXPECT_DOUBLE_EQ(ours.at(1).level.alpha, std::sqrt(process.alpha_bars()[0]));
  EXPECT_EQ(theirs.at(0).level.alpha, 1.0);
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
