#include "runtime/modelfile/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>

#include "runtime/base/errors.h"
#include "runtime/base/files.h"
#include "runtime/base/value.h"
#include "runtime/modelfile/byte_pairs.h"
#include "runtime/modelfile/tokenizer_files.h"
#include "runtime/modelfile/word_vocabulary.h"

namespace espalier::modelfile {
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

TEST(BytePairs, RefuseWhatIsNotUtf8) {
  for (const auto* text : {"\xff", "\xc3", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "a\x80"})
    EXPECT_THROW(split_text(text), DataError);
}

TEST(BytePairs, BringATextToNormalFormC) {
  EXPECT_THAT(split_text("cafe\u0301"), ElementsAre("caf\u00e9"));
  EXPECT_THAT(split_text("\u212b"), ElementsAre("\u00e5"));                   // the sign for angstrom is a letter of its own no more
  EXPECT_THAT(split_text("a\u0307\u0323"), ElementsAre("\u1ea1", "\u0307"));  // marks in their canonical order
  EXPECT_THAT(split_text("\u0958"), ElementsAre("\u0915", "\u093c"));         // excluded from composition
}

TEST(BytePairs, MergeTheLowestRankFirst) {
  const MergeRanks ranks{{{"a", "b"}, 1}, {{"b", "c"}, 0}, {{"a", "bc"}, 2}};
  EXPECT_THAT(merge_pairs({"a", "b", "c", "a", "b"}, ranks), ElementsAre("abc", "ab"));
}

TEST_F(Tokenizer, ReadsEveryWordAsOneToken) {
  const ClipTokenizer tokenizer(folder_);
  for (const auto& word : words_) {
    const auto encoding = tokenizer.encode(word);
    EXPECT_EQ(encoding.num_tokens, 3) << word;
    EXPECT_EQ(encoding.ids[1], id(word + "</w>")) << word;
  }
}

TEST_F(Tokenizer, PadsAndCutsToTheConfiguredLength) {
  const ClipTokenizer tokenizer(folder_);
  const auto end = id("<|endoftext|>");
  const auto red = id("red</w>");
  EXPECT_THAT(tokenizer.encode("Red").ids, ElementsAre(id("<|startoftext|>"), red, end, end, end, end, end, end));
  const auto cut = tokenizer.encode("red red red red red red red red");
  EXPECT_THAT(cut.ids, ElementsAre(id("<|startoftext|>"), red, red, red, red, red, red, end));
  EXPECT_EQ(cut.num_tokens, 10);
  EXPECT_EQ(tokenizer.encode("red red red red red red").num_tokens, tokenizer.max_length());
  EXPECT_EQ(tokenizer.max_length(), 8);
}

// The config of Stable Diffusion 2 pads with the end token, its special_tokens_map.json with "!".
TEST_F(Tokenizer, TakesSpecialTokensFromTheirMap) {
  put("special_tokens_map.json", R"({"pad_token": {"content": "b</w>"}, "eos_token": "<|endoftext|>"})");
  const ClipTokenizer tokenizer(folder_);
  const auto start = id("<|startoftext|>"), end = id("<|endoftext|>"), pad = id("b</w>"), red = id("red</w>");
  EXPECT_THAT(tokenizer.encode("red").ids, ElementsAre(start, red, end, pad, pad, pad, pad, pad));
  EXPECT_THAT(tokenizer.encode("red b</w> red").ids, ElementsAre(start, red, pad, red, end, pad, pad, pad)) << "spelt out";
  EXPECT_EQ(tokenizer.changed_special_tokens(), Value(Value::Map{{"pad_token", "b</w>"}}));
  auto config = parse_json(read_file(folder_ / "tokenizer_config.json"), "config");
  config["added_tokens_decoder"] = Value::Map{};  // a newer file, which comes first
  put("tokenizer_config.json", to_json(config));
  EXPECT_THAT(ClipTokenizer(folder_).encode("red").ids, ElementsAre(start, red, end, end, end, end, end, end));
  EXPECT_EQ(ClipTokenizer(folder_).changed_special_tokens(), Value(Value::Map{}));
}

TEST_F(Tokenizer, NamesTheFirstUnknownCharacter) {
  const ClipTokenizer tokenizer(folder_);
  const auto z = tokenizer.encode("red z");
  EXPECT_EQ(z.ids[2], id("<|endoftext|>"));
  EXPECT_EQ(z.unknown, "z");
  EXPECT_EQ(tokenizer.encode("red \u732b\u72ac").unknown, "\u732b");
  EXPECT_EQ(tokenizer.encode("banana\u00e9").unknown, "\u00e9");
  EXPECT_EQ(tokenizer.encode("a red banana").unknown, "");
}

// tokenizer_golden.json holds what transformers gives; make_tokenizer_golden.py writes it.
TEST_F(Tokenizer, GivesClipsIdsInManyScripts) {
  const auto golden = parse_json(read_file(ESPALIER_SOURCE_DIR "/tests/runtime/modelfile/tokenizer_golden.json"), "tokenizer_golden.json");
  put("vocab.json", to_json(golden.at("vocabulary")));
  put("merges.txt", "#version: 0.2\n");
  put("tokenizer_config.json", R"({"model_max_length": 1000})");
  const ClipTokenizer tokenizer(folder_);
  std::set<std::string> scripts;
  for (const auto& prompt : golden.at("prompts").as_list()) {
    const auto found = tokenizer.encode(prompt.at("text").as_string());
    std::vector<std::int64_t> wanted;
    for (const auto& number : prompt.at("ids").as_list()) wanted.push_back(number.as_integer());
    EXPECT_THAT(std::vector(found.ids.begin(), found.ids.begin() + found.num_tokens), testing::ElementsAreArray(wanted))
        << prompt.at("script").as_string() << ": " << prompt.at("text").as_string();
    EXPECT_EQ(found.unknown, "");
    scripts.insert(prompt.at("script").as_string());
  }
  EXPECT_GE(scripts.size(), 40U);
  EXPECT_GE(golden.at("prompts").as_list().size(), 200U);
}

// That the file is as transformers 5 writes it is parity.py's to show (tokenizer).
TEST_F(Tokenizer, ReadsTokenizerJsonWhereItIsAlone) {
  const ClipTokenizer by_pair(folder_);
  EXPECT_THAT(required_tokenizer_files(folder_), ElementsAre("vocab.json", "merges.txt", "tokenizer_config.json"));
  Value::List pairs, strings;
  std::istringstream merges(read_file(folder_ / "merges.txt"));
  for (std::string line; std::getline(merges, line);) {
    const auto space = line.find(' ');
    if (line.starts_with('#')) continue;
    pairs.push_back(Value::List{line.substr(0, space), line.substr(space + 1)});
    strings.push_back(line);
  }
  ASSERT_GT(pairs.size(), 10U);
  const Value model = Value::Map{{"type", "BPE"},
                                 {"end_of_word_suffix", "</w>"},
                                 {"vocab", parse_json(read_file(folder_ / "vocab.json"), "vocab")},
                                 {"merges", pairs}};
  put("tokenizer.json", "not read beside the two");
  EXPECT_EQ(ClipTokenizer(folder_).encode("bare banana").ids, by_pair.encode("bare banana").ids);
  for (const char* file : {"vocab.json", "merges.txt"}) std::filesystem::remove(folder_ / file);
  EXPECT_THAT(required_tokenizer_files(folder_), ElementsAre("tokenizer.json", "tokenizer_config.json"));
  for (const auto& form : {pairs, strings}) {
    auto written = model;
    written["merges"] = form;
    put("tokenizer.json", to_json(Value::Map{{"model", written}}));
    for (const char* text : {"bare banana", "a bana are", "above!"}) {
      EXPECT_EQ(ClipTokenizer(folder_).encode(text).ids, by_pair.encode(text).ids) << text;
    }
  }
  for (const auto& [key, wrong] :
       Value::Map{{"type", "WordPiece"}, {"end_of_word_suffix", nullptr}, {"merges", Value::List{7}}, {"vocab", 3}}) {
    auto written = model;
    written[key] = wrong;
    put("tokenizer.json", to_json(Value::Map{{"model", written}}));
    EXPECT_THAT([&] { ClipTokenizer{folder_}; }, testing::ThrowsMessage<DataError>(testing::HasSubstr("tokenizer.json"))) << key;
  }
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
  EXPECT_NO_THROW(ClipTokenizer{folder_}) << "special_tokens_map.json names another";
  put("special_tokens_map.json", R"({"pad_token": "!"})");
  EXPECT_THROW(ClipTokenizer{folder_}, DataError);
  std::filesystem::remove(folder_ / "vocab.json");
  EXPECT_THROW(ClipTokenizer{folder_}, DataError);
}

TEST(WordVocabulary, RefusesWhatIsNotOneWord) {
  for (const auto* word : {"", "two words", "Red", "it's", "x-ray", "12"}) EXPECT_THROW(make_word_vocabulary({word}, 8), DataError) << word;
}

}  // namespace
}  // namespace espalier::modelfile
