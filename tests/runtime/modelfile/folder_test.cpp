#include "runtime/modelfile/folder.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <cmath>
#include <fstream>

#include "runtime/base/errors.h"
#include "runtime/base/files.h"
#include "runtime/modelfile/safetensors.h"
#include "runtime/modelfile/word_vocabulary.h"
#include "tests/runtime/base/folder.h"

namespace espalier::modelfile {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::ThrowsMessage;

constexpr const char* kUNetWeights = "unet/diffusion_pytorch_model.safetensors";
constexpr const char* kTextWeights = "text_encoder/model.safetensors";
const fs::path kBlank = fs::path(ESPALIER_SOURCE_DIR) / "datasets/models/shapes-blank";  // its text encoder has weights

// With the U-Net's weights drawn.
const Model& fresh() {
  static const auto model = load(kBlank, network::engine_networks(), {.initialize_weights = 7});
  return model;
}

void write(const fs::path& path, const std::string& bytes) {
  fs::create_directories(path.parent_path());
  fs::remove(path);
  std::ofstream(path, std::ios::binary) << bytes;
}

// A folder of a model with a text encoder, and all its weights.
class ModelFolder : public ::testing::Test {
 protected:
  ModelFolder() { save(fresh(), path_); }
  Model load_it(const LoadOptions& options = {}) const { return load(path_, networks_, options); }
  ModelInfo info_of_it(RememberedDigests* digests = nullptr) const { return info(path_, networks_, {}, digests); }
  void change(const std::string& file, const std::string& key, const Value& value) const {
    auto config = parse_json(read_file(path_ / file), file);
    config[key] = value;
    write(path_ / file, to_json(config));
  }

  TemporaryFolder folder_;
  fs::path path_ = folder_.path();
  network::Registry networks_ = network::engine_networks();
};

void expect_equal(const Weights& weights, const Weights& others) {
  ASSERT_EQ(weights.size(), others.size());
  for (const auto& [name, tensor] : weights) EXPECT_TRUE(tensor.equal(others.at(name))) << name;
}

TEST_F(ModelFolder, GivesBackTheModelThatWasSaved) {
  auto model = fresh();
  model.info.last_step = Step(0.25);
  model.info.trained_num_steps = 20;
  model.info.corrects = CorrectedSampling{"0abc", 10};
  model.info.base = "1def";
  const TemporaryFolder other;
  save(model, other.path());
  const auto back = load(other.path(), networks_);
  expect_equal(back.weights, model.weights);
  EXPECT_EQ(back.info.to_value(), model.info.to_value());
  EXPECT_EQ(back.info.digest, digest_weights(model.weights));
  EXPECT_EQ(back.info.components, (std::vector<std::string>{"text_encoder", "unet"}));
  EXPECT_EQ(back.process->config().at("prediction_type"), Value("v_prediction"));
  const std::vector<std::string> texts{"a red circle", "a blue square"};
  EXPECT_TRUE(back.text->tensors(texts).at("input_ids").equal(TextFront(kBlank).tensors(texts).at("input_ids")));
  EXPECT_EQ(info(other.path(), networks_).to_value(), back.info.to_value());
}

TEST_F(ModelFolder, HoldsWhatTheEngineAddsAndNothingThatFollowsFromTheFiles) {
  auto noted = info_of_it();
  noted.last_step = Step(std::int64_t{3});
  auto stale = noted;
  stale.digest = "stale";
  stale.architecture = Value();
  write(path_ / "espalier.json", to_json(stale.to_value()));
  EXPECT_EQ(info_of_it().to_value(), noted.to_value());
}

TEST_F(ModelFolder, OfAnotherRoleKeepsItsArchitectureAndItsWeights) {
  Model model;
  model.info.role = "classifier";
  model.info.architecture = Value::Map{{"classes", 10}};
  model.weights = {{"linear.weight", at::ones({10, 4})}, {"steps", at::full({}, 3, at::kLong)}};
  model.info.digest = digest_weights(model.weights);
  const TemporaryFolder other;
  save(model, other.path());
  const auto back = load(other.path(), networks_);
  expect_equal(back.weights, model.weights);
  EXPECT_EQ(back.info.to_value(), model.info.to_value());
  EXPECT_EQ(info(other.path(), networks_).to_value(), model.info.to_value());
  EXPECT_TRUE(back.network == nullptr && back.process == nullptr && back.text == nullptr);
  fs::remove(other.path() / "config.json");
  EXPECT_THAT([&] { info(other.path(), networks_); },
              ThrowsMessage<DataError>(HasSubstr("not a model folder in a classifier's layout; missing: config.json")));
}

TEST_F(ModelFolder, IsPredictedWithByItsPrompt) {
  const at::NoGradGuard no_grad;
  const auto model = load_it();
  const auto embedded = model.network->embed(model.weights, model.text->tensors({"a red circle", "a blue square"}));
  EXPECT_EQ(embedded.at("encoder_hidden_states").sizes().vec(), (std::vector<std::int64_t>{2, 16, 64}));
  const auto out =
      model.network->predict(model.weights, {{"sample", at::ones({2, 3, 16, 16})}}, at::full({2}, 500.0), embedded).at("sample");
  EXPECT_EQ(out.sizes().vec(), (std::vector<std::int64_t>{2, 3, 16, 16}));
  EXPECT_FALSE(out[0].equal(out[1]));
}

TEST_F(ModelFolder, KeepsItsWeightsInTheMappedFiles) {
  const auto model = load_it();
  ASSERT_EQ(model.mapped.size(), 2u);
  for (const auto& [name, tensor] : model.weights) {
    const auto* data = static_cast<const char*>(tensor.const_data_ptr());
    EXPECT_TRUE(std::ranges::any_of(model.mapped, [&](const auto& file) {
      return data >= file->data() && data + tensor.nbytes() <= file->data() + file->bytes().size();
    })) << name;
  }
}

// Digests by file and by what they are of, as a cache's memory keeps them; `known` of one that is there without its file.
class Remembering final : public RememberedDigests {
 public:
  Hex of(const fs::path& file, const std::string& what, const std::function<Hex()>& compute) override {
    ++asked;
    if (!known.empty()) return known;
    const auto [digest, added] = digests_.try_emplace({file.string(), what});
    if (added) digest->second = (++computed, compute());
    return digest->second;
  }
  void forget(const fs::path& file) {
    std::erase_if(digests_, [&](const auto& digest) { return digest.first.first == file.string(); });
  }
  int asked = 0, computed = 0;
  Hex known;

 private:
  std::map<std::pair<std::string, std::string>, Hex> digests_;
};

TEST_F(ModelFolder, ItsDigestIsRememberedByAllItsFiles) {
  Remembering digests;
  const auto first = info_of_it(&digests).digest;
  EXPECT_EQ(first, digest_weights(load_it().weights));
  EXPECT_EQ(digests.computed, 2) << "of the text encoder's bytes, and of all weights";
  EXPECT_EQ(info_of_it(&digests).digest, first);
  EXPECT_EQ(digests.computed, 2);
  auto text = read_safetensors(path_ / kTextWeights);
  text.begin()->second = text.begin()->second + 1;
  write(path_ / kTextWeights, format_safetensors(text));
  digests.forget(path_ / kTextWeights);  // as of a file with another identity
  EXPECT_EQ(info_of_it(&digests).digest, digest_weights(load_it().weights));
  EXPECT_NE(info_of_it(&digests).digest, first);
  EXPECT_EQ(digests.computed, 4);
  EXPECT_EQ(info(kBlank, networks_, {.initialize_weights = 7}, &digests).digest, fresh().info.digest);
  EXPECT_EQ(digests.computed, 4) << "no file stands for weights that were drawn";
}

TEST_F(ModelFolder, IsLoadedWithTheDigestOfTheBytesThatAreThere) {
  Remembering digests;
  const auto planned = info_of_it(&digests).digest;
  auto unet = read_safetensors(path_ / kUNetWeights);
  unet.begin()->second = unet.begin()->second + 1;
  write(path_ / kUNetWeights, format_safetensors(unet));
  EXPECT_EQ(info_of_it(&digests).digest, planned) << "what is remembered serves plans alone";
  EXPECT_NE(load_it().info.digest, planned);
}

TEST_F(ModelFolder, DrawsAComponentWithoutWeightsWhereAllowed) {
  const auto whole = load_it();
  fs::remove(path_ / kUNetWeights);
  for (const auto& open : {std::function([&] { load_it(); }), std::function([&] { info_of_it(); })}) {
    EXPECT_THAT(open, ThrowsMessage<DataError>(
                          AllOf(HasSubstr(std::string(kUNetWeights) + " is missing"), HasSubstr("initialize_weights = true"))));
  }
  const auto drawn = load_it({.initialize_weights = 8}), again = load_it({.initialize_weights = 8});
  expect_equal(drawn.weights, again.weights);
  const auto of_the_library = whole.network->initialize(8);
  for (const auto& [name, tensor] : drawn.weights) {
    EXPECT_TRUE(tensor.equal(name.starts_with("unet.") ? of_the_library.at(name) : whole.weights.at(name))) << name;
  }
  EXPECT_NE(drawn.info.digest, whole.info.digest);
  EXPECT_EQ(info(path_, networks_, {.initialize_weights = 8}).to_value(), drawn.info.to_value());
}

TEST_F(ModelFolder, WeightsThatAreThereAreNotDrawn) { EXPECT_EQ(load_it({.initialize_weights = 8}).info.digest, load_it().info.digest); }

// Who followed the advice to draw what is missing sampled from random weights: the reward fell from 0.944 to 0.010.
TEST_F(ModelFolder, WeightsUnderAnotherNameAreNamedAndNeverDrawnInstead) {
  const auto wanted = path_ / kUNetWeights;
  for (const auto& [name, said] :
       {std::pair{"diffusion_pytorch_model.fp16.safetensors", "set variant = \"fp16\""},
        {"diffusion_pytorch_model.bin", "'diffusion_pytorch_model.bin' lies there"},
        {"diffusion_pytorch_model-00001-of-00002.safetensors", "'diffusion_pytorch_model-00001-of-00002.safetensors'"}}) {
    const auto other = wanted.parent_path() / name;
    fs::rename(wanted, other);
    for (const auto& options : {LoadOptions{}, LoadOptions{.initialize_weights = 8}}) {
      EXPECT_THAT([&] { load_it(options); }, ThrowsMessage<DataError>(AllOf(HasSubstr(std::string(kUNetWeights) + " is missing, but"),
                                                                            HasSubstr(said), Not(HasSubstr("initialize_weights")))));
    }
    fs::rename(other, wanted);
  }
  fs::rename(path_ / kTextWeights, path_ / "text_encoder/pytorch_model.bin");
  fs::remove(wanted);  // both lack: the U-Net's may be drawn, the text encoder's may not
  EXPECT_THAT([&] { load_it({.initialize_weights = 8}); }, ThrowsMessage<DataError>(HasSubstr("pytorch_model.bin")));
}

TEST_F(ModelFolder, EveryMissingPieceIsNamed) {
  fs::remove(path_ / "scheduler/scheduler_config.json");
  fs::remove(path_ / "tokenizer/merges.txt");
  EXPECT_THAT([&] { load_it(); },
              ThrowsMessage<DataError>(EndsWith("not a model folder in diffusers' layout; missing: scheduler/scheduler_config.json, "
                                                "tokenizer/merges.txt")));
  fs::remove_all(path_ / "unet");
  EXPECT_THAT([&] { info_of_it(); }, ThrowsMessage<DataError>(EndsWith("missing: transformer/config.json or unet/config.json")));
  EXPECT_THAT([&] { load(path_ / "none", networks_); }, ThrowsMessage<ConfigError>(HasSubstr("none: no such model folder")));
}

TEST_F(ModelFolder, ATextEncoderAloneIsNotLeftOut) {
  fs::remove_all(path_ / "tokenizer");
  EXPECT_THAT([&] { load_it(); },
              ThrowsMessage<DataError>(EndsWith("missing: tokenizer/vocab.json, tokenizer/merges.txt, tokenizer/tokenizer_config.json")));
}

TEST_F(ModelFolder, PiecesThatDoNotFitTogetherAreRefused) {
  const auto refused = [&](const std::string& key, const Value& value, const std::string& message) {
    const auto before = read_file(path_ / "text_encoder/config.json");
    change("text_encoder/config.json", key, value);
    EXPECT_THAT([&] { load_it(); }, ThrowsMessage<DataError>(HasSubstr(message)));
    write(path_ / "text_encoder/config.json", before);
  };
  refused("vocab_size", 20, "vocab_size is 20");
  refused("max_position_embeddings", 8, "pads texts to 16");
  refused("hidden_size", 32, "hidden_size is 32");
}

TEST_F(ModelFolder, AnUnknownNetworkIsNamedWithTheNearestOne) {
  change("unet/config.json", "_class_name", "UNet2DConditonModel");
  EXPECT_THAT([&] { load_it(); },
              ThrowsMessage<DataError>(AllOf(HasSubstr("unet/config.json: the network 'UNet2DConditonModel' is not known"),
                                             HasSubstr("did you mean 'UNet2DConditionModel'?"),
                                             EndsWith("known: ElementTransformer, UNet2DConditionModel"))));
  change("unet/config.json", "_class_name", "ElementTransformer");
  EXPECT_THAT([&] { load_it(); }, ThrowsMessage<DataError>(HasSubstr("'ElementTransformer' is not known"))) << "it lies in transformer/";
  change("unet/config.json", "_class_name", nullptr);
  EXPECT_THAT([&] { load_it(); }, ThrowsMessage<DataError>(HasSubstr("unet/config.json: names no network")));
}

TEST_F(ModelFolder, DamagedAndForeignWeightsAreRefused) {
  const auto whole = read_file(path_ / kUNetWeights);
  write(path_ / kUNetWeights, whole.substr(0, whole.size() - 4));
  EXPECT_THAT([&] { load_it(); }, ThrowsMessage<DataError>(HasSubstr(kUNetWeights)));
  write(path_ / kUNetWeights, read_file(path_ / kTextWeights));
  EXPECT_THROW(load_it(), DataError);
  auto unet = parse_safetensors(whole, "here");
  unet.begin()->second.view({-1})[2] = std::nan("");
  write(path_ / kUNetWeights, format_safetensors(unet));
  for (const auto& open : {std::function([&] { load_it(); }), std::function([&] { info_of_it(); })}) {
    EXPECT_THAT(open, ThrowsMessage<DataError>(AllOf(HasSubstr("unet." + unet.begin()->first), HasSubstr("the first at position 2"))));
  }
}

TEST_F(ModelFolder, OfHalvesIsLoadedAsFloat32) {
  const auto singles = load_it();
  auto unet = read_safetensors(path_ / kUNetWeights);
  for (auto& [name, tensor] : unet) tensor = tensor.to(at::kHalf);
  write(path_ / kUNetWeights, format_safetensors(unet));
  const auto model = load_it();
  for (const auto& [name, tensor] : model.weights) {
    EXPECT_EQ(tensor.scalar_type(), at::kFloat) << name;
    const auto& single = singles.weights.at(name);
    EXPECT_TRUE(tensor.equal(name.starts_with("unet.") ? single.to(at::kHalf).to(at::kFloat) : single)) << name;
  }
  EXPECT_NE(model.info.digest, singles.info.digest);
  EXPECT_EQ(info_of_it().digest, model.info.digest) << "of the halves in the file";
}

// f(x) = scale x, of a component of its own. As a library brings one.
class Scaling final : public Network {
 public:
  explicit Scaling(Value config) : config_(std::move(config)) {}
  Value architecture() const override { return Value::Map{{"scaler", config_}}; }
  State predict(const Weights& weights, const State& noisy, const at::Tensor&, const TensorMap&) const override {
    return {{"sample", noisy.at("sample") * weights.at("scaler.scale")}};
  }
  Weights initialize(std::uint64_t seed) const override { return {{"scaler.scale", at::full({1}, static_cast<double>(seed), at::kFloat)}}; }
  void check(const Weights& weights, const std::string& origin) const override {
    if (!weights.contains("scaler.scale")) throw DataError(origin + ": no scale");
  }

 private:
  Value config_;
};

class RegisteredNetwork : public ::testing::Test {
 protected:
  RegisteredNetwork() {
    networks_.add({"Scaling", "scaler", {}, [](const network::ComponentConfigs& configs, const network::NetworkSettings&) {
                     const auto& [config, origin] = configs.at("scaler");
                     if (config.find("power") == nullptr) throw DataError(origin + ": 'power' is missing");
                     return std::make_shared<Scaling>(config);
                   }});
    write(folder_.path() / "scaler/config.json", R"({"_class_name": "Scaling", "power": 1})");
    write(folder_.path() / "scheduler/scheduler_config.json", R"({"_class_name": "FlowMatchEulerDiscreteScheduler"})");
  }
  TemporaryFolder folder_;
  network::Registry networks_ = network::engine_networks();
};

TEST_F(RegisteredNetwork, OpensFoldersThatNameIt) {
  const auto drawn = load(folder_.path(), networks_, {.initialize_weights = 3});
  const TemporaryFolder other;
  save(drawn, other.path());
  const auto model = load(other.path(), networks_);
  EXPECT_EQ(model.info.to_value(), drawn.info.to_value());
  EXPECT_EQ(model.info.architecture.at("scaler").at("power"), Value(1));
  const auto x = at::full({2, 1}, 5.0);
  EXPECT_TRUE(model.network->predict(model.weights, {{"sample", x}}, {}, {}).at("sample").equal(x * 3));
  EXPECT_THAT([&] { load(other.path(), network::engine_networks()); }, ThrowsMessage<DataError>(HasSubstr("not a model folder")));
  const auto index = parse_json(read_file(other.path() / "model_index.json"), "model_index.json");
  EXPECT_EQ(index.at("scaler"), Value(Value::List{"diffusers", "Scaling"}));
  EXPECT_EQ(index.at("scheduler"), Value(Value::List{"diffusers", "FlowMatchEulerDiscreteScheduler"}));
}

TEST_F(RegisteredNetwork, SaysWhatIsWrongWithItsConfig) {
  write(folder_.path() / "scaler/config.json", R"({"_class_name": "Scaling"})");
  EXPECT_THAT([&] { load(folder_.path(), networks_, {.initialize_weights = 3}); },
              ThrowsMessage<DataError>(EndsWith("scaler/config.json: 'power' is missing")));
}

std::int64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::int64_t pages = 0;
  file >> pages >> pages;
  return pages * ::sysconf(_SC_PAGESIZE);
}

// A file with a tensor of 1 GiB, most of it a hole. What is not read takes no memory.
TEST_F(RegisteredNetwork, InfoReadsNoWeightsWhoseDigestIsRemembered) {
  constexpr std::int64_t kCount = std::int64_t{1} << 28, kBytes = 4 * kCount;
  auto header =
      R"({"scale":{"dtype":"F32","shape":[)" + std::to_string(kCount) + R"(],"data_offsets":[0,)" + std::to_string(kBytes) + "]}}";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  std::string size(8, '\0');
  size[0] = static_cast<char>(header.size());
  const auto path = folder_.path() / "scaler/diffusion_pytorch_model.safetensors";
  write(path, size + header);
  fs::resize_file(path, 8 + header.size() + static_cast<std::uintmax_t>(kBytes));
  Remembering digests;
  digests.known = "0abc";
  const auto before = resident_bytes();
  EXPECT_EQ(info(folder_.path(), networks_, {}, &digests).digest, "0abc");
  EXPECT_LT(resident_bytes() - before, kBytes / 16);
  EXPECT_EQ(digests.asked, 1);
}

struct TextBlueprint {
  std::string folder;
  std::vector<std::string> words;
};
class TextBlueprints : public ::testing::TestWithParam<TextBlueprint> {};

TEST_P(TextBlueprints, TokenizerIsMadeOfItsWords) {
  const auto files = make_word_vocabulary(GetParam().words, 16);
  const auto folder = fs::path(ESPALIER_SOURCE_DIR) / "datasets/models" / GetParam().folder;
  EXPECT_EQ(read_file(folder / "tokenizer/vocab.json"), files.vocab_json);
  EXPECT_EQ(read_file(folder / "tokenizer/merges.txt"), files.merges_txt);
  EXPECT_EQ(read_file(folder / "tokenizer/tokenizer_config.json"), files.tokenizer_config_json);
  EXPECT_EQ(read_file(folder / "tokenizer/special_tokens_map.json"), files.special_tokens_map_json);
  const auto text = parse_json(read_file(folder / "text_encoder/config.json"), "config.json");
  EXPECT_EQ(text.at("vocab_size").as_integer(), files.size);
  const ClipTokenizer tokenizer(folder / "tokenizer");
  for (const auto& word : GetParam().words) EXPECT_EQ(tokenizer.encode(word).num_tokens, 3) << word;
  EXPECT_GT(load(folder, network::engine_networks(), {.initialize_weights = 1}).weights.size(), 100u);
}
INSTANTIATE_TEST_SUITE_P(All, TextBlueprints,
                         ::testing::Values(TextBlueprint{"shapes-blank",
                                                         {"a", "red", "green", "blue", "yellow", "purple", "circle", "square", "triangle",
                                                          "above", "below", "left", "right", "of"}},
                                           TextBlueprint{"fashion-blank",
                                                         {"t", "-", "shirt", "trouser", "pullover", "dress", "coat", "sandal", "sneaker",
                                                          "bag", "ankle", "boot"}}),
                         [](const auto& blueprint) { return blueprint.param.folder.substr(0, blueprint.param.folder.find('-')); });

}  // namespace
}  // namespace espalier::modelfile
