// Data as one model takes it: each model by its own tokenizer and its own codec.
#include "runtime/sdk/encoding.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <gmock/gmock.h>

#include "runtime/base/files.h"
#include "runtime/modelfile/word_vocabulary.h"
#include "runtime/sdk/trajectory_source.h"
#include "tests/runtime/base/folder.h"

namespace espalier {
namespace {

using ::testing::ElementsAre;

// A model that reads texts of these words, in up to `length` tokens.
Model reader(const std::vector<std::string>& words, std::int64_t length) {
  const TemporaryFolder folder;
  make_folders(folder.path() / "tokenizer");
  modelfile::write_word_vocabulary(folder.path() / "tokenizer", words, length);
  Model model;
  model.text = std::make_shared<const modelfile::TextFront>(folder.path());
  model.info.text_front = model.text->digest();
  return model;
}

std::vector<std::int64_t> values(const at::Tensor& tensor) {
  const auto flat = tensor.contiguous().view({-1});
  return {flat.const_data_ptr<std::int64_t>(), flat.const_data_ptr<std::int64_t>() + flat.numel()};
}

Conditions two_texts() {
  Conditions conditions;
  conditions.text = {"red", "blue"};
  conditions.metadata.resize(2);
  conditions.tensors["label"] = at::arange(2);
  conditions.null_tensors["label"] = at::full({1}, 2, at::kLong);
  return conditions;
}

TEST(EncodeConditions, GivesEachModelTheIdsOfItsOwnTokenizer) {
  const auto conditions = two_texts();
  const auto first = reader({"red", "blue"}, 4), second = reader({"a", "blue", "red"}, 5);
  for (const auto* model : {&first, &second}) {
    const auto encoded = encode_conditions(conditions, *model);
    std::vector<std::int64_t> expected;
    for (const char* text : {"red", "blue"}) {
      const auto ids = model->text->tokenizers().front().tokenizer.encode(text).ids;
      expected.insert(expected.end(), ids.begin(), ids.end());
    }
    EXPECT_EQ(values(encoded.tensors.at("input_ids")), expected);
    EXPECT_EQ(values(encoded.null_tensors.at("input_ids")), model->text->tokenizers().front().tokenizer.encode("").ids) << "the empty text";
    EXPECT_THAT(values(encoded.tensors.at("label")), ElementsAre(0, 1)) << "what the data gives goes to every model";
    EXPECT_THAT(values(encoded.null_tensors.at("label")), ElementsAre(2));
  }
  EXPECT_EQ(encode_conditions(conditions, first).tensors.at("input_ids").size(1), 4);
  EXPECT_EQ(encode_conditions(conditions, second).tensors.at("input_ids").size(1), 5);
  EXPECT_FALSE(encode_conditions(conditions, Model()).tensors.contains("input_ids")) << "a model without a tokenizer reads no text";
}

TEST(EncodeConditions, TheNullConditionIsTheNegativePrompt) {
  const auto model = reader({"red", "blue"}, 4);
  const auto ids = [&](const char* text) { return model.text->tokenizers().front().tokenizer.encode(text).ids; };
  const auto none = encode_conditions(two_texts(), model), empty = encode_conditions(two_texts(), model, ""),
             blue = encode_conditions(two_texts(), model, "blue");
  EXPECT_EQ(values(none.null_tensors.at("input_ids")), ids(""));
  EXPECT_EQ(values(empty.null_tensors.at("input_ids")), ids(""));
  EXPECT_EQ(values(blue.null_tensors.at("input_ids")), ids("blue"));
  EXPECT_THAT(values(none.tensors.at("text_role")), ElementsAre(0, 0));
  EXPECT_THAT(values(none.null_tensors.at("text_role")), ElementsAre(2)) << "which a network may embed as zeros";
  EXPECT_THAT(values(empty.null_tensors.at("text_role")), ElementsAre(1));
  EXPECT_THAT(values(blue.null_tensors.at("text_role")), ElementsAre(1));
}

// Equal weights behind another tokenizer make other trajectories of the same texts.
TEST(EncodeConditions, ATokenizerIsInTheKeyOfTrajectories) {
  const auto key = [](const Model& model) {
    Phase phase;
    phase.segments = {{model.info, 4, 0}};
    return digest(phase.to_value());
  };
  const auto model = reader({"red", "blue"}, 4);
  EXPECT_EQ(key(model), key(reader({"red", "blue"}, 4)));
  EXPECT_NE(key(model), key(reader({"blue", "red"}, 4))) << "other ids";
  EXPECT_NE(key(model), key(reader({"red", "blue"}, 5))) << "another length";
  EXPECT_NE(key(model), key(Model()));
}

// Numbers as samples: a state of `size` copies of each.
class CopyingCodec final : public Codec {
 public:
  explicit CopyingCodec(std::int64_t size) : size_(size) {}
  StateSpec spec() const override { return {{"sample", {{size_}, at::kFloat}}}; }
  Value key() const override { return size_; }
  State encode(const Sample& sample, const CodecContext& context) const override {
    EXPECT_NE(context.model, nullptr) << "the model whose states these are";
    return {{"sample", sample.tensors.at("number").unsqueeze(1).expand({-1, size_}).clone()}};
  }
  Sample decode(const State& state, const CodecContext&) const override {
    return {"number", {{"number", state.at("sample").select(1, 0)}}, {}};
  }
  std::vector<Image> draw(const Sample&) const override { return {}; }

 private:
  std::int64_t size_;
};

// Example i is the number i, called "red" or "blue".
class Numbers final : public Examples {
 public:
  std::int64_t size() const override { return 8; }
  Hex digest() const override { return "0abc"; }
  Batch at(const std::vector<std::uint64_t>& positions) const override {
    Batch batch;
    std::vector<at::Tensor> numbers;
    for (const auto position : positions) {
      numbers.push_back(at::full({1}, static_cast<double>(position), at::kFloat));
      batch.condition.text.emplace_back(position % 2 == 0 ? "red" : "blue");
      batch.condition.metadata.emplace_back(static_cast<std::int64_t>(position));
    }
    batch.sample = {"number", {{"number", at::cat(numbers)}}, {}};
    return batch;
  }
};

TEST(EncodeExamples, GivesEachModelItsStatesAndItsIds) {
  const auto small = reader({"red", "blue"}, 4), large = reader({"blue", "red"}, 6);
  const auto numbers = std::make_shared<const Numbers>();
  const auto of_small = encode_examples(numbers, std::make_shared<CopyingCodec>(2), small, 7);
  const auto of_large = encode_examples(numbers, std::make_shared<CopyingCodec>(3), large, 7);
  EXPECT_EQ(of_small->size(), 8);
  EXPECT_EQ(of_small->digest(), "0abc");
  const auto batch = of_small->at({5, 2}), other = of_large->at({5, 2});
  EXPECT_TRUE(batch.state.at("sample").equal(at::cat({at::full({1, 2}, 5.0), at::full({1, 2}, 2.0)})));
  EXPECT_TRUE(other.state.at("sample").equal(at::cat({at::full({1, 3}, 5.0), at::full({1, 3}, 2.0)})));
  EXPECT_TRUE(batch.condition.at("input_ids").equal(small.text->tensors({"blue", "red"}).at("input_ids")));
  EXPECT_TRUE(other.condition.at("input_ids").equal(large.text->tensors({"blue", "red"}).at("input_ids")));
  EXPECT_EQ(batch.metadata, (std::vector<Value>{Value(5), Value(2)}));
}

}  // namespace
}  // namespace espalier
