#include "plugins/shared/pictures/model_folder.h"

#include <fmt/format.h>

#include <utility>

#include "runtime/base/errors.h"
#include "runtime/base/files.h"
#include "runtime/model/safetensors.h"

namespace espalier::pictures {
namespace {

namespace fs = std::filesystem;

void check_unet(const Value& config, const ModelRules& rules, const std::string& origin) {
  for (const char* key : {"in_channels", "out_channels"}) {
    if (config.at(key).as_integer() != rules.channels) {
      throw DataError(fmt::format("{}: {} is {}, but the domain's pictures have {} channels", origin, key, config.at(key).as_integer(),
                                  rules.channels));
    }
  }
  const std::int64_t divisor = std::int64_t{1} << (config.at("block_out_channels").as_list().size() - 1);
  if (rules.height % divisor != 0 || rules.width % divisor != 0) {
    throw DataError(fmt::format("{}: halves pictures {} times over, so their sides must be multiples of {}; they are {} x {}", origin,
                                config.at("block_out_channels").as_list().size() - 1, divisor, rules.width, rules.height));
  }
}

}  // namespace

Value read_json(const fs::path& path) { return parse_json(read_file(path), path.string()); }

void write_json(const Value& value, const fs::path& path) { write_durable(path, to_json(value, 2) + "\n"); }

void require_files(const fs::path& folder, const std::vector<std::string>& pieces, const std::string& layout) {
  if (!fs::is_directory(folder)) throw DataError(folder.string() + ": no such model folder");
  std::string missing;
  for (const std::string& piece : pieces) {
    if (!fs::is_regular_file(folder / piece)) missing += (missing.empty() ? "" : ", ") + piece;
  }
  if (!missing.empty()) throw DataError(folder.string() + ": not a model folder in " + layout + " layout; missing: " + missing);
}

void read_weights(const fs::path& path, const std::string& prefix, Weights& weights) {
  for (auto& [name, tensor] : model::read_safetensors(path)) weights.emplace(prefix + name, tensor.to(at::kFloat));
}

void write_weights(const Weights& weights, const std::string& prefix, const fs::path& path) {
  TensorMap component;
  for (const auto& [name, tensor] : weights) {
    if (name.starts_with(prefix)) component.emplace(name.substr(prefix.size()), tensor.detach().to(at::kCPU).contiguous());
  }
  write_durable(path, model::format_safetensors(component));
}

Weights draw_if_missing(const fs::path& folder, const std::vector<std::string>& files, const Network& network, const ModelRules& rules) {
  for (const std::string& file : files) {
    if (fs::is_regular_file(folder / file)) continue;
    if (rules.fresh_weights) return network.initialize(*rules.fresh_weights);
    throw DataError(fmt::format("{}: {} is missing; to train from fresh weights set initialize_weights = true", folder.string(), file));
  }
  return {};
}

model::UNet read_unet(const fs::path& folder, const ModelRules& rules) {
  const std::string origin = (folder / kUNetConfig).string();
  model::UNet unet(read_json(origin), origin);
  check_unet(unet.config(), rules, origin);
  return unet;
}

ModelInfo read_annotations(const fs::path& folder) {
  const fs::path path = folder / "espalier.json";
  if (!fs::is_regular_file(path)) return {};
  const ModelInfo noted = ModelInfo::from_value(read_json(path));
  ModelInfo info;
  info.role = noted.role;
  info.last_step = noted.last_step;
  info.trained_num_steps = noted.trained_num_steps;
  info.corrects = noted.corrects;
  return info;
}

Model assemble(const fs::path& folder, std::shared_ptr<const Network> network, Weights weights, ModelInfo info) {
  Model model;
  model.network = std::move(network);
  model.process = diffusion::make_process(read_json(folder / kSchedulerConfig), (folder / kSchedulerConfig).string());
  model.weights = std::move(weights);
  model.info = std::move(info);
  model.info.architecture = model.network->architecture();
  model.info.process = model.process->config();
  model.info.digest = digest_weights(model.weights);
  return model;
}

void write_unet(const Model& model, const fs::path& folder) {
  for (const char* component : {"unet", "scheduler"}) make_folders(folder / component);
  write_json(model.info.architecture.at("unet"), folder / kUNetConfig);
  write_weights(model.weights, kUNet, folder / kUNetWeights);
  write_json(model.process->config(), folder / kSchedulerConfig);
}

void write_model_index(const Model& model, const fs::path& folder, const Value::Map& further) {
  Value::Map index = further;
  index["_class_name"] = "DiffusionPipeline";
  index["unet"] = Value::List{"diffusers", model.info.architecture.at("unet").at("_class_name")};
  index["scheduler"] = Value::List{"diffusers", model.process->config().at("_class_name")};
  write_json(index, folder / "model_index.json");
}

Model read_other(const fs::path& folder, ModelInfo info) {
  require_files(folder, {"config.json", "model.safetensors"}, "a " + info.role + "'s");
  Model model;
  read_weights(folder / "model.safetensors", "", model.weights);
  model.info = std::move(info);
  model.info.architecture = read_json(folder / "config.json");
  model.info.digest = digest_weights(model.weights);
  return model;
}

void write_other(const Model& model, const fs::path& folder) {
  write_json(model.info.architecture, folder / "config.json");
  write_weights(model.weights, "", folder / "model.safetensors");
}

}  // namespace espalier::pictures
