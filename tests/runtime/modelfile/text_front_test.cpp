#include "runtime/modelfile/text_front.h"

#include <ATen/core/Tensor.h>
#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "runtime/base/errors.h"
#include "runtime/base/files.h"
#include "runtime/base/value.h"
#include "runtime/modelfile/word_vocabulary.h"
#include "tests/runtime/base/folder.h"

namespace espalier::modelfile {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

// A model folder with the tokenizers of one text encoder or two.
class TextFrontTest : public ::testing::Test {
 protected:
  TextFrontTest() { add("tokenizer", {"red", "house"}, 6); }
  void add(const std::string& tokenizer, const std::vector<std::string>& words, std::int64_t length) const {
    make_folders(folder_.path() / tokenizer);
    write_word_vocabulary(folder_.path() / tokenizer, words, length);
  }
  void put(const std::string& file, const Value& value) const { std::ofstream(folder_.path() / file) << to_json(value); }
  TextFront front() const { return TextFront(folder_.path()); }
  TemporaryFolder folder_;
};

TEST_F(TextFrontTest, GivesEachTokenizersIdsOfATextAndItsRole) {
  EXPECT_FALSE(front().tensors({"red"}).contains("input_ids_2"));
  add("tokenizer_2", {"a", "house", "red"}, 6);
  const auto both = front();
  const auto tensors = both.tensors({"red house", "red"}, network::TextRole::negative_prompt);
  ASSERT_EQ(both.tokenizers().size(), 2U);
  const char* names[] = {"input_ids", "input_ids_2"};
  for (std::size_t i = 0; i < 2; ++i) {
    const auto expected = both.tokenizers()[i].tokenizer.encode("red house").ids;
    const auto row = tensors.at(names[i])[0].contiguous();
    EXPECT_EQ(std::vector(row.const_data_ptr<std::int64_t>(), row.const_data_ptr<std::int64_t>() + row.numel()), expected) << names[i];
  }
  EXPECT_FALSE(tensors.at("input_ids").equal(tensors.at("input_ids_2")));
  EXPECT_EQ(tensors.at("text_role").sum().item<std::int64_t>(), 2);
}

TEST_F(TextFrontTest, ItsDigestHasWhatDeterminesIdsAlone) {
  const auto before = front().digest();
  auto special = parse_json(read_file(folder_.path() / "tokenizer/special_tokens_map.json"), "map");
  special["cls_token"] = "red</w>";
  put("tokenizer/special_tokens_map.json", special);
  EXPECT_EQ(front().digest(), before) << "what no token follows from";
  special["pad_token"] = "red</w>";
  put("tokenizer/special_tokens_map.json", special);
  const auto padded = front().digest();
  EXPECT_NE(padded, before);
  add("tokenizer_2", {"red", "house"}, 6);
  EXPECT_NE(front().digest(), padded);
}

TEST_F(TextFrontTest, IsSavedWithAllItsFiles) {
  add("tokenizer_2", {"a", "house", "red"}, 6);
  put("tokenizer_2/special_tokens_map.json", Value::Map{{"pad_token", "a</w>"}});
  const TemporaryFolder other;
  front().save(other.path());
  EXPECT_EQ(TextFront(other.path()).digest(), front().digest());
  EXPECT_THAT(tokenizers_of(other.path()), ElementsAre("tokenizer", "tokenizer_2"));
}

TEST_F(TextFrontTest, OfTokenizerJsonIsSavedAsTwoFiles) {
  const auto path = folder_.path() / "tokenizer";
  const auto by_two = front().tensors({"red house"});
  Value::List merges;
  std::istringstream lines(read_file(path / "merges.txt"));
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with('#')) merges.push_back(line);
  }
  const auto vocabulary = parse_json(read_file(path / "vocab.json"), "vocab");
  for (const char* file : {"vocab.json", "merges.txt"}) std::filesystem::remove(path / file);
  put("tokenizer/tokenizer.json",
      Value::Map{{"model", Value::Map{{"type", "BPE"}, {"end_of_word_suffix", "</w>"}, {"vocab", vocabulary}, {"merges", merges}}}});
  const TemporaryFolder other;
  front().save(other.path());
  EXPECT_FALSE(std::filesystem::exists(other.path() / "tokenizer/tokenizer.json"));
  const TextFront saved(other.path());
  EXPECT_EQ(saved.digest(), front().digest());
  for (const auto& again : {saved.tensors({"red house"}), front().tensors({"red house"})}) {
    EXPECT_TRUE(again.at("input_ids").equal(by_two.at("input_ids")));
  }
}

TEST_F(TextFrontTest, RefusesTokenizersOfTwoLengthsAndNone) {
  add("tokenizer_2", {"red", "house"}, 7);
  EXPECT_THAT([&] { front(); }, ThrowsMessage<DataError>(HasSubstr("tokenizer/ pads texts to 6, but tokenizer_2/ to 7")));
  EXPECT_THROW(TextFront(folder_.path() / "none"), DataError);
}

}  // namespace
}  // namespace espalier::modelfile
