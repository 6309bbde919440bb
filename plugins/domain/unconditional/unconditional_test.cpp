#include <ATen/ops/flip.h>
#include <gmock/gmock.h>

#include "plugins/shared/image_sources/generated_source.h"
#include "plugins/shared/images/test_files.h"
#include "runtime/base/errors.h"
#include "runtime/modelfile/folder.h"
#include "tests/conformance/conformance.h"

namespace espalier::unconditional {
namespace {

using conformance::Options;
using images::TempFolder;
using images::write_idx_folder;
using images::write_image_folder;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

const std::string kModels = ESPALIER_SOURCE_DIR "/datasets/models/";
const conformance::DomainExpectations kOneCondition{.disjoint_splits = false};

std::unique_ptr<Domain> opened(const Options& options) {
  auto domain = conformance::make<Domain>(conformance::plugin("domain.unconditional"), options);
  domain->open({.seed = 3});
  return domain;
}

State state_of(const Domain& domain, const Examples::Batch& batch) { return domain.codec(nullptr)->encode(batch.sample, {}); }

Options idx(const TempFolder& folder) { return {{"source", "idx"}, {"data", folder.path().string()}}; }

TEST(Unconditional, ConformsOnTheGeneratedSet) {
  const Model model = modelfile::load(kModels + "generated-flow-base-blank", network::engine_networks(), {.initialize_weights = 3});
  conformance::check_domain(conformance::plugin("domain.unconditional"), {{"random_flip", true}},
                            {.disjoint_splits = false, .model = &model});
}

TEST(Unconditional, ConformsOnIdxFiles) {
  const TempFolder folder;
  write_idx_folder(folder.path());
  Options options = idx(folder);
  options["class_names"] = Value::List{"even", "odd"};
  conformance::check_domain(conformance::plugin("domain.unconditional"), options, kOneCondition);
}

TEST(Unconditional, ConformsOnAFolder) {
  const TempFolder folder;
  write_image_folder(folder.path());
  conformance::check_domain(conformance::plugin("domain.unconditional"),
                            {{"source", "folder"}, {"data", folder.path().string()}, {"held_out_fraction", 0.25}, {"random_flip", true}},
                            kOneCondition);
}

TEST(Unconditional, HasOneConditionThatSaysNothing) {
  const Conditions conditions = opened({})->data().conditions("train");
  EXPECT_EQ(conditions.text, (std::vector<std::string>{""}));
  EXPECT_TRUE(conditions.tensors.empty());
  EXPECT_TRUE(conditions.null_tensors.empty());
}

TEST(Unconditional, ExamplesTellTheirClassWhereThereAreNames) {
  const TempFolder folder;
  write_idx_folder(folder.path());
  Options options = idx(folder);
  EXPECT_TRUE(opened(options)->data().examples("train")->at({3}).condition.metadata[0].as_map().empty());
  options["class_names"] = Value::List{"even", "odd"};
  const auto domain = opened(options);
  const Value metadata = domain->data().examples("train")->at({3}).condition.metadata[0];
  EXPECT_EQ(metadata.at("label").as_integer(), 1);
  EXPECT_EQ(metadata.at("class").as_string(), "odd");
  EXPECT_EQ(domain->data().conditions("held_out").metadata[0].at("class_names").as_list().size(), 2U);
}

TEST(Unconditional, StatesAreImagesBetweenMinusOneAndOne) {
  const TempFolder folder;
  write_idx_folder(folder.path());
  const auto domain = opened(idx(folder));
  const auto codec = domain->codec(nullptr);
  EXPECT_EQ(codec->spec().at("sample").shape, (std::vector<std::int64_t>{1, 4, 4}));
  const State state = state_of(*domain, domain->data().examples("train")->at({0, 5}));  // grey 0 and 50
  EXPECT_FLOAT_EQ(state.at("sample")[0][0][1][2].item<float>(), -1.0F);
  EXPECT_FLOAT_EQ(state.at("sample")[1][0][1][2].item<float>(), 100.0F / 255.0F - 1.0F);
  EXPECT_EQ(codec->draw(codec->decode(state, {}))[1].rgb, std::vector<std::uint8_t>(48, 50));
}

TEST(Unconditional, ModelsMustTakeImagesOfThisKindAndNoTexts) {
  const auto domain = opened({});
  const auto info = [](const std::string& name) {
    return modelfile::info(kModels + name, network::engine_networks(), {.initialize_weights = 3});
  };
  const ModelInfo larger = info("fashion-flow-base-blank"), tiles = info("tiles-flow-base-blank"), texts = info("fashion-blank");
  EXPECT_EQ(domain->codec(&larger)->spec().at("sample").shape, (std::vector<std::int64_t>{1, 28, 28})) << "of the model, not of the data";
  EXPECT_THAT([&] { domain->codec(&tiles); }, ThrowsMessage<DataError>(HasSubstr("in_channels is 3")));
  EXPECT_THAT([&] { domain->codec(&texts); }, ThrowsMessage<DataError>(HasSubstr("have no prompts")));
}

TEST(Unconditional, MirrorImagesFollowTheTrainingImages) {
  const auto plain = opened({})->data().examples("train");
  const auto domain = opened({{"random_flip", true}});
  const auto both = domain->data().examples("train");
  const auto states = [&](const Examples& examples, const std::vector<std::uint64_t>& positions) {
    return state_of(*domain, examples.at(positions)).at("sample");
  };
  ASSERT_EQ(both->size(), 2 * images::kGeneratedTrain);
  const std::vector<std::uint64_t> rows = {0, 7, 4095}, mirrored = {4096, 4103, 8191};
  const at::Tensor here = states(*plain, rows);
  EXPECT_TRUE(states(*both, rows).equal(here));
  EXPECT_TRUE(states(*both, mirrored).equal(at::flip(here, {3})));
  EXPECT_FALSE(here.equal(at::flip(here, {3})));
  EXPECT_TRUE(states(*both, {7, 4103})[0].equal(here[1])) << "plain and mirrored images share a batch";
  EXPECT_EQ(both->at(mirrored).condition.metadata, plain->at(rows).condition.metadata);
  EXPECT_EQ(domain->data().examples("held_out")->size(), images::kGeneratedHeldOut) << "held-out images are never mirrored";
  EXPECT_EQ(domain->data().examples("held_out")->digest(), opened({})->data().examples("held_out")->digest());
  EXPECT_NE(both->digest(), plain->digest());
}

TEST(Unconditional, DigestsChangeWithWhatExamplesAre) {
  const TempFolder folder;
  write_idx_folder(folder.path());
  const Options plain = idx(folder);
  const Hex first = opened(plain)->data().examples("train")->digest();
  const auto with = [&](const std::string& name, const Value& value) {
    Options options = plain;
    options[name] = value;
    return opened(options)->data().examples("train")->digest();
  };
  EXPECT_EQ(opened(plain)->data().examples("train")->digest(), first);
  EXPECT_NE(with("resolution", 8), first);
  EXPECT_NE(with("random_flip", true), first);
  EXPECT_NE(with("class_names", Value::List{"even", "odd"}), first);
  EXPECT_NE(with("train_images", "t10k-images-idx3-ubyte"), first);
  EXPECT_EQ(with("test_images", ""), first) << "another split's file";
  Options split = plain;
  split["test_images"] = "";
  split["held_out_fraction"] = 0.5;
  const Hex half = opened(split)->data().examples("train")->digest();
  EXPECT_NE(half, first);
  split["split_seed"] = 1;
  EXPECT_NE(opened(split)->data().examples("train")->digest(), half);
  images::write_file(folder / "train-images-idx3-ubyte", images::grey_images(7));
  EXPECT_NE(opened(plain)->data().examples("train")->digest(), first);
}

// Keys are made of one reading, examples of a later one.
TEST(Unconditional, RefusesPixelsThatItsKeysWereNotMadeOf) {
  const TempFolder images, files;
  write_image_folder(images.path());
  const auto folder = opened({{"source", "folder"}, {"data", images.path().string()}});
  write_idx_folder(files.path());
  const auto idx_files = opened(idx(files));
  for (const Domain* domain : {folder.get(), idx_files.get()}) domain->data().examples("train")->digest();
  images::rot_file(images / "4.png", images::plain_png(4, 4, 81));
  images::rot_file(files / "train-images-idx3-ubyte", images::idx_bytes({6, 4, 4}, std::string(96, 'x')));
  EXPECT_THAT([&] { folder->data().examples("train")->at({0}); },
              ThrowsMessage<DataError>(HasSubstr("4.png: its pixels are not those that this run's keys were made of")));
  EXPECT_THAT([&] { idx_files->data().examples("train")->at({0}); },
              ThrowsMessage<DataError>(HasSubstr("train-images-idx3-ubyte: its images are not those that this run's keys were made of")));
}

TEST(Unconditional, RefusesOptionsOfAnotherSource) {
  const auto expect = [](const Options& options, const std::string& message) {
    EXPECT_THAT([&] { opened(options); }, ThrowsMessage<ConfigError>(HasSubstr(message)));
  };
  expect({{"train_images", "x"}}, "'train_images' is for source = \"idx\"");
  expect({{"class_names", Value::List{"x"}}}, "'class_names' is for source = \"idx\"");
  expect({{"source", "idx"}, {"data", "x"}, {"train_labels", "x"}}, "with class_names");
  expect({{"held_out_fraction", 0.1}}, "'held_out_fraction' is for source = \"folder\"");
  expect({{"source", "idx"}, {"data", "x"}, {"held_out_fraction", 0.1}}, "test_images = \"\"");
  expect({{"split_seed", 1}}, "'split_seed' is for held_out_fraction");
  expect({{"data", "x"}}, "'data' is for source = \"folder\" or \"idx\"");
  expect({{"source", "folder"}}, "needs the option 'data'");
  expect({{"resolution", 8}}, "at least 12");
  EXPECT_THAT([] { opened({})->data().examples("held-out"); }, ThrowsMessage<ConfigError>(HasSubstr("did you mean 'held_out'?")));
}

}  // namespace
}  // namespace espalier::unconditional
