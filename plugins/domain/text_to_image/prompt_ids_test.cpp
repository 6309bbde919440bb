#include "plugins/domain/text_to_image/prompt_ids.h"

#include <gmock/gmock.h>

#include "plugins/shared/images/test_files.h"
#include "runtime/base/errors.h"
#include "runtime/base/value.h"
#include "runtime/modelfile/word_vocabulary.h"
#include "runtime/sdk/notes.h"
#include "tests/conformance/conformance.h"

namespace espalier::text_to_image {
namespace {

using namespace images;

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::ThrowsMessage;

class PromptIdsTest : public ::testing::Test {
 protected:
  PromptIdsTest() { modelfile::write_word_vocabulary(folder_.path(), {"a", "red", "house", "by", "day", "night"}, 6); }
  PromptIds ids(const std::vector<std::string>& prompts, bool refuses = false) const {
    return PromptIds(modelfile::ClipTokenizer(folder_.path()), prompts, {"tokenizer/vocab.json", refuses});
  }
  TempFolder folder_;
};

TEST_F(PromptIdsTest, CountsAndNamesPromptsThatAreCut) {
  const auto notes = ids({"a red house by day", "a red house by night", "a red house"}).notes();
  ASSERT_EQ(notes.size(), 2U);
  EXPECT_EQ(notes[0], "2 of 3 prompts are cut at 6 tokens: 'a red house by day' (7 tokens), 'a red house by night' (7 tokens)");
  EXPECT_EQ(notes[1], "2 different prompts have become 1 condition: 'a red house by day' and 'a red house by night' (cut)");
  EXPECT_THAT(ids({"a red house by", "a red"}).notes(), IsEmpty());
}

TEST_F(PromptIdsTest, NamesTheFirstFewOnly) {
  std::vector<std::string> prompts;
  for (const char* last : {"a", "red", "house", "by", "day"}) prompts.push_back(std::string("a red house by ") + last);
  const auto notes = ids(prompts).notes();
  EXPECT_THAT(notes[0], AllOf(HasSubstr("5 of 5 prompts"), HasSubstr("'a red house by a'"), HasSubstr("and 2 more"),
                              Not(HasSubstr("'a red house by red'"))));
}

TEST_F(PromptIdsTest, SaysWhyPromptsBecomeEqual) {
  EXPECT_THAT(ids({"a  Red house", "a red house"}).notes(),
              ElementsAre(AllOf(HasSubstr("2 different prompts have become 1 condition"), HasSubstr("case, spaces or Unicode form"))));
}

TEST_F(PromptIdsTest, RefusesPromptsThatAreCutWhereAsked) {
  EXPECT_THAT(
      [&] { ids({"a red house by day"}, true); },
      ThrowsMessage<DataError>(AllOf(HasSubstr("'a red house by day' has 7 tokens, the model takes 6"), HasSubstr("on_prompt_overflow"))));
  EXPECT_THAT(ids({"a red house by"}, true).notes(), IsEmpty());
}

TEST_F(PromptIdsTest, RefusesCharactersThatTheVocabularyLacks) {
  EXPECT_THAT([&] { ids({"a red house", "9"}); }, ThrowsMessage<DataError>(AllOf(HasSubstr("the prompt '9' has the character '9' (U+0039)"),
                                                                                 HasSubstr("tokenizer/vocab.json"))));
  EXPECT_THAT([&] { ids({"red \u732b"}); }, ThrowsMessage<DataError>(HasSubstr("'\u732b' (U+732B)")));
}

// Ten classes became three ids, all the same, and nothing was said.
TEST(TextToImagePrompts, DigitsAreUnknownToTheBlueprintOfFashion) {
  TempFolder data;
  write_idx_folder(data.path());
  const auto domain = conformance::make<Domain>(conformance::plugin("domain.text_to_image"),
                                                {{"prompts", "idx"},
                                                 {"data", data.path().string()},
                                                 {"class_names", Value::List{"0", "1"}},
                                                 {"initialize_weights", true},
                                                 {"model", ESPALIER_SOURCE_DIR "/datasets/models/fashion-blank"}});
  EXPECT_THAT(
      [&] { domain->open({.seed = 3}); },
      ThrowsMessage<DataError>(AllOf(HasSubstr("the prompt '0'"), HasSubstr("datasets/models/fashion-blank/tokenizer/vocab.json"))));
}

// A folder of two images with these captions, over a model of 16 tokens.
std::unique_ptr<Domain> captioned(const TempFolder& data, const std::string& first, const std::string& second,
                                  const std::string& overflow) {
  for (const char* name : {"0.png", "1.png"}) write_file(data / name, plain_png(16, 16, 100));
  write_file(data / "metadata.jsonl",
             R"({"file_name": "0.png", "text": ")" + first + "\"}\n" + R"({"file_name": "1.png", "text": ")" + second + "\"}\n");
  return conformance::make<Domain>(conformance::plugin("domain.text_to_image"),
                                   {{"prompts", "folder"},
                                    {"data", data.path().string()},
                                    {"initialize_weights", true},
                                    {"on_prompt_overflow", overflow},
                                    {"model", ESPALIER_SOURCE_DIR "/datasets/models/shapes-blank"}});
}

TEST(TextToImagePrompts, AreCountedInTheDomainsNotes) {
  const std::string words = "a red circle above a blue square left of a green triangle below a";  // 14 tokens and the two ends
  TempFolder data;
  const auto domain = captioned(data, words + " yellow square", words + " purple circle", "truncate");
  domain->open({.seed = 3});
  EXPECT_THAT(notes_of(*domain), ElementsAre(HasSubstr("2 of 2 prompts are cut at 16 tokens"), HasSubstr("have become 1 condition")));
  const auto ids = domain->conditions("train").tensors.at("input_ids");
  EXPECT_TRUE(ids[0].equal(ids[1]));
  TempFolder other;
  const auto refusing = captioned(other, words + " yellow square", words, "error");
  EXPECT_THAT([&] { refusing->open({.seed = 3}); }, ThrowsMessage<DataError>(HasSubstr("has 18 tokens, the model takes 16")));
}

}  // namespace
}  // namespace espalier::text_to_image
