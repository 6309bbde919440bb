#include <gmock/gmock.h>

#include <fstream>

#include "runtime/base/errors.h"
#include "runtime/base/files.h"
#include "runtime/modelfile/folder.h"
#include "runtime/modelfile/safetensors.h"
#include "tests/runtime/base/folder.h"

namespace espalier::modelfile {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

constexpr const char* kVaeWeights = "vae/diffusion_pytorch_model.safetensors";
const LoadOptions kFresh{.initialize_weights = 7};

void write(const fs::path& path, const std::string& bytes) {
  fs::remove(path);
  std::ofstream(path, std::ios::binary) << bytes;
}

// A blueprint of a U-Net of two latent channels, whose vae halves once.
class VaeFolder : public ::testing::Test {
 protected:
  VaeFolder() {
    const fs::path blueprint = fs::path(ESPALIER_SOURCE_DIR) / "datasets/models/generated-flow-base-blank";
    fs::copy(blueprint, path_, fs::copy_options::recursive | fs::copy_options::overwrite_existing);
    auto unet = parse_json(read_file(path_ / "unet/config.json"), "unet");
    unet["in_channels"] = unet["out_channels"] = 2;
    write(path_ / "unet/config.json", to_json(unet));
    auto index = parse_json(read_file(path_ / "model_index.json"), "index");
    index["vae"] = Value::List{"diffusers", "AutoencoderKL"};
    write(path_ / "model_index.json", to_json(index));
    fs::create_directories(path_ / "vae");
    write(path_ / "vae/config.json",
          R"({"_class_name": "AutoencoderKL", "latent_channels": 2, "norm_num_groups": 4, "block_out_channels": [8, 8],
        "down_block_types": ["DownEncoderBlock2D", "DownEncoderBlock2D"], "up_block_types": ["UpDecoderBlock2D", "UpDecoderBlock2D"]})");
  }
  // With weights, in `trained`.
  Model saved() const {
    auto model = load_it(kFresh);
    save(model, trained_);
    return model;
  }
  Model load_trained() const { return load(trained_, network::engine_networks()); }
  Model load_it(const LoadOptions& options = {}) const { return load(path_, network::engine_networks(), options); }

  TemporaryFolder folder_, other_;
  fs::path path_ = folder_.path(), trained_ = other_.path();
};

TEST_F(VaeFolder, IsPartOfTheModelThatIsReadAndSaved) {
  const auto model = saved();
  EXPECT_EQ(model.info.components, (std::vector<std::string>{"unet", "vae"}));
  EXPECT_EQ(model.info.architecture.at("vae").at("scaling_factor"), Value(0.18215));
  const auto index = parse_json(read_file(trained_ / "model_index.json"), "index");
  EXPECT_EQ(index.at("vae"), Value(Value::List{"diffusers", "AutoencoderKL"}));
  EXPECT_EQ(load_trained().info.to_value(), model.info.to_value());
  EXPECT_EQ(info(trained_, network::engine_networks()).to_value(), model.info.to_value());
  fs::remove_all(path_ / "vae");
  fs::remove(path_ / "model_index.json");
  EXPECT_EQ(load_it(kFresh).info.components, (std::vector<std::string>{"unet"}));
}

TEST_F(VaeFolder, TakesWeightsByOldNamesAndSavesThemByNew) {
  const auto model = saved();
  auto weights = read_safetensors(trained_ / kVaeWeights);
  const std::string place = "encoder.mid_block.attentions.0.";
  for (const char* part : {".weight", ".bias"}) {
    auto node = weights.extract(place + "to_out.0" + part);
    node.key() = place + "proj_attn" + part;
    weights.insert(std::move(node));
  }
  write(trained_ / kVaeWeights, format_safetensors(weights));
  const auto old = load_trained();
  EXPECT_EQ(old.info.digest, model.info.digest);
  const TemporaryFolder again;
  save(old, again.path());
  EXPECT_TRUE(read_safetensors(again.path() / kVaeWeights).contains(place + "to_out.0.weight"));
}

TEST_F(VaeFolder, OfOtherOrMissingWeightsIsRefused) {
  saved();
  auto weights = read_safetensors(trained_ / kVaeWeights);
  weights.erase("decoder.conv_out.bias");
  write(trained_ / kVaeWeights, format_safetensors(weights));
  EXPECT_THAT([&] { load_trained(); },
              ThrowsMessage<DataError>(AllOf(HasSubstr("/vae"), HasSubstr("no tensor 'vae.decoder.conv_out.bias'"))));
  fs::remove(trained_ / kVaeWeights);
  EXPECT_THAT([&] { load_trained(); }, ThrowsMessage<DataError>(HasSubstr(std::string(kVaeWeights) + " is missing")));
}

}  // namespace
}  // namespace espalier::modelfile
