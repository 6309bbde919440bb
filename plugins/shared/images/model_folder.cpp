#include "plugins/shared/images/model_folder.h"

#include <fmt/format.h>

#include <utility>

#include "runtime/base/errors.h"
#include "runtime/base/files.h"

namespace espalier::images {
namespace {

namespace fs = std::filesystem;

void check_unet(const Value& config, const ModelRules& rules, const std::string& origin) {
  for (const char* key : {"in_channels", "out_channels"}) {
    if (config.at(key).as_integer() != rules.channels) {
      throw DataError(
          fmt::format("{}: {} is {}, but the domain's images have {} channels", origin, key, config.at(key).as_integer(), rules.channels));
    }
  }
  const std::int64_t divisor = std::int64_t{1} << (config.at("block_out_channels").as_list().size() - 1);
  if (rules.height % divisor != 0 || rules.width % divisor != 0) {
    throw DataError(fmt::format("{}: halves images {} times over, so their sides must be multiples of {}; they are {} x {}", origin,
                                config.at("block_out_channels").as_list().size() - 1, divisor, rules.width, rules.height));
  }
}

}  // namespace

network::UNet read_unet(const fs::path& path, const ModelRules& rules) {
  const std::string origin = (path / kUNetConfig).string();
  network::UNet unet(folder::read_json(origin), origin);
  check_unet(unet.config(), rules, origin);
  return unet;
}

void write_unet(const Model& model, const fs::path& path) {
  make_folders(path / "unet");
  folder::write_json(model.info.architecture.at("unet"), path / kUNetConfig);
  folder::write_weights(model.weights, kUNet, path / kUNetWeights);
  folder::write_scheduler(model, path);
}

}  // namespace espalier::images
