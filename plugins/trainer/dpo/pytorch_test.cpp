// The loss and its gradient against PyTorch (pytorch_dpo.py, which has the formula of the paper and no code of ours).
#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "plugins/trainer/dpo/preference_loss.h"
#include "runtime/base/files.h"
#include "runtime/modelfile/safetensors.h"
#include "tests/runtime/base/folder.h"

namespace espalier::dpo {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kElements = 24;
constexpr random::StreamKey kNoise{.seed = 8, .purpose = random::Purpose::training, .round = 0, .branch = 0};
const std::vector<std::uint64_t> kPositions = {0, 1, 2, 3, 4, 5, 6, 7};

struct Case {
  std::string name, process, prediction;
  at::ScalarType dtype;
  double beta;

  Value config() const {
    if (process == "rectified_flow") return Value::Map{{"_class_name", "FlowMatchEulerDiscreteScheduler"}, {"num_train_timesteps", 1000}};
    return Value::Map{{"_class_name", "DDIMScheduler"},
                      {"num_train_timesteps", 1000},
                      {"beta_schedule", "linear"},
                      {"beta_start", 0.0001},
                      {"beta_end", 0.02},
                      {"prediction_type", prediction},
                      {"clip_sample", false}};
  }
  Value to_value() const { return Value::Map{{"process", process}, {"prediction", prediction}, {"beta", beta}}; }
};

const std::vector<Case> kCases = {{"epsilon", "variance_preserving", "epsilon", at::kDouble, 2500.0},
                                  {"v", "variance_preserving", "v_prediction", at::kDouble, 2500.0},
                                  {"sample", "variance_preserving", "sample", at::kDouble, 40.0},
                                  {"flow", "rectified_flow", "", at::kDouble, 2500.0},
                                  {"float", "variance_preserving", "epsilon", at::kFloat, 10.0}};

// The draws of NoiseProcess::loss for these positions: first the timestep, then the noise.
TensorMap drawn(const Case& one) {
  random::Draws draws(kNoise, kPositions);
  const auto timestep =
      one.process == "rectified_flow" ? (1.0 - draws.uniforms({}).flatten()) * 1000.0 : draws.integers({}, 1000).flatten().to(at::kDouble);
  return {{"timestep", timestep}, {"noise", draws.normals({kElements}, one.dtype)}};
}

// Winners, losers, draws, and the weights of the trained network and of the reference, which lie near each other.
TensorMap tensors_of(const Case& one) {
  random::Draws draws({.seed = 2, .purpose = random::Purpose::data, .round = 0, .branch = 0}, kPositions);
  auto tensors = drawn(one);
  tensors["winner"] = draws.normals({kElements}, one.dtype) + 0.3;
  tensors["loser"] = draws.normals({kElements}, one.dtype);
  const auto weight = [&](double size) { return (draws.normals({kElements}, one.dtype)[0] * size).clone(); };
  for (const char* name : {"gain", "offset"}) {
    tensors[std::string("reference_") + name] = weight(0.3);
    tensors[name] = tensors[std::string("reference_") + name] + weight(0.003);
  }
  return tensors;
}

diffusion::Predict network(const at::Tensor& gain, const at::Tensor& offset) {
  return [=](const State& noisy, const at::Tensor& timestep) -> State {
    return {{"x", noisy.at("x") * gain + (timestep.to(gain.scalar_type()) / 1000.0).unsqueeze(1) * offset}};
  };
}

TensorMap ours(const Case& one, const TensorMap& tensors) {
  const auto gain = tensors.at("gain").clone().requires_grad_(), offset = tensors.at("offset").clone().requires_grad_();
  const auto process = diffusion::make_process(one.config(), one.name);
  const auto result =
      preference_loss(*process, network(gain, offset), network(tensors.at("reference_gain"), tensors.at("reference_offset")),
                      {{"x", tensors.at("winner")}}, {{"x", tensors.at("loser")}}, kNoise, kPositions, one.beta);
  result.loss.backward();
  return {{"loss", result.loss.detach().reshape({1})}, {"gradient.gain", gain.grad()}, {"gradient.offset", offset.grad()}};
}

TEST(DpoInPyTorch, HasTheSameLossAndGradient) {
  const char* named = std::getenv("ESPALIER_PEERS");
  const char* home = std::getenv("HOME");
  const fs::path python = (named ? fs::path(named) : fs::path(home ? home : "/") / ".cache/espalier/peers") / "bin/python";
  if (!fs::exists(python)) GTEST_SKIP() << "no " << python << ": scripts/setup --peers installs it, ESPALIER_PEERS names another";
  const TemporaryFolder folder;
  TensorMap all;
  Value cases = Value::Map{};
  for (const auto& one : kCases) {
    for (const auto& [name, tensor] : tensors_of(one)) all.emplace(fmt::format("{}/{}", one.name, name), tensor);
    cases[one.name] = one.to_value();
  }
  const auto path = folder.path() / "cases", out = folder.path() / "out";
  write_durable(path, modelfile::format_safetensors(all));
  write_durable(path.string() + ".json", to_json(cases));
  const auto command = fmt::format("OMP_NUM_THREADS=1 '{}' '{}/plugins/trainer/dpo/pytorch_dpo.py' '{}' '{}'", python.string(),
                                   ESPALIER_SOURCE_DIR, path.string(), out.string());
  ASSERT_EQ(std::system(command.c_str()), 0) << command;
  const auto theirs = modelfile::read_safetensors(out);
  for (const auto& one : kCases) {
    for (const auto& [name, tensor] : ours(one, tensors_of(one))) {
      const auto& wanted = theirs.at(fmt::format("{}/{}", one.name, name));
      const double size = std::max(1.0, wanted.abs().max().item<double>());
      EXPECT_LE((tensor - wanted).abs().max().item<double>(), 1e-6 * size) << one.name << ": " << name;
      EXPECT_GT(wanted.abs().max().item<double>(), 1e-4) << one.name << ": " << name;
    }
  }
}

}  // namespace
}  // namespace espalier::dpo
