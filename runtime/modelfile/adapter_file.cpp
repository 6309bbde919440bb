#include "runtime/modelfile/adapter_file.h"

#include <ATen/TensorOperators.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "runtime/base/errors.h"
#include "runtime/base/files.h"
#include "runtime/base/value.h"
#include "runtime/modelfile/safetensors.h"
#include "runtime/modelfile/weight_files.h"
#include "runtime/network/adapter.h"

namespace espalier::modelfile {
namespace {

namespace fs = std::filesystem;
using network::kLoraA, network::kLoraB;

constexpr const char* kMetadata = "lora_adapter_metadata";  // diffusers' key: JSON of {"<component>.<field of PEFT's LoraConfig>": value}

// A module's tensors; undefined if the file lacks them.
struct Pair {
  at::Tensor lora_A, lora_B, alpha;
};
using Pairs = std::map<std::string, Pair>;  // by module, "unet.down_blocks..."

// Saves the metadata too, without which the scale would be lost.
constexpr const char* kSave =
    "pipe.save_lora_weights(folder, unet_lora_layers=peft.get_peft_model_state_dict(unet), "
    "unet_lora_adapter_metadata=unet.peft_config[\"default\"].to_dict())";

std::string converted() {
  return fmt::format("in Python pipe.load_lora_weights(file, adapter_name=\"default\"), unet = pipe.unet, {}", kSave);
}

// Describes a tensor name of another program, and what converts its file; "" for an unknown name.
std::string described_as_other_name(const std::string& name) {
  const auto has = [&name](const char* part) { return name.find(part) != std::string::npos; };
  if (name.starts_with("text_encoder")) {
    return fmt::format("it is of a text encoder, whose adapters are not read: save the U-Net's alone, {}", converted());
  }
  if (name.starts_with("lora_unet_") || name.starts_with("lora_te")) return fmt::format("it has kohya's name: {}", converted());
  if (has(".processor.")) return fmt::format("it has the name of an earlier diffusers: {}", converted());
  if (name.starts_with("base_model.model.")) {
    return fmt::format(
        "it has the name of PEFT's own file: in Python unet = peft.PeftModel.from_pretrained(pipe.unet, folder).base_model.model, {}",
        kSave);
  }
  if (has("dora_scale") || has("lora_magnitude_vector")) return "it is of DoRA, which is not supported: take a LoRA";
  return "";
}

struct Place {
  std::string module;
  at::Tensor Pair::* part;
};

Place place_of(const std::string& name, const std::string& origin) {
  static const std::array<std::pair<std::string, at::Tensor Pair::*>, 5> endings = {{{"." + std::string(kLoraA), &Pair::lora_A},
                                                                                     {"." + std::string(kLoraB), &Pair::lora_B},
                                                                                     {".lora.down.weight", &Pair::lora_A},
                                                                                     {".lora.up.weight", &Pair::lora_B},
                                                                                     {".alpha", &Pair::alpha}}};
  auto why = described_as_other_name(name);
  if (why.empty()) {
    for (const auto& [ending, part] : endings) {
      if (name.ends_with(ending)) return {name.substr(0, name.size() - ending.size()), part};
    }
    why = "it is no tensor of a LoRA; those are '<module>.lora_A.weight', '<module>.lora_B.weight' and '<module>.alpha'";
  }
  throw DataError(fmt::format("{}: '{}' is not read: {}", origin, name, why));
}

Pairs pairs_of(const TensorMap& tensors, const std::string& origin) {
  Pairs pairs;
  for (const auto& [name, tensor] : tensors) {
    if (!tensor.is_floating_point()) throw DataError(fmt::format("{}: tensor '{}' holds no floating-point numbers", origin, name));
    const auto [module, part] = place_of(name, origin);
    auto& place = pairs[module].*part;
    if (place.defined()) throw DataError(fmt::format("{}: '{}' is a second tensor of its kind for '{}'", origin, name, module));
    place = tensor;
  }
  if (pairs.empty()) throw DataError(origin + ": holds no tensor, so no adapter");
  for (const auto& [module, pair] : pairs) {
    for (const auto& [tensor, name] : {std::pair{pair.lora_A, kLoraA}, std::pair{pair.lora_B, kLoraB}}) {
      if (!tensor.defined()) throw DataError(fmt::format("{}: '{}' has no tensor '{}.{}'", origin, module, module, name));
      if (tensor.dim() == 0 || tensor.numel() == 0) throw DataError(fmt::format("{}: '{}.{}' is empty", origin, module, name));
    }
    if (pair.alpha.defined() && pair.alpha.numel() != 1) {
      throw DataError(fmt::format("{}: '{}.alpha' has {} numbers; it is one", origin, module, pair.alpha.numel()));
    }
  }
  return pairs;
}

// PEFT's LoraConfig of a component, as diffusers writes it into the metadata.
class Config {
 public:
  Config(const Value& all, const std::string& component, const std::string& origin) : origin_(origin) {
    for (const auto& [name, value] : all.as_map()) {
      if (name.starts_with(component + ".")) fields_[name.substr(component.size() + 1)] = value;
    }
    for (const char* name : {"use_dora", "lora_bias", "fan_in_fan_out"}) {
      if (flag(name)) throw DataError(fmt::format("{}: metadata: {} = true is not supported", origin_, name));
    }
  }

  // alpha / rank, or with use_rslora alpha / sqrt(rank).
  double scale(const std::string& module, std::int64_t rank) const {
    if (fields_.empty()) return 1.0;
    const auto size = static_cast<double>(rank);
    return alpha(module) / (flag("use_rslora") ? std::sqrt(size) : size);
  }

 private:
  bool flag(const char* name) const {
    const auto found = fields_.find(name);
    return found != fields_.end() && found->second.is_bool() && found->second.as_bool();
  }

  // The first entry of alpha_pattern that is the module's whole name, "^name", or ends it, "name"; otherwise lora_alpha.
  double alpha(const std::string& module) const {
    const auto patterns = fields_.find("alpha_pattern");
    if (patterns != fields_.end() && patterns->second.is_map()) {
      for (const auto& [pattern, value] : patterns->second.as_map()) {
        const bool whole = pattern.starts_with("^");
        const auto name = pattern.substr(whole ? 1 : 0);
        if (name.find_first_of("^$*+?()[]{}|\\") != std::string::npos) {
          throw DataError(
              fmt::format("{}: metadata: alpha_pattern '{}' is a regular expression; only names of modules are read", origin_, pattern));
        }
        if (whole ? module == name : ("." + module).ends_with("." + name)) return number("alpha_pattern '" + pattern + "'", value);
      }
    }
    const auto found = fields_.find("lora_alpha");
    if (found == fields_.end()) throw DataError(origin_ + ": metadata: lora_alpha is missing");
    return number("lora_alpha", found->second);
  }

  double number(const std::string& name, const Value& value) const {
    if (value.is_number() && std::isfinite(value.as_number())) return value.as_number();
    throw DataError(fmt::format("{}: metadata: {} is {}, no number", origin_, name, to_json(value)));
  }

  std::map<std::string, Value> fields_;
  const std::string& origin_;
};

double alpha_of(const Pair& pair) { return pair.alpha.to(at::kDouble).item<double>(); }

}  // namespace

Weights read_adapter(const fs::path& path) {
  const auto origin = path.string();
  if (const auto other = other_weights_beside(path); !other.empty()) throw DataError(origin + ": is missing, but " + other);
  const auto bytes = read_file(path);
  const auto pairs = pairs_of(parse_safetensors(bytes, origin), origin);
  const auto metadata = safetensors_metadata(bytes, origin);
  const auto text = metadata.find(kMetadata);
  const auto config = text == metadata.end() ? Value(Value::Map{}) : parse_json(text->second, origin + ": metadata");
  if (!config.is_map()) throw DataError(origin + ": metadata: " + kMetadata + " is no JSON object");
  Weights weights;
  for (const auto& [module, pair] : pairs) {
    const auto rank = pair.lora_A.size(0);
    auto scale = Config(config, module.substr(0, module.find('.')), origin).scale(module.substr(module.find('.') + 1), rank);
    if (pair.alpha.defined()) {
      if (text != metadata.end()) throw DataError(fmt::format("{}: '{}' has an alpha, and the metadata another", origin, module));
      scale = alpha_of(pair) / static_cast<double>(rank);
    }
    weights.emplace(fmt::format("{}.{}", module, kLoraA), pair.lora_A.to(at::kFloat));
    weights.emplace(fmt::format("{}.{}", module, kLoraB), pair.lora_B.to(at::kFloat) * scale);
  }
  return weights;
}

std::string format_adapter(const Weights& weights) { return format_safetensors(network::adapter_of(weights)); }

}  // namespace espalier::modelfile
