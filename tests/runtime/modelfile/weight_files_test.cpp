#include "runtime/modelfile/weight_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "runtime/base/errors.h"
#include "runtime/base/files.h"
#include "runtime/modelfile/safetensors.h"

namespace espalier::modelfile {
namespace {

namespace fs = std::filesystem;

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::ThrowsMessage;

class WeightFiles : public testing::Test {
 protected:
  void SetUp() override { fs::create_directories(folder_); }
  void TearDown() override { fs::remove_all(folder_); }
  void put(const std::string& name, const std::string& bytes = "") const { std::ofstream(folder_ / name, std::ios::binary) << bytes; }
  void expect(const std::string& what, const std::string& advice) const {
    EXPECT_THAT([this] { read_safetensors(wanted_); }, ThrowsMessage<DataError>(AllOf(HasSubstr(wanted_.string()), HasSubstr(what),
                                                                                      HasSubstr(advice), Not(HasSubstr("bytes, the")))));
  }
  fs::path folder_ = fs::path(testing::TempDir()) / ("espalier_" + unique_name());
  fs::path wanted_ = folder_ / "diffusion_pytorch_model.safetensors";
};

TEST_F(WeightFiles, NamesTheKindOfAFileThatHoldsNoWeights) {
  const std::pair<std::string, std::pair<const char*, const char*>> cases[] = {
      {"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 66000\n", {"Git LFS pointer", "git lfs pull"}},
      {"\n<!DOCTYPE html>\n<html><body>no weights</body></html>", {"web page", "resolve"}},
      {"<html lang=\"en\"><head></head></html>", {"web page", "download the file itself"}},
      {std::string("PK\x03\x04\x00\x00\x08\x08\x00\x00", 10), {"pickle", "save_file"}},
      {std::string("\x80\x02}q\x00(X\x06\x00\x00\x00", 10), {"pickle", "save_file"}},
      {"\x89HDF\r\n\x1a\n        ", {"HDF5", "convert"}},
      {"{\"metadata\": {\"total_size\": 1}}", {"JSON", "the file of weights itself"}},
      {"", {"empty", ""}},
  };
  for (const auto& [bytes, said] : cases) {
    put(wanted_.filename(), bytes);
    expect(said.first, said.second);
  }
}

TEST_F(WeightFiles, NamesWeightsUnderAnotherName) {
  EXPECT_EQ(other_weights_beside(wanted_), "");
  put("config.json");
  expect("cannot be opened: No such file", "");
  EXPECT_EQ(other_weights_beside(wanted_), "");
  put("flax_model.msgpack");
  expect("'flax_model.msgpack' lies there", "another library");
  put("diffusion_pytorch_model.bin");
  expect("'diffusion_pytorch_model.bin' lies there", "convert it to 'diffusion_pytorch_model.safetensors'");
  put("diffusion_pytorch_model.fp16.safetensors");
  expect("'diffusion_pytorch_model.fp16.safetensors' lies there", "rename it to 'diffusion_pytorch_model.safetensors'");
  put("diffusion_pytorch_model-00001-of-00002.safetensors");
  put("diffusion_pytorch_model.safetensors.index.json");
  expect("shards", "max_shard_size");
  fs::create_symlink("../../blobs/0a1b", wanted_);
  expect("a link to '../../blobs/0a1b'", "fetch that");
}

TEST_F(WeightFiles, RefusesAFolder) {
  fs::create_directories(wanted_);
  expect("is a directory", "");
}

}  // namespace
}  // namespace espalier::modelfile
