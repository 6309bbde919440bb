#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/linspace.h>
#include <ATen/ops/ones.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <cstdlib>

#include "plugins/shared/images/test_files.h"
#include "runtime/base/errors.h"
#include "runtime/base/files.h"
#include "runtime/modelfile/folder.h"
#include "runtime/modelfile/safetensors.h"
#include "runtime/network/flops.h"

namespace espalier::modelfile {
namespace {

namespace fs = std::filesystem;
using images::TempFolder;
using images::write_file;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

const fs::path kModels = fs::path(ESPALIER_SOURCE_DIR) / "datasets/models";
const LoadOptions kFresh{.initialize_weights = 7};
const LoadOptions kTrained{};
constexpr const char* kUNetConfig = "unet/config.json";
constexpr const char* kUNetWeights = "unet/diffusion_pytorch_model.safetensors";
constexpr const char* kSchedulerConfig = "scheduler/scheduler_config.json";

Model read_model(const fs::path& folder, const LoadOptions& options) { return load(folder, network::engine_networks(), options); }

// A writable copy of a blueprint with weights.
class UNetFolder : public ::testing::Test {
 protected:
  UNetFolder() { save(read_model(kModels / "fashion-flow-corrector-blank", kFresh), folder_.path()); }
  void read() const { read_model(folder_.path(), kTrained); }
  void change(const std::string& key, const Value& value) const {
    Value config = parse_json(read_file(folder_ / kUNetConfig), kUNetConfig);
    config[key] = value;
    fs::remove(folder_ / kUNetConfig), write_file(folder_ / kUNetConfig, to_json(config));
  }
  TempFolder folder_;
};

TEST_F(UNetFolder, FreshWeightsAreAFunctionOfTheSeed) {
  const Model model = read_model(kModels / "fashion-flow-corrector-blank", kFresh);
  EXPECT_EQ(read_model(folder_.path(), kTrained).info.to_value(), model.info.to_value());
  EXPECT_NE(read_model(kModels / "fashion-flow-corrector-blank", {.initialize_weights = 8}).info.digest, model.info.digest);
  EXPECT_EQ(read_model(folder_.path(), {.initialize_weights = 8}).info.digest, model.info.digest)
      << "seeds are for folders without weights";
  EXPECT_EQ(model.process->name(), "rectified_flow");
  EXPECT_THAT([] { read_model(kModels / "fashion-flow-corrector-blank", kTrained); },
              ThrowsMessage<DataError>(HasSubstr("initialize_weights = true")));
}

TEST_F(UNetFolder, RefusesNetworksThatWantACondition) {
  change("mid_block_type", "UNetMidBlock2DCrossAttn");
  EXPECT_THAT([&] { read(); }, ThrowsMessage<DataError>(AllOf(HasSubstr("mid_block_type"), HasSubstr("take UNetMidBlock2D"))));
  change("mid_block_type", nullptr);
  change("down_block_types", Value::List{"DownBlock2D", "DownBlock2D", "CrossAttnDownBlock2D"});
  EXPECT_THAT([&] { read(); }, ThrowsMessage<DataError>(AllOf(HasSubstr("CrossAttnDownBlock2D"), HasSubstr("no text_encoder"))));
}

TEST_F(UNetFolder, DamagedOrForeignWeightsAreRefused) {
  const std::string whole = read_file(folder_ / kUNetWeights);
  write_file(folder_ / kUNetWeights, whole.substr(0, whole.size() - 4));
  EXPECT_THAT([&] { read(); }, ThrowsMessage<DataError>(HasSubstr("diffusion_pytorch_model.safetensors")));
  const TempFolder base;
  save(read_model(kModels / "fashion-flow-base-blank", kFresh), base.path());
  write_file(folder_ / kUNetWeights, read_file(base / kUNetWeights));
  EXPECT_THROW(read(), DataError);
}

struct Cost {
  double parameters = 0.0, flops = 0.0;
};
Cost cost(const std::string& folder, std::int64_t channels, std::int64_t side) {
  const at::NoGradGuard no_grad;
  const Model model = read_model(kModels / folder, kFresh);
  Cost cost;
  for (const auto& [name, tensor] : model.weights) cost.parameters += static_cast<double>(tensor.numel());
  const State state = {{"sample", at::ones({1, channels, side, side})}};
  cost.flops = network::count_flops([&] { model.network->predict(model.weights, state, at::ones({1}), {}); });
  EXPECT_EQ(model.network->flops({{"sample", {{channels, side, side}}}}), cost.flops);
  return cost;
}

struct Family {
  std::string name;
  std::int64_t channels, side;
  Cost base, corrector;  // as datasets/models/README.md states them
  bool large;            // there is one with the corrector's cost added
};
class Blueprints : public ::testing::TestWithParam<Family> {};

// The numbers of datasets/models/README.md, counted by hand from the layers (2 operations a multiply-add, biases and norms not counted).
TEST_P(Blueprints, CostWhatTheirPageSays) {
  const Family& family = GetParam();
  const Cost base = cost(family.name + "-flow-base-blank", family.channels, family.side);
  const Cost corrector = cost(family.name + "-flow-corrector-blank", family.channels, family.side);
  EXPECT_EQ(base.parameters, family.base.parameters);
  EXPECT_EQ(corrector.parameters, family.corrector.parameters);
  EXPECT_NEAR(base.flops, family.base.flops, 1e-3 * family.base.flops);
  EXPECT_NEAR(corrector.flops, family.corrector.flops, 1e-3 * family.corrector.flops);
  EXPECT_NEAR(base.parameters / corrector.parameters, 4.0, 0.1);
  EXPECT_NEAR(base.flops / corrector.flops, 4.0, 0.1);
  if (!family.large) return;
  const Cost large = cost(family.name + "-flow-large-blank", family.channels, family.side);
  EXPECT_NEAR(large.flops / (base.flops + corrector.flops), 1.0, 0.02);
  EXPECT_NEAR(large.parameters / (base.parameters + corrector.parameters), 1.0, 0.05);
}
INSTANTIATE_TEST_SUITE_P(All, Blueprints,
                         ::testing::Values(Family{"generated", 1, 16, {138993, 27.607e6}, {35257, 6.9386e6}, false},
                                           Family{"fashion", 1, 28, {166593, 56.512e6}, {42273, 14.2409e6}, true},
                                           Family{"tiles", 3, 32, {167171, 74.9793e6}, {42563, 19.1872e6}, false}),
                         [](const auto& family) { return family.param.name; });

// The interpreter of ESPALIER_PEERS, or of the environment that scripts/setup --peers makes.
fs::path peers() {
  if (const char* named = std::getenv("ESPALIER_PEERS")) return named;
  const char* home = std::getenv("HOME");
  return fs::path(home == nullptr ? "/" : home) / ".cache/espalier/peers";
}

// Where the peers' wheels keep CUDA's libraries, which their torch links even on a CPU.
std::string library_path(const fs::path& environment) {
  std::string folders = "/usr/local/cuda/lib64";
  for (const fs::directory_entry& python : fs::directory_iterator(environment / "lib")) {
    const fs::path wheels = python.path() / "site-packages/nvidia";
    if (!fs::is_directory(wheels)) continue;
    for (const fs::directory_entry& wheel : fs::directory_iterator(wheels)) folders += ":" + (wheel.path() / "lib").string();
  }
  return folders;
}

TEST_F(UNetFolder, OpensInDiffusersWithTheSameOutput) {
  const fs::path environment = peers(), python = environment / "bin/python";
  if (!fs::exists(python)) GTEST_SKIP() << "no " << python << ": scripts/setup --peers installs it, ESPALIER_PEERS names another";
  const at::NoGradGuard no_grad;
  const Model model = read_model(folder_.path(), kTrained);
  const at::Tensor sample = at::linspace(-2.0, 2.0, std::int64_t{3} * 784).view({3, 1, 28, 28}).sin().contiguous();
  const at::Tensor timestep = at::linspace(0.0, 1000.0, 3);
  write_file(folder_ / "inputs.safetensors", format_safetensors({{"sample", sample}, {"timestep", timestep}}));
  const fs::path script = fs::path(ESPALIER_SOURCE_DIR) / "tests/runtime/modelfile/opens_in_diffusers.py";
  const std::string command = "LD_LIBRARY_PATH='" + library_path(environment) + "' HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 '" + python.string() +
                              "' '" + script.string() + "' '" + folder_.path().string() + "' '" +
                              (folder_ / "inputs.safetensors").string() + "' '" + (folder_ / "out.safetensors").string() + "'";
  ASSERT_EQ(std::system(command.c_str()), 0) << command;
  const at::Tensor theirs = read_safetensors(folder_ / "out.safetensors").at("sample");
  const at::Tensor ours = model.network->predict(model.weights, {{"sample", sample}}, timestep, {}).at("sample");
  // Two right networks sum float32 products in other orders, on every CPU another way: parity.py's tolerance, of the largest number.
  EXPECT_LE((ours - theirs).abs().max().item<double>(), 1e-5 * std::max(1.0, theirs.abs().max().item<double>()));
  EXPECT_GT(theirs.std().item<double>(), 1e-3);
}

}  // namespace
}  // namespace espalier::modelfile
