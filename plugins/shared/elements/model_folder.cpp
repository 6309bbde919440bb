#include "plugins/shared/elements/model_folder.h"

#include <fmt/format.h>

#include <utility>

#include "plugins/shared/elements/network.h"
#include "runtime/base/errors.h"
#include "runtime/base/files.h"

namespace espalier::elements {
namespace {

namespace fs = std::filesystem;

constexpr const char* kConfig = "transformer/config.json";
constexpr const char* kWeights = "transformer/diffusion_pytorch_model.safetensors";

void check_number(const std::string& origin, const char* key, std::int64_t found, std::int64_t expected) {
  if (found == expected) return;
  throw DataError(fmt::format("{}: {} is {}, but the domain's states have {}", origin, key, found, expected));
}

Model read_denoiser(const fs::path& path, const ModelRules& rules, ModelInfo info) {
  folder::require_files(path, {kConfig, folder::kSchedulerConfig}, "diffusers'");
  const std::string origin = (path / kConfig).string();
  auto network = std::make_shared<const ElementNetwork>(network::ElementTransformer(folder::read_json(origin), origin));
  const auto& structure = network->structure();
  check_number(origin, "num_classes", structure.num_classes, rules.num_classes);
  check_number(origin, "vector_dim", structure.vector_dim, rules.vector_dim);
  check_number(origin, "max_elements", structure.max_elements, rules.num_elements);
  Weights weights = folder::draw_if_missing(path, {kWeights}, *network, rules.fresh_weights);
  if (weights.empty()) folder::read_weights(path / kWeights, kTransformer, weights);
  network->check(weights, path.string());
  auto model = folder::assemble(path, std::move(network), std::move(weights), std::move(info));
  const std::string scheduler = (path / folder::kSchedulerConfig).string();
  if (model.process->name() != "interleaved") {
    throw DataError(
        fmt::format("{}: the process is '{}'; sets of elements need an InterleavedScheduler", scheduler, model.process->name()));
  }
  check_number(scheduler, "num_elements", model.info.process.at("num_elements").as_integer(), rules.num_elements);
  check_number(scheduler, "num_classes", model.info.process.at("num_classes").as_integer(), rules.num_classes);
  return model;
}

}  // namespace

Model read_model(const fs::path& path, const ModelRules& rules) {
  ModelInfo info = folder::read_annotations(path);
  return info.role == folder::kDenoiser ? read_denoiser(path, rules, std::move(info)) : folder::read_other(path, std::move(info));
}

void write_model(const Model& model, const fs::path& path) {
  if (model.info.role != folder::kDenoiser) return folder::write_other(model, path);
  make_folders(path / "transformer");
  folder::write_json(model.info.architecture.at("transformer"), path / kConfig);
  folder::write_weights(model.weights, kTransformer, path / kWeights);
  folder::write_scheduler(model, path);
  folder::write_model_index(model, path, "transformer");
}

}  // namespace espalier::elements
