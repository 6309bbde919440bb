#include "runtime/modelfile/component_weights.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/full.h>
#include <gmock/gmock.h>

#include "runtime/base/errors.h"
#include "runtime/base/files.h"
#include "runtime/base/value.h"
#include "runtime/modelfile/safetensors.h"
#include "tests/runtime/base/folder.h"

namespace espalier::modelfile {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::ThrowsMessage;

constexpr const char* kIndex = "model.safetensors.index.json";
constexpr const char* kFirst = "model-00001-of-00002.safetensors";
constexpr const char* kSecond = "model-00002-of-00002.safetensors";

// A component in two shards.
class Shards : public ::testing::Test {
 protected:
  Shards() {
    write(kFirst, {{"a", at::arange(4, at::kFloat)}, {"b", at::full({2}, 5.0, at::kHalf)}});
    write(kSecond, {{"c", at::full({3}, 7.0, at::kBFloat16)}});
    write_index({{"a", kFirst}, {"b", kFirst}, {"c", kSecond}});
  }
  void write(const std::string& name, const TensorMap& tensors) const { put(name, format_safetensors(tensors)); }
  void write_index(const Value::Map& map, const std::string& name = kIndex) const {
    put(name, to_json(Value::Map{{"metadata", Value::Map{{"total_size", 26}}}, {"weight_map", map}}));
  }
  void put(const std::string& name, const std::string& bytes) const {
    fs::remove(path_ / name);
    write_durable(path_ / name, bytes);
  }
  TensorMap read(const std::string& variant = "") const {
    std::vector<std::shared_ptr<const MappedFile>> mapped;
    auto tensors = map_weights(find_weights(path_, "model", variant), mapped);
    return tensors;
  }
  void expect_refused(const std::string& file, const std::string& what) const {
    EXPECT_THAT([this] { read(); }, ThrowsMessage<DataError>(AllOf(HasSubstr((path_ / file).string()), HasSubstr(what))));
  }
  TemporaryFolder folder_;
  fs::path path_ = folder_.path();
};

TEST_F(Shards, AreOneSetOfTensorsInSeveralMappedFiles) {
  std::vector<std::shared_ptr<const MappedFile>> mapped;
  const auto tensors = map_weights(find_weights(path_, "model"), mapped);
  ASSERT_EQ(mapped.size(), 2u);
  EXPECT_EQ(mapped[0]->path(), path_ / kFirst);
  EXPECT_EQ(tensors.size(), 3u);
  EXPECT_EQ(tensors.at("a")[3].item<float>(), 3.0F);
  EXPECT_EQ(tensors.at("b").scalar_type(), at::kHalf);
  EXPECT_EQ(tensors.at("c")[2].item<float>(), 7.0F);
}

TEST_F(Shards, ThatAreMissingAreNamed) {
  fs::remove(path_ / kSecond);
  expect_refused(kIndex, "1 of 2 shards is missing: model-00002-of-00002.safetensors; fetch it");
  fs::create_symlink("../blobs/0a1b", path_ / kSecond);
  expect_refused(kIndex, "model-00002-of-00002.safetensors (a link to '../blobs/0a1b', which is no file)");
}

TEST_F(Shards, AreComparedWithTheirIndex) {
  write_index({{"a", kFirst}, {"b", kFirst}, {"c", kSecond}, {"d", kSecond}});
  expect_refused(kSecond, "the tensor 'd' is missing, which the index model.safetensors.index.json places there");
  write_index({{"a", kFirst}, {"c", kSecond}});
  expect_refused(kFirst, "holds the tensor 'b', which the index model.safetensors.index.json places nowhere");
  write_index({{"a", kFirst}, {"b", kSecond}, {"c", kSecond}});
  expect_refused(kFirst, std::string("places in ") + kSecond);
}

TEST_F(Shards, LieBesideTheirIndex) {
  for (const Value& place : {Value("../model.safetensors"), Value("/etc/passwd"), Value(".."), Value(""), Value(3)}) {
    write_index({{"a", place}});
    expect_refused(kIndex, "the name of a file beside the index is right");
  }
  for (const char* text : {"[]", "{}", "{\"weight_map\": {}}"}) {
    put(kIndex, text);
    expect_refused(kIndex, "is no index of shards");
  }
}

TEST_F(Shards, BesideTheWholeFileAreNotChosenBetween) {
  write("model.safetensors", {{"a", at::arange(4, at::kFloat)}});
  EXPECT_THAT([this] { read(); }, ThrowsMessage<DataError>(HasSubstr("both model.safetensors and the index of shards")));
}

TEST_F(Shards, OfAVariantHaveAnIndexOfTheirOwn) {
  const std::string first = "model.fp16-00001-of-00001.safetensors";
  write(first, {{"a", at::full({4}, 9.0, at::kHalf)}});
  write_index({{"a", first}}, "model.safetensors.index.fp16.json");
  EXPECT_EQ(read("fp16").at("a")[0].item<float>(), 9.0F);
  EXPECT_EQ(read().at("a")[0].item<float>(), 0.0F);
  EXPECT_THAT(variants_of(path_, "model"), ElementsAre("fp16"));
}

TEST_F(Shards, AreNotTakenForVariants) {
  EXPECT_THAT(variants_of(path_, "model"), IsEmpty());
  for (const char* name : {"model.safetensors", "models.safetensors", "model.fp16.bin", "model-00001-of-00002.fp16.safetensors"})
    put(name, "");
  EXPECT_THAT(variants_of(path_, "model"), IsEmpty());
  put("model.non_ema.safetensors", ""), put("model.fp16.safetensors", "");
  EXPECT_THAT(variants_of(path_, "model"), ElementsAre("fp16", "non_ema"));
  EXPECT_THAT(variants_of(path_ / "none", "model"), IsEmpty());
}

TEST_F(Shards, WithoutFilesThereAreNone) {
  EXPECT_THAT(find_weights(path_, "diffusion_pytorch_model").files, IsEmpty());
  EXPECT_THAT(find_weights(path_, "model", "bf16").files, IsEmpty());
}

}  // namespace
}  // namespace espalier::modelfile
