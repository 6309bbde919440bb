#include "plugins/domain/unconditional/model_folder.h"

#include <fmt/format.h>

#include <utility>

#include "runtime/base/errors.h"

namespace espalier::unconditional {
namespace {

namespace fs = std::filesystem;
using namespace folder;
using namespace images;

void refuse_conditions(const Value& config, const std::string& origin) {
  const auto refuse = [&origin](const std::string& key, const std::string& found, const std::string& right) {
    throw DataError(fmt::format("{}: {} has {}, but this domain's images have no condition; take {}", origin, key, found, right));
  };
  const auto attends = [](const Value& type) { return type.is_string() && type.as_string().find("CrossAttn") != std::string::npos; };
  for (const auto& [key, right] : {std::pair{"down_block_types", "DownBlock2D"}, std::pair{"up_block_types", "UpBlock2D"}}) {
    for (const Value& type : config.at(key).as_list()) {
      if (attends(type)) refuse(key, type.as_string(), right);
    }
  }
  const Value& middle = config.at("mid_block_type");
  if (attends(middle)) refuse("mid_block_type", middle.as_string(), "UNetMidBlock2D, or null for none");
  for (const char* key : {"addition_embed_type", "class_embed_type"}) {
    if (!config.at(key).is_null()) refuse(key, to_json(config.at(key)), "null");
  }
}

Model read_denoiser(const fs::path& folder, const ModelRules& rules, ModelInfo info) {
  require_files(folder, {kUNetConfig, kSchedulerConfig}, "diffusers'");
  network::UNet unet = read_unet(folder, rules);
  refuse_conditions(unet.config(), (folder / kUNetConfig).string());
  auto network = std::make_shared<const ImageNetwork>(std::move(unet));
  Weights weights = draw_if_missing(folder, {kUNetWeights}, *network, rules.fresh_weights);
  if (weights.empty()) read_weights(folder / kUNetWeights, kUNet, weights);
  network->check(weights, folder.string());
  return assemble(folder, std::move(network), std::move(weights), std::move(info));
}

}  // namespace

ImageNetwork::ImageNetwork(network::UNet unet) : unet_(std::move(unet)) {}

Value ImageNetwork::architecture() const { return Value::Map{{"unet", unet_.config()}}; }

TensorMap ImageNetwork::embed(const Weights&, const TensorMap&) const { return {}; }

State ImageNetwork::predict(const Weights& weights, const State& noisy, const at::Tensor& timestep, const TensorMap&) const {
  return {{"sample", unet_.forward(weights, kUNet, noisy.at("sample"), timestep, {})}};
}

Weights ImageNetwork::initialize(std::uint64_t seed) const { return unet_.initialize(kUNet, seed); }

void ImageNetwork::check(const Weights& weights, const std::string& origin) const { unet_.check(weights, kUNet, origin + "/unet"); }

Model read_model(const fs::path& folder, const ModelRules& rules) {
  ModelInfo info = read_annotations(folder);
  return info.role == kDenoiser ? read_denoiser(folder, rules, std::move(info)) : read_other(folder, std::move(info));
}

void write_model(const Model& model, const fs::path& folder) {
  if (model.info.role != kDenoiser) return write_other(model, folder);
  write_unet(model, folder);
  write_model_index(model, folder, "unet");
}

}  // namespace espalier::unconditional
