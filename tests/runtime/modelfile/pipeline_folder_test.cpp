// Folders as pipelines are published: an index of components, variants, links, and what people name in place of one.
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/full.h>
#include <ATen/ops/linspace.h>
#include <gmock/gmock.h>

#include <cmath>
#include <fstream>

#include "runtime/base/errors.h"
#include "runtime/base/files.h"
#include "runtime/modelfile/folder.h"
#include "runtime/modelfile/model_index.h"
#include "runtime/modelfile/safetensors.h"
#include "tests/runtime/base/folder.h"

namespace espalier::modelfile {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

constexpr const char* kUNet = "unet/diffusion_pytorch_model";
constexpr const char* kText = "text_encoder/model";
const fs::path kBlank = fs::path(ESPALIER_SOURCE_DIR) / "datasets/models/shapes-blank";

const Model& fresh() {
  static const auto model = load(kBlank, network::engine_networks(), {.initialize_weights = 7});
  return model;
}

class PipelineFolder : public ::testing::Test {
 protected:
  PipelineFolder() { save(fresh(), path_); }
  Model open(const LoadOptions& options = {}) const { return load(path_, networks_, options); }
  void write(const std::string& name, const std::string& bytes) const {
    fs::create_directories((path_ / name).parent_path());
    fs::remove(path_ / name);
    std::ofstream(path_ / name, std::ios::binary) << bytes;
  }
  void change(const std::string& name, const std::string& key, const Value& value) const {
    auto config = parse_json(read_file(path_ / name), name);
    config[key] = value;
    write(name, to_json(config));
  }
  // The file in another dtype, as the file of a variant.
  void write_variant(const std::string& stem, const std::string& variant, at::ScalarType dtype) const {
    auto tensors = read_safetensors(path_ / (stem + ".safetensors"));
    for (auto& [name, tensor] : tensors) tensor = tensor.to(dtype);
    write(stem + "." + variant + ".safetensors", format_safetensors(tensors));
  }
  template <class E = DataError>
  void expect_refused(const std::string& what, const LoadOptions& options = {}) const {
    EXPECT_THAT([&] { open(options); }, ThrowsMessage<E>(HasSubstr(what)));
  }
  TemporaryFolder folder_;
  fs::path path_ = folder_.path();
  network::Registry networks_ = network::engine_networks();
};

TEST_F(PipelineFolder, ComponentsThatNoSamplingNeedsArePassedOver) {
  const auto plain = open().info.to_value();
  change("model_index.json", "safety_checker", Value::List{"stable_diffusion", "StableDiffusionSafetyChecker"});
  change("model_index.json", "feature_extractor", Value::List{"transformers", "CLIPImageProcessor"});
  change("model_index.json", "image_encoder", Value::List{nullptr, nullptr});
  change("model_index.json", "requires_safety_checker", true);
  write("safety_checker/pytorch_model.bin", "a pickle");
  EXPECT_EQ(open().info.to_value(), plain);
  EXPECT_EQ(read_model_index(path_)->size(), 4u) << "scheduler, text_encoder, tokenizer, unet";
}

TEST_F(PipelineFolder, HeightAndWidthTakeThePlaceOfTheNetworksSampleSize) {
  const auto size = [&](const LoadOptions& options) { return open(options).info.architecture.at("unet").at("sample_size"); };
  EXPECT_EQ(size({}), Value(16));
  EXPECT_EQ(size({.height = 24, .width = 32}), Value(Value::List{24, 32}));
  EXPECT_EQ(size({.height = 16, .width = 16}), Value(16)) << "the folder's own: the key is the same";
  expect_refused<ConfigError>("width is missing", {.height = 24});
  expect_refused<ConfigError>("height is missing", {.width = 24});
  const auto elements = kBlank.parent_path() / "layout-blank-small";
  EXPECT_THAT([&] { info(elements, networks_, {.initialize_weights = 1, .height = 8, .width = 8}); },
              ThrowsMessage<ConfigError>(HasSubstr("the network 'ElementTransformer' has no sample_size")));
}

TEST_F(PipelineFolder, AComponentThatNothingReadsIsRefused) {
  change("model_index.json", "controlnet", Value::List{"diffusers", "ControlNetModel"});
  expect_refused("names the component 'controlnet' (ControlNetModel)");
  change("model_index.json", "controlnet", Value::List{nullptr, nullptr});
  EXPECT_NO_THROW(open());
  change("model_index.json", "controlnet", Value::List{"ControlNetModel"});
  expect_refused("a component is [library, class]");
  write("model_index.json", "[]");
  expect_refused("model_index.json: is no table of components");
}

TEST_F(PipelineFolder, TheIndexDecidesWhatIsRead) {
  fs::remove_all(path_ / "text_encoder");
  expect_refused("missing: text_encoder/config.json");
  fs::remove(path_ / "model_index.json");
  fs::remove_all(path_ / "tokenizer");
  expect_refused("the folder has no text_encoder to attend to");
  const TemporaryFolder flow;
  save(load(kBlank.parent_path() / "fashion-flow-base-blank", networks_, {.initialize_weights = 7}), flow.path());
  const auto before = info(flow.path(), networks_).to_value();
  fs::create_directories(flow.path() / "text_encoder");
  EXPECT_EQ(info(flow.path(), networks_).to_value(), before) << "the index names no text encoder";
  fs::remove(flow.path() / "model_index.json");
  EXPECT_THAT([&] { info(flow.path(), networks_); }, ThrowsMessage<DataError>(HasSubstr("missing: text_encoder/config.json")));
}

TEST_F(PipelineFolder, AVariantIsReadWhereItIsNamed) {
  const auto plain = open();
  write_variant(kUNet, "fp16", at::kHalf);
  write_variant(kText, "fp16", at::kHalf);
  EXPECT_EQ(open().info.digest, plain.info.digest);
  const auto halves = open({.variant = "fp16"});
  EXPECT_NE(halves.info.digest, plain.info.digest);
  for (const auto& [name, tensor] : halves.weights) {
    EXPECT_TRUE(tensor.equal(plain.weights.at(name).to(at::kHalf).to(at::kFloat))) << name;
  }
  fs::remove(path_ / (std::string(kText) + ".fp16.safetensors"));
  EXPECT_EQ(open({.variant = "fp16"}).weights.at("text_encoder.text_model.final_layer_norm.weight").scalar_type(), at::kFloat);
}

TEST_F(PipelineFolder, AVariantThatIsNotThereIsRefusedWithThoseThatAre) {
  expect_refused("no component has files of the variant 'fp16'; none has variants", {.variant = "fp16"});
  write_variant(kUNet, "fp16", at::kHalf);
  write_variant(kUNet, "non_ema", at::kFloat);
  expect_refused("no component has files of the variant 'bf16'; there are of: fp16, non_ema", {.variant = "bf16"});
  fs::remove(path_ / (std::string(kUNet) + ".safetensors"));
  expect_refused("is missing, but there are files of the variants fp16, non_ema: set variant = \"fp16\"");
  EXPECT_NO_THROW(open({.variant = "fp16"}));
}

TEST_F(PipelineFolder, OfLinksIsReadAsTheHubLaysItOut) {
  const auto before = open().info.to_value();
  const TemporaryFolder hub;
  int count = 0;
  for (const auto& entry : fs::recursive_directory_iterator(path_)) {
    if (!entry.is_regular_file()) continue;
    const auto link = hub.path() / "snapshots/0a1b" / fs::relative(entry.path(), path_);
    const auto blob = hub.path() / "blobs" / std::to_string(count++);
    fs::create_directories(link.parent_path()), fs::create_directories(blob.parent_path());
    fs::copy_file(entry.path(), blob);
    fs::create_symlink(fs::relative(blob, link.parent_path()), link);
  }
  EXPECT_EQ(load(hub.path() / "snapshots/0a1b", networks_).info.to_value(), before);
}

TEST_F(PipelineFolder, PicklesAreRefusedWithWhatConvertsThem) {
  fs::rename(path_ / (std::string(kUNet) + ".safetensors"), path_ / (std::string(kUNet) + ".bin"));
  expect_refused("'diffusion_pytorch_model.bin' lies there: a pickle can run code");
  expect_refused("P.from_pretrained('" + path_.string() + "').save_pretrained('" + path_.string() + "-safetensors')");
}

TEST_F(PipelineFolder, ShardsWithoutTheirIndexAreRefused) {
  fs::rename(path_ / (std::string(kUNet) + ".safetensors"), path_ / (std::string(kUNet) + "-00001-of-00002.safetensors"));
  expect_refused("lies there without the index 'diffusion_pytorch_model.safetensors.index.json'");
}

TEST_F(PipelineFolder, MayPredictSomethingElseThanItsSchedulerSays) {
  const auto plain = open();
  EXPECT_EQ(plain.process->config().at("prediction_type"), Value("v_prediction"));
  const auto other = open({.prediction_type = "epsilon"});
  EXPECT_EQ(other.process->config().at("prediction_type"), Value("epsilon"));
  EXPECT_EQ(other.info.process, other.process->config()) << "so that keys are others";
  EXPECT_EQ(open({.prediction_type = "v_prediction"}).info.to_value(), plain.info.to_value());
  EXPECT_THAT(
      [&] { info(kBlank.parent_path() / "fashion-flow-base-blank", networks_, {.initialize_weights = 1, .prediction_type = "epsilon"}); },
      ThrowsMessage<ConfigError>(HasSubstr("prediction_type = \"epsilon\" is set, but a process of this class has none")));
}

TEST_F(PipelineFolder, ItsDtypeIsInItsFunctionWhereItIsNotFloat32) {
  const auto plain = open();
  EXPECT_EQ(plain.info.function().find("dtype"), nullptr);
  const auto halves = open({.dtype = at::kBFloat16});
  for (const auto& [name, tensor] : halves.weights) EXPECT_EQ(tensor.scalar_type(), at::kBFloat16) << name;
  EXPECT_EQ(halves.info.digest, plain.info.digest) << "of the files";
  EXPECT_EQ(halves.info.function().at("dtype"), Value("bfloat16"));
  EXPECT_EQ(ModelInfo::from_value(halves.info.to_value()).dtype, at::kBFloat16);
  EXPECT_EQ(info(path_, networks_, {.dtype = at::kBFloat16}).to_value(), halves.info.to_value());
  const auto elements = kBlank.parent_path() / "molecule-blank-small";
  EXPECT_THAT([&] { info(elements, networks_, {.initialize_weights = 1, .dtype = at::kHalf}); },
              ThrowsMessage<ConfigError>(HasSubstr("'ElementTransformer' is computed in float32 alone")));
}

// In bfloat16 750 is 752: of a timestep that was rounded the predictions would be equal.
TEST_F(PipelineFolder, InLessThanFloat32StatesAndTimestepsStayAsTheyAre) {
  const at::NoGradGuard no_grad;
  const auto x = at::linspace(-2.0, 2.0, 3 * 256).view({1, 3, 16, 16}).sin().contiguous();
  const auto predict = [&](const Model& model, double t) {
    const auto embedded = model.network->embed(model.weights, model.text->tensors({"a red circle"}));
    return model.network->predict(model.weights, {{"sample", x}}, at::full({1}, t, at::kFloat), embedded).at("sample");
  };
  const auto single = open();
  const auto right = predict(single, 750.0);
  for (const auto dtype : {at::kBFloat16, at::kHalf}) {
    const auto model = open({.dtype = dtype});
    const auto found = predict(model, 750.0);
    EXPECT_EQ(found.scalar_type(), at::kFloat);
    EXPECT_FALSE(found.equal(predict(model, 752.0)));
    const auto error = (found - right).norm().item<double>() / right.norm().item<double>();
    EXPECT_GT(error, 1e-5);
    EXPECT_LT(error, 12 * std::exp2(dtype == at::kHalf ? -11 : -8)) << "a few of its roundings";
  }
}

TEST_F(PipelineFolder, AModelWithOtherInputsIsRefusedByWhatItIs) {
  for (const auto& [channels, what] :
       {std::pair{9, "an inpainting model"}, {8, "edits images"}, {7, "upscaling"}, {5, "depth"}, {20, "as many"}}) {
    change("unet/config.json", "in_channels", channels);
    change("unet/config.json", "out_channels", 4);
    EXPECT_THAT([&] { open(); }, ThrowsMessage<DataError>(AllOf(HasSubstr("unet/config.json: in_channels is "), HasSubstr(what))));
  }
}

TEST_F(PipelineFolder, SettingsOfADenoiserAreRefusedForAnotherRole) {
  Model model;
  model.info.role = "classifier";
  model.info.architecture = Value::Map{{"classes", 10}};
  model.weights = {{"linear.weight", at::full({10, 4}, 1.0, at::kFloat)}};
  const TemporaryFolder other;
  save(model, other.path());
  for (const auto& options : {LoadOptions{.variant = "fp16"}, LoadOptions{.prediction_type = "epsilon"}, LoadOptions{.height = 8}}) {
    EXPECT_THAT([&] { info(other.path(), networks_, options); },
                ThrowsMessage<ConfigError>(HasSubstr(
                    "is a model of role 'classifier', whose entry in [models] takes no variant, prediction_type, height or width")));
  }
  EXPECT_EQ(load(other.path(), networks_, {.dtype = at::kBFloat16}).weights.at("linear.weight").scalar_type(), at::kFloat);
}

TEST(MissingFolder, IsSaidWithWhatMakesOne) {
  const auto said = [](const fs::path& path) {
    try {
      require_folder(path);
    } catch (const ConfigError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_THAT(said("stabilityai/stable-diffusion-2-base"),
              AllOf(HasSubstr("hf download stabilityai/stable-diffusion-2-base"), HasSubstr("--local-dir models/stable-diffusion-2-base")));
  EXPECT_EQ(said("/nowhere/at all"), "/nowhere/at all: no such model folder");
  EXPECT_EQ(said("nowhere"), "nowhere: no such model folder");
  const TemporaryFolder folder;
  for (const char* name : {"v1-5.ckpt", "v1-5.safetensors"}) {
    const auto path = folder.path() / name;
    std::ofstream(path) << "weights";
    EXPECT_THAT(said(path),
                AllOf(HasSubstr("is a checkpoint in a single file"),
                      HasSubstr("from_single_file('" + path.string() + "').save_pretrained('" + (folder.path() / "v1-5").string() + "')")));
  }
  EXPECT_EQ(said(folder.path()), "");
}

}  // namespace
}  // namespace espalier::modelfile
