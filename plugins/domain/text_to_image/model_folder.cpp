#include "plugins/domain/text_to_image/model_folder.h"

#include <fmt/format.h>

#include <array>
#include <string>
#include <utility>

#include "plugins/domain/text_to_image/network.h"
#include "runtime/base/errors.h"
#include "runtime/base/files.h"
#include "runtime/modelfile/tokenizer.h"

namespace espalier::text_to_image {
namespace {

namespace fs = std::filesystem;
using namespace folder;
using namespace images;

constexpr const char* kTextWeights = "text_encoder/model.safetensors";
constexpr std::array kTokenizerFiles = {"vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json"};

void check_tokenizer(const Value& config, const fs::path& folder, const std::string& origin) {
  const modelfile::ClipTokenizer tokenizer(folder);
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
  const std::string unet_origin = (folder / kUNetConfig).string(), text_origin = (folder / "text_encoder/config.json").string();
  network::UNet unet = read_unet(folder, rules);
  network::ClipText text_encoder(read_json(text_origin), text_origin);
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
  Weights weights = draw_if_missing(folder, {kUNetWeights, kTextWeights}, network, rules.fresh_weights);
  Weights read;
  if (fs::is_regular_file(folder / kUNetWeights)) read_weights(folder / kUNetWeights, kUNet, read);
  if (fs::is_regular_file(folder / kTextWeights)) read_weights(folder / kTextWeights, kTextEncoder, read);
  for (auto& [name, tensor] : network::ClipText::rename(std::move(read), kTextEncoder)) weights.insert_or_assign(name, tensor);
  network.check(weights, folder.string());
  return weights;
}

Model read_denoiser(const fs::path& folder, const ModelRules& rules, ModelInfo info) {
  require_files(folder,
                {kUNetConfig, "text_encoder/config.json", "tokenizer/vocab.json", "tokenizer/merges.txt", "tokenizer/tokenizer_config.json",
                 kSchedulerConfig},
                "diffusers'");
  const auto network = read_network(folder, rules);
  return assemble(folder, network, read_or_draw_weights(folder, *network, rules), std::move(info));
}

}  // namespace

Model read_model(const fs::path& folder, const ModelRules& rules) {
  ModelInfo info = read_annotations(folder);
  return info.role == kDenoiser ? read_denoiser(folder, rules, std::move(info)) : read_other(folder, std::move(info));
}

void write_model(const Model& model, const fs::path& folder, const fs::path& tokenizer_folder) {
  if (model.info.role != kDenoiser) return write_other(model, folder);
  write_unet(model, folder);
  for (const char* component : {"text_encoder", "tokenizer"}) make_folders(folder / component);
  write_json(model.info.architecture.at("text_encoder"), folder / "text_encoder/config.json");
  write_weights(model.weights, kTextEncoder, folder / kTextWeights);
  for (const char* file : kTokenizerFiles) {
    if (fs::is_regular_file(tokenizer_folder / file)) write_durable(folder / "tokenizer" / file, read_file(tokenizer_folder / file));
  }
  write_model_index(
      model, folder, "unet",
      {{"text_encoder", Value::List{"transformers", "CLIPTextModel"}}, {"tokenizer", Value::List{"transformers", "CLIPTokenizer"}}});
}

}  // namespace espalier::text_to_image
