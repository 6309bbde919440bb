#include "plugins/shared/folder/model_folder.h"

#include <fmt/format.h>

#include <set>
#include <utility>

#include "runtime/base/errors.h"
#include "runtime/base/files.h"
#include "runtime/modelfile/safetensors.h"
#include "runtime/modelfile/weight_files.h"
#include "runtime/tensor/finite.h"

namespace espalier::folder {

namespace fs = std::filesystem;

std::vector<std::string> components_of(const Weights& weights) {
  std::set<std::string> components;
  for (const auto& [name, tensor] : weights) components.insert(name.substr(0, name.find('.')));
  return {components.begin(), components.end()};
}

Value read_json(const fs::path& path) { return parse_json(read_file(path), path.string()); }

void write_json(const Value& value, const fs::path& path) { write_durable(path, to_json(value, 2) + "\n"); }

void require_files(const fs::path& folder, const std::vector<std::string>& pieces, const std::string& layout) {
  if (!fs::is_directory(folder)) throw ConfigError(folder.string() + ": no such model folder");
  std::string missing;
  for (const std::string& piece : pieces) {
    if (!fs::is_regular_file(folder / piece)) missing += (missing.empty() ? "" : ", ") + piece;
  }
  if (!missing.empty()) throw DataError(folder.string() + ": not a model folder in " + layout + " layout; missing: " + missing);
}

void read_weights(const fs::path& path, const std::string& prefix, Weights& weights) {
  for (auto& [name, tensor] : modelfile::read_safetensors(path)) weights.emplace(prefix + name, tensor.to(at::kFloat));
}

void write_weights(const Weights& weights, const std::string& prefix, const fs::path& path) {
  TensorMap component;
  for (const auto& [name, tensor] : weights) {
    if (name.starts_with(prefix)) component.emplace(name.substr(prefix.size()), tensor.detach().to(at::kCPU).contiguous());
  }
  write_durable(path, modelfile::format_safetensors(component));
}

Weights draw_if_missing(const fs::path& folder, const std::vector<std::string>& files, const Network& network,
                        std::optional<std::uint64_t> fresh_weights) {
  bool draws = false;
  for (const std::string& file : files) {
    if (fs::is_regular_file(folder / file)) continue;
    const auto other = modelfile::other_weights_beside(folder / file);
    if (!other.empty()) throw DataError(fmt::format("{}: {} is missing, but {}", folder.string(), file, other));
    if (!fresh_weights) {
      throw DataError(fmt::format("{}: {} is missing; to train from fresh weights set initialize_weights = true", folder.string(), file));
    }
    draws = true;
  }
  return draws ? network.initialize(*fresh_weights) : Weights();
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
  tensor::require_finite_weights(weights, folder.string());  // here, where a plan opens every model of the pipeline
  Model model;
  model.network = std::move(network);
  model.process = diffusion::make_process(read_json(folder / kSchedulerConfig), (folder / kSchedulerConfig).string());
  model.weights = std::move(weights);
  model.info = std::move(info);
  model.info.architecture = model.network->architecture();
  model.info.process = model.process->config();
  model.info.components = components_of(model.weights);
  model.info.digest = digest_weights(model.weights);
  return model;
}

void write_scheduler(const Model& model, const fs::path& folder) {
  make_folders(folder / "scheduler");
  write_json(model.process->config(), folder / kSchedulerConfig);
}

void write_model_index(const Model& model, const fs::path& folder, const std::string& component, Value::Map further) {
  const auto& config = model.info.architecture.at(component);
  further["_class_name"] = "DiffusionPipeline";
  further[component] = Value::List{"diffusers", config.at("_class_name")};
  further["scheduler"] = Value::List{"diffusers", model.process->config().at("_class_name")};
  write_json(further, folder / "model_index.json");
}

Model read_other(const fs::path& folder, ModelInfo info) {
  require_files(folder, {"config.json"}, "a " + info.role + "'s");
  Model model;
  read_weights(folder / "model.safetensors", "", model.weights);
  model.info = std::move(info);
  model.info.architecture = read_json(folder / "config.json");
  model.info.components = components_of(model.weights);
  model.info.digest = digest_weights(model.weights);
  return model;
}

void write_other(const Model& model, const fs::path& folder) {
  write_json(model.info.architecture, folder / "config.json");
  write_weights(model.weights, "", folder / "model.safetensors");
}

}  // namespace espalier::folder
