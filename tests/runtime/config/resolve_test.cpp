#include "runtime/config/resolve.h"

#include <gmock/gmock.h>

#include <fstream>

#include "fake_catalog.h"
#include "runtime/base/digest.h"
#include "runtime/base/errors.h"
#include "runtime/tensor/dtype.h"
#include "tests/runtime/base/folder.h"

namespace espalier::config {
namespace {

using ::testing::ElementsAre;

const char* const kPipeline = R"(
name = "toy-run"
seed = 7
[domain]
type = "domain.toy"
[domain.options]
size = 24
[models]
base = "."
[defaults."sampler.fake"]
num_inference_steps = 25
eta = 1
[[stage]]
tag = "evaluated"
type = "metric.fake"
inputs = { scores = ["late", "early"], baseline = "early" }
[[stage]]
tag = "late"
type = "reward.fake"
inputs = { samples = "tuned_samples" }
[[stage]]
tag = "early"
type = "reward.fake"
inputs = { samples = "samples" }
[stage.options]
palette = "cold"
workers = 4
[[stage]]
tag = "samples"
type = "sampler.fake"
inputs = { model = "base" }
[stage.options]
eta = 0.5
samples_per_condition = 4
record_steps = [1, 0.25]
[[stage]]
tag = "best"
type = "filter.fake"
inputs = { scores = "early" }
[[stage]]
tag = "tuned"
type = "trainer.fake"
inputs = { model = "base", selection = "best" }
options = { intermediate_step = 0.5 }
[[stage]]
tag = "tuned_samples"
type = "sampler.fake"
inputs = { model = ["tuned", "base"] }
options = { split = "held_out", block_size = 32, micro_batch = 8 }
)";

PipelineSpec read(const std::string& text, const std::vector<std::string>& overrides = {}) {
  return resolve(Document::parse(text, "p.toml", overrides), fake_catalog());
}

std::vector<std::string> tags(const PipelineSpec& spec) {
  std::vector<std::string> names;
  for (const auto& stage : spec.stages) names.push_back(stage.tag);
  return names;
}

TEST(Resolve, ReadsAWholePipeline) {
  const auto spec = read(kPipeline);
  EXPECT_EQ(spec.name, "toy-run");
  EXPECT_EQ(spec.seed, 7u);
  EXPECT_EQ(spec.device, "cpu");
  EXPECT_EQ(spec.cache_path, "cache");
  EXPECT_EQ(spec.origin, "p.toml");
  EXPECT_EQ(spec.text, kPipeline);
  EXPECT_EQ(spec.domain_type, "domain.toy");
  EXPECT_EQ(spec.domain_numerics_version, 2);
  EXPECT_EQ(spec.domain_options, Value(Value::Map{{"prompts", "shapes"}, {"size", 24}}));
  ASSERT_NE(spec.domain, nullptr);
  EXPECT_EQ(domain_seed(), 7u);
}

TEST(Resolve, PutsInputsFirstAndKeepsTheFilesOrderElse) {
  EXPECT_THAT(tags(read(kPipeline)), ElementsAre("samples", "early", "best", "tuned", "tuned_samples", "late", "evaluated"));
}

TEST(Resolve, MergesDefaultsAndSortsOptionsByRole) {
  const auto spec = read(kPipeline);
  const auto* samples = spec.find("samples");
  ASSERT_NE(samples, nullptr);
  EXPECT_EQ(samples->keyed, Value(Value::Map{{"num_inference_steps", 25},
                                             {"eta", 0.5},
                                             {"split", "train"},
                                             {"max_conditions", 0},
                                             {"noise", "sampling"},
                                             {"block_size", 64},
                                             {"micro_batch", 16}}));
  EXPECT_EQ(samples->view, Value(Value::Map{{"samples_per_condition", 4}, {"record_steps", Value::List{1, 0.25}}}));
  EXPECT_EQ(samples->sampler.samples_per_condition, 4);
  EXPECT_THAT(samples->sampler.record_steps, ElementsAre(Step(std::int64_t{1}), Step(0.25)));
  EXPECT_EQ(samples->numerics_version, 3);
  EXPECT_EQ(spec.find("tuned_samples")->keyed.at("eta"), Value(1.0));  // an integer where a number is meant
  EXPECT_EQ(spec.find("tuned_samples")->sampler.micro_batch, 8);
  const auto* early = spec.find("early");
  EXPECT_EQ(early->keyed, Value(Value::Map{{"palette", "cold"}}));
  EXPECT_EQ(early->operational, Value(Value::Map{{"workers", 4}, {"max_invalid_fraction", 0.1}}));
  EXPECT_EQ(early->reward.max_invalid_fraction, 0.1);
}

TEST(Resolve, GivesInputsByPortAndTheirPlace) {
  const auto spec = read(kPipeline);
  EXPECT_THAT(spec.find("tuned_samples")->input("model")->tags, ElementsAre("tuned", "base"));
  EXPECT_EQ(spec.find("tuned")->input("selection")->tags.at(0), "best");
  EXPECT_EQ(spec.find("samples")->input("selection"), nullptr);
  EXPECT_EQ(spec.find("evaluated")->where.to_string(), "p.toml:13:1");
}

TEST(Resolve, KeepsTheTypeOfAStep) {
  EXPECT_EQ(read(kPipeline).find("tuned")->keyed.at("intermediate_step"), Value(0.5));
  EXPECT_EQ(read(kPipeline, {"tuned.intermediate_step=1"}).find("tuned")->keyed.at("intermediate_step"), Value(1));
  EXPECT_EQ(read(kPipeline, {"tuned.intermediate_step=1.0"}).find("tuned")->keyed.at("intermediate_step"), Value(1.0));
}

TEST(Resolve, AppliesOverrides) {
  const auto spec = read(kPipeline, {"seed=11", "name=other", "cache.path=/data/my cache", "device.type=cuda", "domain.prompts=words",
                                     "samples.eta=0.25", "samples.split=\"held_out\"", "late.palette=cold"});
  EXPECT_EQ(spec.seed, 11u);
  EXPECT_EQ(domain_seed(), 11u);
  EXPECT_EQ(spec.name, "other");
  EXPECT_EQ(spec.cache_path, "/data/my cache");
  EXPECT_EQ(spec.device, "cuda");
  EXPECT_EQ(spec.domain_options.at("prompts"), Value("words"));
  EXPECT_EQ(spec.find("samples")->keyed.at("eta"), Value(0.25));
  EXPECT_EQ(spec.find("samples")->sampler.split, "held_out");
  EXPECT_EQ(spec.find("late")->keyed.at("palette"), Value("cold"));
  EXPECT_EQ(spec.overrides.size(), 8u);
}

TEST(Resolve, LeavesTheDomainClosedOnRequest) {
  const int before = domain_openings();
  EXPECT_NE(resolve(Document::parse(kPipeline, "p.toml", {}), fake_catalog(), false).domain, nullptr);
  EXPECT_EQ(domain_openings(), before);
}

TEST(Resolve, DoesNotOpenTheDomainOfAFaultyPipeline) {
  const int before = domain_openings();
  EXPECT_THROW(read(kPipeline, {"samples.etta=1"}), ConfigError);
  EXPECT_EQ(domain_openings(), before);
}

TEST(Resolve, BlamesThePluginThatTakesAnEngineOption) {
  const std::string text =
      "name='x'\nmodels.base='.'\n[domain]\ntype='domain.toy'\n[[stage]]\ntag='s'\ntype='sampler.greedy'\ninputs={model='base'}\n";
  try {
    read(text);
    FAIL();
  } catch (const PluginError& error) {
    EXPECT_STREQ(error.what(), "sampler.greedy declares the option 'micro_batch', which every sampler has; rename it");
  }
}

TEST(Models, AreFoldersOrTables) {
  std::string text = kPipeline;
  text.insert(
      text.find("[defaults"),
      "blank = { folder = \"some/folder\", initialize_weights = true }\nstrict = { folder = \"a\", on_prompt_overflow = \"error\" }\n");
  const auto spec = read(text);
  EXPECT_EQ(spec.models.size(), 3u);
  EXPECT_EQ(spec.models.at("blank").folder, "some/folder") << "no stage takes it: it need not be there";
  EXPECT_EQ(spec.load_options("blank").initialize_weights, 7u) << "the run's seed";
  EXPECT_EQ(spec.load_options("base").initialize_weights, std::nullopt);
  EXPECT_EQ(spec.load_options("tuned").initialize_weights, std::nullopt) << "a stage's model has its weights";
  EXPECT_TRUE(spec.models.at("strict").refuses_long_prompts);
  EXPECT_FALSE(spec.models.at("base").refuses_long_prompts);
  EXPECT_TRUE(spec.is_folder("base") && !spec.is_folder("tuned"));
}

TEST(Models, AreComputedInTheDtypeOfTheirEntryElseOfTheDevice) {
  const auto options = [](const std::string& tag, const std::vector<std::string>& overrides) {
    return read(kPipeline, overrides).load_options(tag);
  };
  EXPECT_EQ(options("base", {}).dtype, at::kFloat);
  EXPECT_EQ(options("base", {"device.dtype=bfloat16"}).dtype, at::kBFloat16);
  EXPECT_EQ(options("base", {"device.dtype=bfloat16", "models.base.dtype=float32"}).dtype, at::kFloat);
  EXPECT_EQ(options("base", {"models.base.dtype=bfloat16"}).dtype, at::kBFloat16);
  EXPECT_EQ(options("tuned", {"models.base.dtype=bfloat16"}).dtype, at::kBFloat16) << "as the model that training began with";
  EXPECT_EQ(options("tuned", {"models.base.variant=fp16", "models.base.prediction_type=epsilon"}).variant, "");
  EXPECT_EQ(options("base", {"models.base.variant=fp16"}).variant, "fp16");
  EXPECT_EQ(options("base", {"models.base.prediction_type=epsilon"}).prediction_type, "epsilon");
  EXPECT_EQ(options("base", {"models.base.height=24"}).height, 24);
  EXPECT_EQ(options("base", {"models.base.width=32"}).width, 32);
  const auto halves = [&] { return options("base", {"device.dtype=float16"}).dtype; };
  if (tensor::cpu_computes(at::kHalf)) {
    EXPECT_EQ(halves(), at::kHalf);
  } else {
    EXPECT_THAT(halves, testing::ThrowsMessage<ConfigError>(testing::HasSubstr("'dtype' is float16, which this CPU does not compute in")));
  }
  EXPECT_EQ(options("base", {"device.type=cuda", "device.dtype=float16"}).dtype, at::kHalf);
}

TEST(Models, MayBeOverriddenWholeOrByKey) {
  const auto model = [](const std::vector<std::string>& overrides) { return read(kPipeline, overrides).models.at("base"); };
  EXPECT_EQ(model({"models.base=datasets"}).folder, "datasets");
  const auto drawn = model({"models.base.initialize_weights=true"});
  EXPECT_EQ(drawn.folder, ".") << "beside the folder that the file names";
  EXPECT_TRUE(drawn.initialize_weights);
  EXPECT_TRUE(model({"models.base=datasets", "models.base.initialize_weights=true"}).initialize_weights);
  EXPECT_FALSE(model({"models.base.initialize_weights=true", "models.base=datasets"}).initialize_weights) << "the later one is whole";
  EXPECT_EQ(model({"models.base.folder=datasets"}).folder, "datasets");
  EXPECT_THAT([&] { read(kPipeline, {"models.other=datasets"}); },
              testing::ThrowsMessage<ConfigError>(testing::HasSubstr("no stage takes a model 'other'")));
}

// Prompts that a model's tokenizer cuts or cannot spell: of the models that stages take.
class Prompts : public testing::Test {
 protected:
  PipelineSpec with(const std::string& prompts, const std::string& model, const std::vector<std::string>& overrides = {}) {
    std::vector<std::string> all{"domain.prompts=\"" + prompts + "\"", "models.base=" ESPALIER_SOURCE_DIR "/datasets/models/" + model};
    all.insert(all.end(), overrides.begin(), overrides.end());
    return read(kPipeline, all);
  }
  // 14 tokens and the two ends: as many as shapes-blank takes.
  const std::string words_ = "a red circle above a blue square left of a green triangle below a";
};

TEST_F(Prompts, ThatAreCutAreCountedInTheNotes) {
  const auto long_ones = words_ + " yellow square\\n" + words_ + " purple circle";
  EXPECT_THAT(with(long_ones, "shapes-blank").notes,
              ElementsAre(testing::StartsWith("base: 2 of 2 prompts are cut at 16 tokens"), testing::HasSubstr("have become 1 condition")));
  EXPECT_THAT(with(words_, "shapes-blank").notes, testing::IsEmpty());
  EXPECT_THAT(with(long_ones, "generated-flow-base-blank").notes, testing::IsEmpty()) << "a model without a tokenizer reads none";
  std::string with_another = kPipeline;
  with_another.replace(with_another.find("[models]\n"), 9, "[models]\nother = '" ESPALIER_SOURCE_DIR "/datasets/models/shapes-blank'\n");
  EXPECT_THAT(read(with_another, {"domain.prompts=\"" + long_ones + "\""}).notes, testing::IsEmpty()) << "no stage takes it";
}

// Of the folders that stages take: what their schedulers' files leave open, and what is done about it.
TEST(Schedulers, AreNotedWhereAPersonShouldKnow) {
  const TemporaryFolder folder;
  std::filesystem::create_directories(folder.path() / "scheduler");
  const auto notes = [&](const std::string& scheduler, const std::vector<std::string>& more = {}) {
    std::ofstream(folder.path() / "scheduler/scheduler_config.json") << scheduler;
    std::vector<std::string> overrides = {"models.base=" + folder.path().string()};
    overrides.insert(overrides.end(), more.begin(), more.end());
    return read(kPipeline, overrides).notes;
  };
  EXPECT_THAT(notes(R"({"_class_name": "PNDMScheduler"})"),
              ElementsAre(testing::StartsWith("base: scheduler_config.json: prediction_type is not named")));
  EXPECT_THAT(notes(R"({"_class_name": "PNDMScheduler", "prediction_type": "epsilon"})"), testing::IsEmpty());
  EXPECT_THAT(notes(R"({"_class_name": "PNDMScheduler"})", {"models.base.prediction_type=epsilon"}), testing::IsEmpty());
  EXPECT_THAT([&] { notes(R"({"_class_name": "FlowMatchEulerDiscreteScheduler"})", {"models.base.prediction_type=epsilon"}); },
              testing::ThrowsMessage<ConfigError>(testing::HasSubstr("a process of this class has none; leave it out")));
  EXPECT_THAT([&] { notes("[1]"); }, testing::ThrowsMessage<ConfigError>(testing::HasSubstr("[models]: base: ")));
}

TEST_F(Prompts, ThatAreCutAreRefusedWhereAsked) {
  EXPECT_THAT([&] { with(words_ + " yellow square", "shapes-blank", {"models.base.on_prompt_overflow=error"}); },
              testing::ThrowsMessage<ConfigError>(testing::AllOf(testing::HasSubstr("[models]: base: the prompt 'a red"),
                                                                 testing::HasSubstr("has 18 tokens, the model takes 16"))));
}

// Ten classes became three ids, all the same, and nothing was said.
TEST_F(Prompts, OfCharactersThatTheVocabularyLacksAreRefused) {
  EXPECT_THAT([&] { with("bag\\n0", "fashion-blank"); }, testing::ThrowsMessage<ConfigError>(testing::AllOf(
                                                             testing::HasSubstr("[models]: base: the prompt '0'"),
                                                             testing::HasSubstr("datasets/models/fashion-blank/tokenizer/vocab.json"))));
}

// Their bits are in what stages make: a network's library is one of those that made it.
TEST(Models, OfALibrarysNetworkBringTheLibrary) {
  const TemporaryFolder folder;
  std::filesystem::create_directory(folder.path() / "unet");
  std::ofstream(folder.path() / "unet/config.json") << R"({"_class_name": "Mine"})";
  auto catalog = fake_catalog();
  network::NetworkEntry mine{"Mine",
                             "unet",
                             {},
                             [](const network::ComponentConfigs&, const network::NetworkSettings&) { return nullptr; },
                             ESPALIER_SOURCE_DIR "/LICENSE"};
  auto other = mine;
  other.class_name = "Another";
  catalog.add({}, {mine, other});
  const auto spec = resolve(Document::parse(kPipeline, "p.toml", {"models.base=" + folder.path().string()}), catalog);
  const auto& libraries = spec.find("samples")->libraries;
  EXPECT_EQ(libraries.at("network Mine"), Value(digest_file(ESPALIER_SOURCE_DIR "/LICENSE")));
  EXPECT_FALSE(libraries.contains("network Another")) << "no folder names it";
}

// A network of which one row costs this much.
struct CostlyNetwork final : Network {
  explicit CostlyNetwork(double flops) : flops_(flops) {}
  Value architecture() const override { return Value::Map{{"unet", Value::Map{{"_class_name", "Costly"}}}}; }
  State predict(const Weights&, const State& noisy, const at::Tensor&, const TensorMap&) const override { return noisy; }
  Weights initialize(std::uint64_t) const override { return {}; }
  double flops(const StateSpec&) const override { return flops_; }
  double flops_;
};

// The numbers of a stage's `options` for a model of this cost: block_size, then micro_batch.
std::vector<std::int64_t> batches(double flops, const std::vector<std::string>& overrides = {}, const std::string& stage = "samples") {
  const TemporaryFolder folder;
  std::filesystem::create_directories(folder.path() / "unet");
  std::filesystem::create_directories(folder.path() / "scheduler");
  std::ofstream(folder.path() / "unet/config.json") << R"({"_class_name": "Costly"})";
  std::ofstream(folder.path() / "scheduler/scheduler_config.json") << R"({"_class_name": "DDIMScheduler", "prediction_type": "epsilon"})";
  auto catalog = fake_catalog();
  network::NetworkEntry costly{.class_name = "Costly", .component = "unet"};
  costly.make = [flops](const auto&, const auto&) { return std::make_shared<CostlyNetwork>(flops); };
  catalog.add({}, {costly});
  auto all = overrides;
  all.push_back("models.base=" + folder.path().string());
  const auto spec = resolve(Document::parse(kPipeline, "p.toml", all), catalog);
  const auto& found = *spec.find(stage);
  EXPECT_EQ(found.keyed.at("block_size"), Value(found.sampler.block_size));
  EXPECT_EQ(found.keyed.at("micro_batch"), Value(found.sampler.micro_batch));
  return {found.sampler.block_size, found.sampler.micro_batch};
}

TEST(Batches, AreSmallerForModelsThatCostMore) {
  EXPECT_THAT(batches(0), ElementsAre(64, 16)) << "a network that does not say";
  EXPECT_THAT(batches(2e10), ElementsAre(64, 16));
  EXPECT_THAT(batches(1e11), ElementsAre(32, 4));
  EXPECT_THAT(batches(8e11), ElementsAre(4, 1)) << "Stable Diffusion at 512 px";
  EXPECT_THAT(batches(6e12), ElementsAre(1, 1));
  EXPECT_THAT(batches(8e11, {}, "tuned_samples"), ElementsAre(32, 8)) << "as the stage sets them";
}

TEST(Batches, DefaultsFitWhatTheStageSets) {
  EXPECT_THAT(batches(0, {"samples.block_size=24"}), ElementsAre(24, 8));
  EXPECT_THAT(batches(0, {"samples.block_size=3"}), ElementsAre(3, 1));
  EXPECT_THAT(batches(0, {"samples.micro_batch=20"}), ElementsAre(80, 20));
  EXPECT_THAT(batches(8e11, {"samples.micro_batch=8"}), ElementsAre(8, 8));
}

std::vector<std::string> names_of(const std::vector<OptionInfo>& options) {
  std::vector<std::string> names;
  for (const auto& option : options) names.push_back(option.name);
  return names;
}

TEST(DescribeOptions, PutsTheKindsOptionsBeforeThePluginsOwn) {
  const auto catalog = fake_catalog();
  SamplerView view;
  Schema every_sampler;
  view.options(every_sampler);
  auto expected = names_of(every_sampler.infos());
  expected.insert(expected.end(), {"num_inference_steps", "eta"});
  EXPECT_EQ(names_of(describe_options(*catalog.find("sampler", "fake"))), expected);
  EXPECT_THAT(names_of(describe_options(*catalog.find("reward", "fake"))), ElementsAre("max_invalid_fraction", "palette", "workers"));
  EXPECT_THAT(names_of(describe_options(*catalog.find("domain", "toy"))), ElementsAre("prompts", "size"));
}

}  // namespace
}  // namespace espalier::config
