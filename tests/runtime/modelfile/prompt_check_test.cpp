#include "runtime/modelfile/prompt_check.h"

#include <gmock/gmock.h>

#include "runtime/base/errors.h"
#include "runtime/modelfile/word_vocabulary.h"
#include "tests/runtime/base/folder.h"

namespace espalier::modelfile {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;
using ::testing::ThrowsMessage;

class PromptCheckTest : public ::testing::Test {
 protected:
  PromptCheckTest() { write_word_vocabulary(folder_.path(), {"a", "red", "house", "by", "day", "night"}, 6); }
  PromptCheck ids(const std::vector<std::string>& prompts, bool refuses = false) const {
    return PromptCheck({ClipTokenizer(folder_.path())}, prompts, {"[models]: base", "tokenizer/vocab.json", refuses});
  }
  TemporaryFolder folder_;
};

TEST_F(PromptCheckTest, CountsAndNamesPromptsThatAreCut) {
  const auto notes = ids({"a red house by day", "a red house by night", "a red house"}).notes();
  ASSERT_EQ(notes.size(), 2U);
  EXPECT_EQ(notes[0], "2 of 3 prompts are cut at 6 tokens: 'a red house by day' (7 tokens), 'a red house by night' (7 tokens)");
  EXPECT_EQ(notes[1], "2 different prompts have become 1 condition: 'a red house by day' and 'a red house by night' (cut)");
  EXPECT_THAT(ids({"a red house by", "a red"}).notes(), IsEmpty());
}

TEST_F(PromptCheckTest, NamesTheFirstFewOnly) {
  std::vector<std::string> prompts;
  for (const char* last : {"a", "red", "house", "by", "day"}) prompts.push_back(std::string("a red house by ") + last);
  const auto notes = ids(prompts).notes();
  EXPECT_THAT(notes[0], AllOf(HasSubstr("5 of 5 prompts"), HasSubstr("'a red house by a'"), HasSubstr("and 2 more"),
                              Not(HasSubstr("'a red house by red'"))));
}

TEST_F(PromptCheckTest, LooksAtTheIdsOfEveryTokenizer) {
  const TemporaryFolder other;
  write_word_vocabulary(other.path(), {"red", "house"}, 6);
  const std::vector<ClipTokenizer> both{ClipTokenizer(folder_.path()), ClipTokenizer(other.path())};
  const PromptCheck::Rules rules{"[models]: base", "tokenizer/vocab.json"};
  EXPECT_THAT([&] { PromptCheck(both, {"a red house"}, rules); }, ThrowsMessage<DataError>(HasSubstr("has the character 'a'")));
  EXPECT_THAT(PromptCheck(both, {"red house", "red Red house house red"}, rules).notes(), ElementsAre(HasSubstr("1 of 2 prompts are cut")));
}

TEST_F(PromptCheckTest, SaysWhyPromptsBecomeEqual) {
  EXPECT_THAT(ids({"a  Red house", "a red house"}).notes(),
              ElementsAre(AllOf(HasSubstr("2 different prompts have become 1 condition"), HasSubstr("case, spaces or Unicode form"))));
}

TEST_F(PromptCheckTest, RefusesPromptsThatAreCutWhereAsked) {
  EXPECT_THAT(
      [&] { ids({"a red house by day"}, true); },
      ThrowsMessage<DataError>(AllOf(HasSubstr("'a red house by day' has 7 tokens, the model takes 6"), HasSubstr("on_prompt_overflow"))));
  EXPECT_THAT(ids({"a red house by"}, true).notes(), IsEmpty());
}

TEST_F(PromptCheckTest, RefusesCharactersThatTheVocabularyLacks) {
  EXPECT_THAT([&] { ids({"a red house", "9"}); },
              ThrowsMessage<DataError>(
                  AllOf(StartsWith("[models]: base: the prompt '9' has the character '9' (U+0039)"), HasSubstr("tokenizer/vocab.json"))));
  EXPECT_THAT([&] { ids({"red \u732b"}); }, ThrowsMessage<DataError>(HasSubstr("'\u732b' (U+732B)")));
}

}  // namespace
}  // namespace espalier::modelfile
