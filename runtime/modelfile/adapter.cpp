#include "runtime/modelfile/adapter.h"

#include <ATen/TensorOperators.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "runtime/base/errors.h"
#include "runtime/base/files.h"
#include "runtime/base/suggest.h"
#include "runtime/modelfile/adapter_file.h"
#include "runtime/network/adapter.h"
#include "runtime/tensor/finite.h"

namespace espalier::modelfile {
namespace {

namespace fs = std::filesystem;
using network::kLoraA, network::kLoraB;

constexpr const char* kAnnotations = "espalier.json";

fs::path file_of(const fs::path& adapter) {
  if (!fs::exists(adapter)) throw ConfigError(adapter.string() + ": no such folder or file of an adapter");
  return fs::is_directory(adapter) ? adapter / kAdapterFile : adapter;
}

std::string module_of(const std::string& name, std::string_view ending) { return name.substr(0, name.size() - ending.size() - 1); }

void check_shape(const std::string& name, const at::Tensor& tensor, const std::vector<std::int64_t>& expected, const at::Tensor& weight,
                 const std::string& origin) {
  if (tensor.sizes() == at::IntArrayRef(expected)) return;
  throw DataError(fmt::format("{}: '{}' has the shape [{}]; beside the base's weight [{}] it is [{}]", origin, name,
                              fmt::join(tensor.sizes(), ", "), fmt::join(weight.sizes(), ", "), fmt::join(expected, ", ")));
}

// Returns the module that has this name after its component ("unet."), which other programs may leave out, otherwise the nearest name.
std::string nearest_module(const std::string& name, const std::vector<std::string>& modules) {
  const auto found = std::ranges::find_if(modules, [&](const auto& module) { return module.ends_with("." + name); });
  return found == modules.end() ? nearest_name(name, modules) : *found;
}

void check_fits(const Weights& adapter, const Weights& base, const std::string& origin) {
  const auto modules = network::adaptable_modules(base);
  for (const auto& [name, lora_A] : adapter) {
    if (!name.ends_with(kLoraA)) continue;
    const auto module = module_of(name, kLoraA);
    if (!std::ranges::binary_search(modules, module)) {
      const auto near = nearest_module(module, modules);
      throw DataError(fmt::format("{}: the base has no module '{}' that can have an adapter{}", origin, module,
                                  near.empty() ? "" : "; did you mean '" + near + "'?"));
    }
    const auto& weight = base.at(module + ".weight");
    const auto expected = network::adapter_shapes(weight, lora_A.size(0));
    check_shape(name, lora_A, expected.lora_A, weight, origin);
    const auto other = fmt::format("{}.{}", module, kLoraB);
    check_shape(other, adapter.at(other), expected.lora_B, weight, origin);
  }
  tensor::require_finite_weights(adapter, origin);
}

// Reads the annotations of the adapter from an espalier.json beside the file; one without an `adapter` is another model's and is ignored.
void read_annotations(const fs::path& file, const Hex& base, const Hex& adapter, ModelInfo& info) {
  const auto path = file.parent_path() / kAnnotations;
  if (!fs::is_regular_file(path)) return;
  const auto value = parse_json(read_file(path), path.string());
  if (!value.is_map() || value.find("adapter") == nullptr) return;
  ModelInfo annotated;
  try {
    annotated.read_annotations(value);
  } catch (const Error& error) {
    throw DataError(path.string() + ": " + error.what());
  }
  if (annotated.adapter != adapter) {
    throw DataError(fmt::format("{}: is of the adapter {}, but {} holds {}", path.string(), annotated.adapter.substr(0, 12),
                                file.filename().string(), adapter.substr(0, 12)));
  }
  if (annotated.base != base) {
    throw DataError(fmt::format("{}: the adapter is for the base {}, not for {}: name the folder of the model that it was trained from",
                                path.string(), annotated.base.substr(0, 12), base.substr(0, 12)));
  }
  info.role = annotated.role;
  info.last_step = annotated.last_step;
  info.trained_num_steps = annotated.trained_num_steps;
  info.corrects = annotated.corrects;
}

}  // namespace

Model with_adapter(const Model& base, const fs::path& adapter) {
  if (!base.info.adapter.empty()) throw InternalError("an adapter is added to a model that has one");
  const auto file = file_of(adapter);
  auto weights = read_adapter(file);
  check_fits(weights, base.weights, file.string());
  Model model = base;
  model.info.base = base.info.digest;
  model.info.adapter = digest_weights(weights);
  model.info.digest = digest_with_adapter(model.info.base, model.info.adapter);
  read_annotations(file, model.info.base, model.info.adapter, model.info);
  const auto device = base.weights.begin()->second.device();
  for (auto& [name, tensor] : weights) model.weights.emplace(name, tensor.to(device));
  return model;
}

void require_trained_adapter(const Model& model, const fs::path& adapter) {
  std::string first;
  for (const auto& [name, tensor] : model.weights) {
    if (!name.ends_with(kLoraB)) continue;
    if (tensor.count_nonzero().item<std::int64_t>() > 0) return;
    if (first.empty()) first = name;
  }
  throw DataError(fmt::format("{}: '{}' and the lora_B of every other module are zero: the adapter changes nothing, it was never trained",
                              adapter.string(), first));
}

void save_adapter(const Model& model, const fs::path& folder) {
  write_durable(folder / kAdapterFile, format_adapter(model.weights));
  write_durable(folder / kAnnotations, to_json(model.info.annotations(), 2) + "\n");
}

}  // namespace espalier::modelfile
