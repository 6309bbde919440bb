#include "plugins/domain/text_to_image/model_folder.h"

#include <fmt/format.h>

#include <array>
#include <string>
#include <utility>
#include <vector>

#include "plugins/domain/text_to_image/network.h"
#include "runtime/base/errors.h"
#include "runtime/base/files.h"
#include "runtime/model/safetensors.h"

namespace espalier::text_to_image {
namespace {

namespace fs = std::filesystem;

constexpr const char* kDenoiser = "denoiser";
constexpr const char* kUNetWeights = "unet/diffusion_pytorch_model.safetensors";
constexpr const char* kTextWeights = "text_encoder/model.safetensors";
constexpr const char* kSchedulerConfig = "scheduler/scheduler_config.json";
constexpr std::array kTokenizerFiles = {"vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json"};

Value read_json(const fs::path& path) { return parse_json(read_file(path), path.string()); }

void require(const fs::path& folder, const std::vector<std::string>& pieces, const std::string& layout) {
  if (!fs::is_directory(folder)) throw DataError(folder.string() + ": no such model folder");
  std::string missing;
  for (const std::string& piece : pieces) {
    if (!fs::is_regular_file(folder / piece)) missing += (missing.empty() ? "" : ", ") + piece;
  }
  if (!missing.empty()) throw DataError(folder.string() + ": not a model folder in " + layout + " layout; missing: " + missing);
}

// The tensors of a file behind a component's prefix, as float32.
void read_weights(const fs::path& path, const std::string& prefix, Weights& weights) {
  for (auto& [name, tensor] : model::read_safetensors(path)) weights.emplace(prefix + name, tensor.to(at::kFloat));
}

// The tensors behind a prefix, without it.
std::string component_file(const Weights& weights, const std::string& prefix) {
  TensorMap component;
  for (const auto& [name, tensor] : weights) {
    if (name.starts_with(prefix)) component.emplace(name.substr(prefix.size()), tensor.detach().to(at::kCPU).contiguous());
  }
  return model::format_safetensors(component);
}

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

void check_tokenizer(const Value& config, const fs::path& folder, const std::string& origin) {
  const model::ClipTokenizer tokenizer(folder);
  if (config.at("vocab_size").as_integer() < tokenizer.vocabulary_size()) {
    throw DataError(fmt::format("{}: vocab_size is {}, but {} has {} tokens", origin, config.at("vocab_size").as_integer(), folder.string(),
                                tokenizer.vocabulary_size()));
  }
  if (config.at("max_position_embeddings").as_integer() < tokenizer.max_length()) {
    throw DataError(fmt::format("{}: max_position_embeddings is {}, but {} pads texts to {}", origin,
                                config.at("max_position_embeddings").as_integer(), folder.string(), tokenizer.max_length()));
  }
}

std::shared_ptr<const TextToImageNetwork> read_network(const fs::path& folder, const ModelRules& rules) {
  const std::string unet_origin = (folder / "unet/config.json").string(), text_origin = (folder / "text_encoder/config.json").string();
  model::UNet unet(read_json(unet_origin), unet_origin);
  model::ClipText text_encoder(read_json(text_origin), text_origin);
  check_unet(unet.config(), rules, unet_origin);
  check_tokenizer(text_encoder.config(), folder / "tokenizer", text_origin);
  const Value& attends = unet.config().at("cross_attention_dim");
  if (attends.is_integer() && attends.as_integer() != text_encoder.config().at("hidden_size").as_integer()) {
    throw DataError(fmt::format("{}: cross_attention_dim is {}, but the text encoder's hidden_size is {}", unet_origin,
                                attends.as_integer(), text_encoder.config().at("hidden_size").as_integer()));
  }
  return std::make_shared<TextToImageNetwork>(std::move(unet), std::move(text_encoder));
}

// A component without weights is drawn where the options allow it: a blueprint may come with its text encoder trained.
Weights read_or_draw_weights(const fs::path& folder, const TextToImageNetwork& network, const ModelRules& rules) {
  const bool has_unet = fs::is_regular_file(folder / kUNetWeights), has_text = fs::is_regular_file(folder / kTextWeights);
  if ((!has_unet || !has_text) && !rules.fresh_weights) {
    throw DataError(fmt::format("{}: {} is missing; to train from fresh weights set initialize_weights = true", folder.string(),
                                has_unet ? kTextWeights : kUNetWeights));
  }
  Weights weights;
  if (!has_unet || !has_text) weights = network.initialize(*rules.fresh_weights);
  Weights read;
  if (has_unet) read_weights(folder / kUNetWeights, kUNet, read);
  if (has_text) read_weights(folder / kTextWeights, kTextEncoder, read);
  for (auto& [name, tensor] : model::ClipText::rename(std::move(read), kTextEncoder)) weights.insert_or_assign(name, tensor);
  network.check(weights, folder.string());
  return weights;
}

// What espalier.json adds: role and steps. The rest of a ModelInfo is what the folder itself holds.
ModelInfo read_annotations(const fs::path& folder) {
  const fs::path path = folder / "espalier.json";
  if (!fs::is_regular_file(path)) return {};
  const ModelInfo noted = ModelInfo::from_value(read_json(path));
  ModelInfo info;
  info.role = noted.role;
  info.last_step = noted.last_step;
  info.trained_num_steps = noted.trained_num_steps;
  return info;
}

Model read_denoiser(const fs::path& folder, const ModelRules& rules, ModelInfo info) {
  require(folder,
          {"unet/config.json", "text_encoder/config.json", "tokenizer/vocab.json", "tokenizer/merges.txt",
           "tokenizer/tokenizer_config.json", kSchedulerConfig},
          "diffusers'");
  const auto network = read_network(folder, rules);
  Model model;
  model.network = network;
  model.process = diffusion::make_process(read_json(folder / kSchedulerConfig), (folder / kSchedulerConfig).string());
  model.weights = read_or_draw_weights(folder, *network, rules);
  model.info = std::move(info);
  model.info.architecture = network->architecture();
  model.info.process = model.process->config();
  model.info.digest = digest_weights(model.weights);
  return model;
}

Model read_other(const fs::path& folder, ModelInfo info) {
  require(folder, {"config.json", "model.safetensors"}, "a " + info.role + "'s");
  Model model;
  read_weights(folder / "model.safetensors", "", model.weights);
  model.info = std::move(info);
  model.info.architecture = read_json(folder / "config.json");
  model.info.digest = digest_weights(model.weights);
  return model;
}

std::string pretty(const Value& value) { return to_json(value, 2) + "\n"; }

Value model_index() {
  return Value::Map{{"_class_name", "DiffusionPipeline"},
                    {"unet", Value::List{"diffusers", "UNet2DConditionModel"}},
                    {"scheduler", Value::List{"diffusers", "DDIMScheduler"}},
                    {"text_encoder", Value::List{"transformers", "CLIPTextModel"}},
                    {"tokenizer", Value::List{"transformers", "CLIPTokenizer"}}};
}

}  // namespace

Model read_model(const fs::path& folder, const ModelRules& rules) {
  ModelInfo info = read_annotations(folder);
  return info.role == kDenoiser ? read_denoiser(folder, rules, std::move(info)) : read_other(folder, std::move(info));
}

void write_model(const Model& model, const fs::path& folder, const fs::path& tokenizer_folder) {
  if (model.info.role != kDenoiser) {
    write_durable(folder / "config.json", pretty(model.info.architecture));
    write_durable(folder / "model.safetensors", component_file(model.weights, ""));
    return;
  }
  for (const char* component : {"unet", "text_encoder", "tokenizer", "scheduler"}) make_folders(folder / component);
  write_durable(folder / "unet/config.json", pretty(model.info.architecture.at("unet")));
  write_durable(folder / kUNetWeights, component_file(model.weights, kUNet));
  write_durable(folder / "text_encoder/config.json", pretty(model.info.architecture.at("text_encoder")));
  write_durable(folder / kTextWeights, component_file(model.weights, kTextEncoder));
  write_durable(folder / kSchedulerConfig, pretty(model.process->config()));
  for (const char* file : kTokenizerFiles) {
    if (fs::is_regular_file(tokenizer_folder / file)) write_durable(folder / "tokenizer" / file, read_file(tokenizer_folder / file));
  }
  write_durable(folder / "model_index.json", pretty(model_index()));
}

}  // namespace espalier::text_to_image
