#include "runtime/model/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "runtime/base/errors.h"
#include "runtime/base/files.h"
#include "runtime/base/value.h"
#include "runtime/model/byte_pairs.h"
#include "runtime/model/word_vocabulary.h"

namespace espalier::model {
namespace {

using testing::ElementsAre;

class Tokenizer : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::path(testing::TempDir()) / ("espalier_" + unique_name());
    std::filesystem::create_directories(folder_);
    write_word_vocabulary(folder_, words_, 8);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::int64_t id(const std::string& token) const { return parse_json(read_file(folder_ / "vocab.json"), "vocab").at(token).as_integer(); }
  void put(const std::string& file, const std::string& text) const { std::ofstream(folder_ / file) << text; }

  std::vector<std::string> words_{"are", "bare", "red", "banana", "ban", "aaaa", "above"};
  std::filesystem::path folder_;
};

TEST(BytePairs, SplitAsClipsPattern) {
  EXPECT_THAT(split_text("It's  a\tRED\ncircle!!'s 12 x2"), ElementsAre("it", "'s", "a", "red", "circle", "!!'", "s", "1", "2", "x", "2"));
  EXPECT_THAT(split_text("caf\u00c9 \u65e5\u672c\u3000\u00bd"), ElementsAre("caf\u00e9", "\u65e5\u672c", "\u00bd"));
  EXPECT_THAT(split_text(" \u00a0"), ElementsAre());
}

TEST(BytePairs, RefuseWhatIsNotUtf8InNormalFormC) {
  for (const auto* text : {"\xff", "\xc3", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "a\x80"})
    EXPECT_THROW(split_text(text), DataError);
  EXPECT_THROW(split_text("e\u0301"), DataError);  // would become one letter
  EXPECT_THROW(split_text("\u212b"), DataError);   // would become another letter
}

TEST(BytePairs, MergeTheLowestRankFirst) {
  const MergeRanks ranks{{{"a", "b"}, 1}, {{"b", "c"}, 0}, {{"a", "bc"}, 2}};
  EXPECT_THAT(merge_pairs({"a", "b", "c", "a", "b"}, ranks), ElementsAre("abc", "ab"));
}

TEST_F(Tokenizer, ReadsEveryWordAsOneToken) {
  const ClipTokenizer tokenizer(folder_);
  for (const auto& word : words_) {
    EXPECT_THAT(tokenizer.encode_unpadded(word), ElementsAre(id("<|startoftext|>"), id(word + "</w>"), id("<|endoftext|>"))) << word;
  }
}

TEST_F(Tokenizer, PadsAndCutsToTheConfiguredLength) {
  const ClipTokenizer tokenizer(folder_);
  const auto end = id("<|endoftext|>");
  const auto red = id("red</w>");
  EXPECT_THAT(tokenizer.encode("Red"), ElementsAre(id("<|startoftext|>"), red, end, end, end, end, end, end));
  EXPECT_THAT(tokenizer.encode("red red red red red red red red"), ElementsAre(id("<|startoftext|>"), red, red, red, red, red, red, end));
  EXPECT_EQ(tokenizer.max_length(), 8);
}

TEST_F(Tokenizer, GivesUnknownLettersTheUnknownToken) {
  const ClipTokenizer tokenizer(folder_);
  EXPECT_THAT(tokenizer.encode_unpadded("z"), ElementsAre(id("<|startoftext|>"), id("<|endoftext|>"), id("<|endoftext|>")));
}

TEST_F(Tokenizer, RefusesDamagedFolders) {
  put("merges.txt", "#version: 0.2\na b c\n");
  EXPECT_THROW(ClipTokenizer{folder_}, DataError);
  put("merges.txt", "a q\n");
  EXPECT_THROW(ClipTokenizer{folder_}, DataError);
  put("merges.txt", "");
  put("tokenizer_config.json", R"({"model_max_length": 1})");
  EXPECT_THROW(ClipTokenizer{folder_}, DataError);
  put("tokenizer_config.json", R"({"model_max_length": 8, "pad_token": "!"})");
  EXPECT_THROW(ClipTokenizer{folder_}, DataError);
  std::filesystem::remove(folder_ / "vocab.json");
  EXPECT_THROW(ClipTokenizer{folder_}, DataError);
}

TEST(WordVocabulary, RefusesWhatIsNotOneWord) {
  for (const auto* word : {"", "two words", "Red", "it's", "x-ray", "12"}) EXPECT_THROW(make_word_vocabulary({word}, 8), DataError) << word;
}

}  // namespace
}  // namespace espalier::model
