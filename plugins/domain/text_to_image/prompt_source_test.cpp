#include "plugins/domain/text_to_image/prompt_source.h"
#include "plugins/shared/folder/data_variable.h"

#include <gmock/gmock.h>

#include <cstdlib>
#include <map>

#include "plugins/domain/text_to_image/published_prompts.h"
#include "plugins/shared/images/test_files.h"
#include "runtime/base/errors.h"

namespace espalier::text_to_image {
namespace {

namespace fs = std::filesystem;
using images::TempFolder;
using images::write_file;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::ThrowsMessage;

bool has_published_files() {
  const char* base = std::getenv("ESPALIER_DATA");
  return base != nullptr && fs::is_directory(fs::path(base) / "prompts");
}

#define NEEDS_PUBLISHED_FILES() \
  if (!has_published_files()) GTEST_SKIP() << "ESPALIER_DATA names no folder with prompts"

std::map<std::string, int> categories(const images::Captions& captions) {
  std::map<std::string, int> counts;
  for (const auto& about : captions.metadata) ++counts[about.at("category").as_string()];
  return counts;
}

TEST(PromptSource, JoinsTheListsOfASplitAndKeepsTheFirstOfEqualPrompts) {
  const TempFolder folder;
  write_file(folder / "a.txt", "a cat\r\na dog\r\na cat\r\n");
  write_file(folder / "b.csv", "prompt,category\na dog,animals\na bus,vehicles\n");
  const auto source = make_prompt_source({{(folder / "a.txt").string(), (folder / "b.csv").string()}, {}, "prompt"}, 0);
  EXPECT_THAT(source->splits(), ElementsAre("train"));
  const auto captions = source->captions("train");
  EXPECT_THAT(captions.text, ElementsAre("a cat", "a dog", "a bus"));
  EXPECT_EQ(captions.metadata[1], Value()) << "of the first";
  EXPECT_EQ(captions.metadata[2].at("category"), Value("vehicles"));
  EXPECT_THAT(source->notes(), ElementsAre("train: 2 prompts of 5 left out: equal to one before: \"a cat\", \"a dog\"",
                                           "train: 3 lines with a carriage return at the end, read without it"));
}

TEST(PromptSource, HasNoImages) {
  const TempFolder folder;
  write_file(folder / "a.txt", "a cat\n");
  const auto source = make_prompt_source({{}, {(folder / "a.txt").string()}, "prompt"}, 64);
  EXPECT_THAT(source->splits(), ElementsAre("held_out"));
  EXPECT_THAT(source->notes(), IsEmpty());
  EXPECT_EQ(source->height(), 64);
  EXPECT_FALSE(source->has_images());
  EXPECT_THAT([&] { source->images("held_out"); }, ThrowsMessage<ConfigError>(HasSubstr("there are no examples to train on")));
}

TEST(PromptSource, RefusesOrNotesPromptsOfBothSplits) {
  const TempFolder folder;
  write_file(folder / "a.txt", "a cat\na red  car.\ntwo dogs\n");
  write_file(folder / "b.txt", "A cat\na red car\na cat and two dogs\n");
  PromptLists lists{{(folder / "a.txt").string()}, {(folder / "b.txt").string()}, "prompt"};
  EXPECT_THAT([&] { make_prompt_source(lists, 0); },
              ThrowsMessage<DataError>(AllOf(HasSubstr("2 prompts of held_out are in train too"), HasSubstr(": \"A cat\", \"a red car\";"),
                                             HasSubstr("set on_overlap = \"note\""))));
  lists.may_overlap = true;
  const auto source = make_prompt_source(lists, 0);
  EXPECT_THAT(source->notes(), ElementsAre(HasSubstr("2 prompts of held_out are in train too")));
  EXPECT_EQ(source->captions("held_out").text.size(), 3U) << "they stay";
}

TEST(PromptSource, RefusesListsThatAreNotThere) {
  EXPECT_THAT([] { make_prompt_source({{"t2i_compbnch"}, {}, "prompt"}, 0); },
              ThrowsMessage<ConfigError>(AllOf(HasSubstr("train names 't2i_compbnch'"), HasSubstr("did you mean 't2i_compbench'?"))));
  EXPECT_THAT([] { make_prompt_source({{}, {"absent.txt"}, "prompt"}, 0); },
              ThrowsMessage<DataError>(HasSubstr("held_out: \"absent.txt\" is no file (tried absent.txt, ")));
}

TEST(PublishedPrompts, AreNamedWhereTheirFilesAreNotThere) {
  const folder::DataVariable data(nullptr);
  EXPECT_THAT(
      [] { published_prompts("geneval", "held_out"); },
      ThrowsMessage<DataError>(AllOf(HasSubstr("\"geneval\" stands for \"prompts/geneval\", which is no folder (tried prompts/geneval, "),
                                     HasSubstr("set ESPALIER_DATA"))));
}

TEST(PublishedPrompts, OfCompBenchHaveEightCategoriesInTwoSplits) {
  NEEDS_PUBLISHED_FILES();
  const auto source = make_prompt_source({{"t2i_compbench"}, {"t2i_compbench"}, "prompt", /*may_overlap=*/true}, 0);
  const auto train = source->captions("train"), held_out = source->captions("held_out");
  EXPECT_EQ(train.text.size(), 5559U) << "5,600 less 41 that are there twice";
  EXPECT_EQ(held_out.text.size(), 2400U);
  auto counts = categories(train);
  EXPECT_EQ(counts["color"], 679);
  EXPECT_EQ(counts["shape"], 685);
  EXPECT_EQ(counts["texture"], 695);
  for (const char* category : {"spatial", "3d_spatial", "numeracy", "non_spatial", "complex"}) EXPECT_EQ(counts[category], 700) << category;
  for (const auto& [category, count] : categories(held_out)) EXPECT_EQ(count, 300) << category;
  EXPECT_EQ(train.metadata[0], Value(Value::Map{{"category", "color"}, {"prompts", "t2i_compbench"}}));
  for (const auto& text : train.text) EXPECT_EQ(text.find('\r'), std::string::npos);
}

// Two prompts are equal, four differ by a full stop.
TEST(PublishedPrompts, OfCompBenchHaveSixValidationPromptsInTheirTrainingLists) {
  NEEDS_PUBLISHED_FILES();
  PromptLists lists{{"t2i_compbench"}, {"t2i_compbench"}, "prompt", /*may_overlap=*/true};
  const auto notes = make_prompt_source(lists, 0)->notes();
  EXPECT_THAT(notes, Contains(HasSubstr("train: 41 prompts of 5600 left out")));
  EXPECT_THAT(notes, Contains(HasSubstr("train: 4195 lines with a carriage return")));
  EXPECT_THAT(notes, Contains(HasSubstr("held_out: 1796 lines with a carriage return")));
  EXPECT_THAT(notes, Contains(AllOf(HasSubstr("6 prompts of held_out are in train too"), HasSubstr("\"a boy on the top of a wallet\""),
                                    HasSubstr("\"an oblong watermelon and a teardrop pear.\""))));
  lists.may_overlap = false;
  EXPECT_THAT([&] { make_prompt_source(lists, 0); }, ThrowsMessage<DataError>(HasSubstr("6 prompts of held_out are in train too")));
}

TEST(PublishedPrompts, OfTheBenchmarksHaveTheirFilesMetadata) {
  NEEDS_PUBLISHED_FILES();
  const auto source = make_prompt_source({{"ddpo"}, {"geneval", "parti_prompts", "genai_bench"}, "prompt"}, 0);
  const auto all = source->captions("held_out");
  ASSERT_EQ(all.text.size(), 553U + 1632U + 527U);
  EXPECT_EQ(all.text[0], "a photo of a bench");
  EXPECT_EQ(all.metadata[0], Value(Value::Map{{"tag", "single_object"},
                                              {"category", "single_object"},
                                              {"include", Value::List{Value::Map{{"class", "bench"}, {"count", 1}}}},
                                              {"prompts", "geneval"}}));
  EXPECT_EQ(all.text[553], "bond");
  EXPECT_EQ(all.metadata[553], Value(Value::Map{{"Category", "Abstract"},
                                                {"Challenge", "Basic"},
                                                {"Note", "Biology-inspired concepts with multiple meanings"},
                                                {"category", "Abstract"},
                                                {"prompts", "parti_prompts"}}));
  EXPECT_EQ(all.metadata[553 + 1632], Value(Value::Map{{"prompts", "genai_bench"}}));
  const auto train = source->captions("train");
  EXPECT_EQ(train.text.size(), 135U);
  EXPECT_EQ(train.text[0], "a cat washing the dishes");
  EXPECT_THAT(train.text, Contains("an ant riding a bike"));
  EXPECT_EQ(categories(train)["playing chess"], 45);
}

TEST(PublishedPrompts, OfGenEvalAreCountedAsItsAuthorsCountThem) {
  NEEDS_PUBLISHED_FILES();
  const auto source = make_prompt_source({{}, {"geneval"}, "prompt"}, 0);
  EXPECT_EQ(categories(source->captions("held_out")),
            (std::map<std::string, int>{
                {"position", 100}, {"color_attr", 100}, {"two_object", 99}, {"colors", 94}, {"single_object", 80}, {"counting", 80}}));
}

}  // namespace
}  // namespace espalier::text_to_image
