#include <gmock/gmock.h>

#include <cstdlib>

#include "plugins/shared/folder/data_variable.h"
#include "plugins/shared/images/test_files.h"
#include "runtime/base/errors.h"
#include "runtime/modelfile/folder.h"
#include "runtime/sdk/encoding.h"
#include "tests/conformance/conformance.h"

namespace espalier::text_to_image {
namespace {

namespace fs = std::filesystem;
using namespace images;

using conformance::Options;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

const std::string kModels = ESPALIER_SOURCE_DIR "/datasets/models/";

Model blank(const std::string& name) { return modelfile::load(kModels + name, network::engine_networks(), {.initialize_weights = 3}); }

std::unique_ptr<Domain> opened(const Options& options) {
  auto domain = conformance::make<Domain>(conformance::plugin("domain.text_to_image"), options);
  domain->open({.seed = 3});
  return domain;
}

TEST(TextToImage, ConformsOnTheShapesWorld) {
  const Model model = blank("shapes-blank");
  conformance::check_domain(conformance::plugin("domain.text_to_image"), {{"prompts", "shapes"}, {"caption_relation_noise", 0.3}},
                            {.model = &model});
}

TEST(TextToImage, ConformsOnIdxFiles) {
  TempFolder folder;
  write_idx_folder(folder.path());
  conformance::check_domain(conformance::plugin("domain.text_to_image"),
                            {{"prompts", "idx"}, {"data", folder.path().string()}, {"class_names", Value::List{"even", "odd"}}},
                            {.disjoint_splits = false});
}

TEST(TextToImage, ConformsOnAFolder) {
  TempFolder folder;
  write_image_folder(folder.path());
  conformance::check_domain(conformance::plugin("domain.text_to_image"),
                            {{"prompts", "folder"}, {"data", folder.path().string()}, {"held_out_fraction", 0.25}});
}

TEST(TextToImage, ConformsOnPromptsWithoutImages) {
  const TempFolder folder;
  write_file(folder / "train.txt", "a red car\na blue car\n");
  write_file(folder / "held_out.csv", "prompt,category\ntwo dogs,counting\n");
  const Model model = blank("shapes-blank");
  conformance::check_domain(conformance::plugin("domain.text_to_image"),
                            {{"prompts", "files"},
                             {"train", Value::List{(folder / "train.txt").string()}},
                             {"held_out", Value::List{(folder / "held_out.csv").string()}},
                             {"resolution", 32}},
                            {.model = &model});
}

TEST(TextToImage, PromptsWithoutImagesAreConditionsWithMetadata) {
  const TempFolder folder;
  write_file(folder / "a.tsv", "text\tkind\na red car\tcolor\n");
  const auto domain = opened({{"prompts", "files"}, {"train", Value::List{(folder / "a.tsv").string()}}, {"prompt_column", "text"}});
  const auto conditions = domain->data().conditions("train");
  EXPECT_EQ(conditions.text, (std::vector<std::string>{"a red car"}));
  EXPECT_EQ(conditions.metadata.at(0).at("kind"), Value("color"));
  EXPECT_EQ(domain->codec(nullptr)->spec().at("sample").shape, (std::vector<std::int64_t>{3, 512, 512}));
  const auto info = modelfile::info(kModels + "shapes-blank", network::engine_networks(), {.initialize_weights = 3});
  EXPECT_EQ(domain->codec(&info)->spec().at("sample").shape, (std::vector<std::int64_t>{3, 16, 16})) << "of the model";
  EXPECT_FALSE(domain->data().has_examples());
  EXPECT_THAT([&] { domain->data().examples("train"); }, ThrowsMessage<ConfigError>(HasSubstr("prompts without images")));
}

// Whoever asks for a published set alone gets the splits that it was published with.
TEST(TextToImage, APublishedSetHasItsOwnSplits) {
  const char* base = std::getenv("ESPALIER_DATA");
  if (base == nullptr || !fs::is_directory(fs::path(base) / "prompts")) GTEST_SKIP() << "ESPALIER_DATA names no folder with prompts";
  EXPECT_EQ(opened({{"prompts", "t2i_compbench"}, {"on_overlap", "note"}})->data().splits(),
            (std::vector<std::string>{"train", "held_out"}));
  EXPECT_THAT([] { opened({{"prompts", "t2i_compbench"}}); },
              ThrowsMessage<DataError>(HasSubstr("6 prompts of held_out are in train too")));
  EXPECT_EQ(opened({{"prompts", "geneval"}})->data().splits(), (std::vector<std::string>{"held_out"}));
  EXPECT_EQ(opened({{"prompts", "ddpo"}})->data().splits(), (std::vector<std::string>{"train"}));
}

TEST(TextToImage, StatesAreImagesBetweenMinusOneAndOne) {
  TempFolder folder;
  write_idx_folder(folder.path());
  const auto domain = opened({{"prompts", "idx"}, {"data", folder.path().string()}, {"class_names", Value::List{"even", "odd"}}});
  const auto codec = domain->codec(nullptr);
  const State state = codec->encode(domain->data().examples("train")->at({0, 5}).sample, {});  // grey 0 and 50
  EXPECT_FLOAT_EQ(state.at("sample")[0][0][1][2].item<float>(), -1.0F);
  EXPECT_FLOAT_EQ(state.at("sample")[1][0][1][2].item<float>(), 100.0F / 255.0F - 1.0F);
  const Sample sample = codec->decode(state, {});
  EXPECT_NEAR(sample.tensors.at("image")[1][0][1][2].item<float>(), 50.0F / 255.0F, 1e-6);
  const Image image = codec->draw(sample)[1];
  EXPECT_EQ(image.rgb, std::vector<std::uint8_t>(48, 50));
}

TEST(TextToImage, AModelsTokenizerTakesThePrompts) {
  const Conditions conditions = opened({})->data().conditions("train");
  ASSERT_EQ(conditions.size(), 480);
  EXPECT_TRUE(conditions.tensors.empty());
  const auto encoded = encode_conditions(conditions, blank("shapes-blank"));
  const at::Tensor ids = encoded.tensors.at("input_ids");
  EXPECT_EQ(ids.sizes().vec(), (std::vector<std::int64_t>{480, 16}));
  // "a yellow square left of a purple circle": start, 8 words, end; the empty prompt: start and end. Both padded with the end.
  ASSERT_EQ(conditions.text[0], "a yellow square left of a purple circle");
  const std::int64_t end = ids[0][15].item<std::int64_t>();
  EXPECT_EQ(ids[0][9].item<std::int64_t>(), end);
  EXPECT_NE(ids[0][8].item<std::int64_t>(), end);
  EXPECT_EQ(ids[0][1].item<std::int64_t>(), ids[0][6].item<std::int64_t>());
  EXPECT_EQ(encoded.null_tensors.at("input_ids")[0][1].item<std::int64_t>(), end);
  EXPECT_EQ(encoded.null_tensors.at("input_ids")[0][0].item<std::int64_t>(), ids[0][0].item<std::int64_t>());
}

TEST(TextToImage, AnExampleHasTheConditionOfItsPrompt) {
  TempFolder folder;
  write_image_folder(folder.path());
  const auto domain = opened({{"prompts", "folder"}, {"data", folder.path().string()}});
  const auto condition = domain->data().examples("train")->at({7, 0}).condition;
  EXPECT_EQ(condition.text, (std::vector<std::string>{"thing 3", "thing 0"}));
  EXPECT_EQ(condition.metadata.at(0).at("label").as_integer(), 3);
}

TEST(TextToImage, ModelsMustTakeTextsAndImagesOfThisKind) {
  TempFolder folder;
  write_idx_folder(folder.path());
  const auto grey = opened({{"prompts", "idx"}, {"data", folder.path().string()}, {"class_names", Value::List{"even", "odd"}}});
  const auto info = [](const std::string& name) {
    return modelfile::info(kModels + name, network::engine_networks(), {.initialize_weights = 3});
  };
  const ModelInfo fashion = info("fashion-blank"), shapes = info("shapes-blank"), without_texts = info("fashion-flow-base-blank");
  EXPECT_EQ(grey->codec(&fashion)->spec().at("sample").shape, (std::vector<std::int64_t>{1, 28, 28})) << "of the model, not of the data";
  EXPECT_THAT([&] { grey->codec(&shapes); }, ThrowsMessage<DataError>(HasSubstr("in_channels is 3")));
  EXPECT_THAT([&] { grey->codec(&without_texts); }, ThrowsMessage<DataError>(HasSubstr("no text_encoder")));
}

TEST(TextToImage, FindsADataSetByItsName) {
  TempFolder folder;
  write_image_folder(folder / "tiny");
  const folder::DataVariable data(folder.path().c_str());
  EXPECT_EQ(opened({{"prompts", "folder"}, {"data", "tiny"}})->data().conditions("train").size(), 5);
  EXPECT_THAT([] { opened({{"prompts", "folder"}, {"data", "huge"}}); },
              ThrowsMessage<DataError>(AllOf(HasSubstr("huge"), HasSubstr("ESPALIER_DATA"), HasSubstr(folder.path().string()))));
}

// Keys are made of one reading, examples of a later one.
TEST(TextToImage, RefusesPixelsThatItsKeysWereNotMadeOf) {
  const TempFolder images, files;
  write_image_folder(images.path());
  write_idx_folder(files.path());
  const auto folder = opened({{"prompts", "folder"}, {"data", images.path().string()}});
  const auto idx_files = opened({{"prompts", "idx"}, {"data", files.path().string()}, {"class_names", Value::List{"even", "odd"}}});
  for (const Domain* domain : {folder.get(), idx_files.get()}) domain->data().examples("train")->digest();
  rot_file(images / "4.png", plain_png(4, 4, 81));
  rot_file(files / "train-images-idx3-ubyte", idx_bytes({6, 4, 4}, std::string(96, 'x')));
  EXPECT_THAT([&] { folder->data().examples("train")->at({0}); },
              ThrowsMessage<DataError>(HasSubstr("4.png: its pixels are not those that this run's keys were made of")));
  EXPECT_THAT([&] { idx_files->data().examples("train")->at({0}); },
              ThrowsMessage<DataError>(HasSubstr("train-images-idx3-ubyte: its images are not those that this run's keys were made of")));
}

TEST(TextToImage, RefusesOptionsOfAnotherSource) {
  EXPECT_THAT([] { opened({{"class_names", Value::List{"x"}}}); },
              ThrowsMessage<ConfigError>(HasSubstr("'class_names' is for prompts = \"idx\"")));
  EXPECT_THAT([] { opened({{"prompts", "folder"}, {"caption_binding_noise", 0.5}}); }, ThrowsMessage<ConfigError>(HasSubstr("\"shapes\"")));
  EXPECT_THAT([] { opened({{"data", "x"}}); }, ThrowsMessage<ConfigError>(HasSubstr("'data'")));
  EXPECT_THAT([] { opened({{"prompts", "idx"}}); }, ThrowsMessage<ConfigError>(HasSubstr("needs the option 'data'")));
  EXPECT_THAT([] { opened({{"prompts", "idx"}, {"data", "x"}}); }, ThrowsMessage<ConfigError>(HasSubstr("needs class_names")));
  EXPECT_THAT([] { opened({{"prompts", "idx"}, {"data", "x"}, {"test_images", ""}}); },
              ThrowsMessage<ConfigError>(HasSubstr("leave both empty for no held-out images")));
  EXPECT_THAT([] { opened({{"train", Value::List{"a.txt"}}}); },
              ThrowsMessage<ConfigError>(HasSubstr("'train' is for prompts = \"files\"")));
  EXPECT_THAT([] { opened({{"prompts", "geneval"}, {"held_out", Value::List{"a.txt"}}}); },
              ThrowsMessage<ConfigError>(HasSubstr("'held_out' is for prompts = \"files\"; here prompts = \"geneval\"")));
  EXPECT_THAT([] { opened({{"prompts", "files"}, {"data", "x"}, {"train", Value::List{"a.txt"}}}); },
              ThrowsMessage<ConfigError>(HasSubstr("prompts = \"files\" has no images")));
  EXPECT_THAT([] { opened({{"on_overlap", "note"}}); },
              ThrowsMessage<ConfigError>(HasSubstr("'on_overlap' is for prompts without images")));
  EXPECT_THAT([] { opened({{"prompts", "files"}}); },
              ThrowsMessage<ConfigError>(HasSubstr("needs the option 'train', 'held_out' or both")));
  EXPECT_THAT([] { opened({{"prompts", "files"}, {"train", Value::List{"a.txt"}}, {"prompt_column", "text"}}); },
              ThrowsMessage<ConfigError>(HasSubstr("'prompt_column' is for .csv, .tsv and .jsonl files")));
  EXPECT_THAT([] { opened({{"resolution", 8}}); }, ThrowsMessage<ConfigError>(HasSubstr("at least 12")));
  EXPECT_THAT([] { opened({})->data().conditions("held-out"); }, ThrowsMessage<ConfigError>(HasSubstr("did you mean 'held_out'?")));
}

}  // namespace
}  // namespace espalier::text_to_image
