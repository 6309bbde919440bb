#include "runtime/training/lora.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "runtime/base/errors.h"
#include "runtime/base/suggest.h"

namespace espalier::training {
namespace {

bool matches(const std::string& module, const std::string& target) { return ("." + module).ends_with("." + target); }

bool is_of(const std::string& module, const std::vector<std::string>& components) {
  return std::ranges::any_of(components, [&](const auto& component) { return module.starts_with(component + "."); });
}

// How modules may be named as targets: the last part of their names, with the one before where it is a number ("to_out.0").
std::vector<std::string> endings(const std::vector<std::string>& modules) {
  std::set<std::string> names;
  for (const auto& module : modules) {
    auto start = module.rfind('.') + 1;
    if (start > 1 && module.find_first_not_of("0123456789", start) == std::string::npos) start = module.rfind('.', start - 2) + 1;
    names.insert(module.substr(start));
  }
  return {names.begin(), names.end()};
}

}  // namespace

void LoraOptions::options(Schema& schema) {
  schema.integer("rank", rank, "Train an adapter of this rank (LoRA) and leave the weights as they are; 0: train the weights.")
      .at_least(0)
      .at_most(65536)
      .unkeyed_default();
  schema.number("lora_alpha", lora_alpha, "The adapter is scaled by lora_alpha / rank; 0: by 1, as with lora_alpha = rank.")
      .at_least(0)
      .unkeyed_default([this] { return lora_alpha == static_cast<double>(rank); });
  schema
      .strings("target_modules", target_modules,
               "Modules that get an adapter: ends of their names (\"to_q\", \"to_out.0\", \"conv1\") of matrices or convolutions.")
      .unkeyed_default();
  schema
      .choice("init_lora_weights", init_lora_weights, {"gaussian", "true"},
              "How lora_A begins: normal with the deviation 1 / rank, or uniform in +-1 / sqrt(fan_in) (true). lora_B begins at 0.")
      .unkeyed_default();
  schema.flag("use_rslora", use_rslora, "Scale the adapter by lora_alpha / sqrt(rank) instead.").unkeyed_default();
}

void LoraOptions::check(const std::string& who) const {
  const LoraOptions usual;
  const auto refuse = [&](const char* option, bool is_set) {
    if (is_set) throw ConfigError(fmt::format("{}: {} is set, but rank is 0, which trains no adapter; set rank, 4 say", who, option));
  };
  if (!enabled()) {
    refuse("lora_alpha", lora_alpha != usual.lora_alpha);
    refuse("target_modules", target_modules != usual.target_modules);
    refuse("init_lora_weights", init_lora_weights != usual.init_lora_weights);
    refuse("use_rslora", use_rslora);
  }
  if (target_modules.empty()) throw ConfigError(who + ": target_modules is empty; the usual ones are to_q, to_k, to_v, to_out.0");
}

double LoraOptions::scale() const {
  const auto r = static_cast<double>(rank);
  return (lora_alpha > 0 ? lora_alpha : r) / (use_rslora ? std::sqrt(r) : r);
}

std::vector<std::string> LoraOptions::targets(const std::string& who, const std::vector<std::string>& modules,
                                              const std::vector<std::string>& components) const {
  for (const auto& component : components) {
    if (!component.starts_with("text_encoder")) continue;
    throw ConfigError(
        fmt::format("{}: train_components names '{}', but adapters of text encoders are not trained; with rank name the "
                    "denoising network alone",
                    who, component));
  }
  std::vector<std::string> of_components;
  for (const auto& module : modules) {
    if (is_of(module, components)) of_components.push_back(module);
  }
  for (const auto& target : target_modules) {
    if (std::ranges::any_of(of_components, [&](const auto& module) { return matches(module, target); })) continue;
    throw ConfigError(
        fmt::format("{}: target_modules names '{}', but the model has no such module in {}; its matrices and convolutions are: {}", who,
                    target, fmt::join(components, ", "), fmt::join(endings(of_components), ", ")));
  }
  std::erase_if(of_components, [&](const auto& module) {
    return std::ranges::none_of(target_modules, [&](const auto& target) { return matches(module, target); });
  });
  return of_components;
}

void LoraOptions::plan(const std::string& who, const std::vector<std::string>& components, ModelInfo& info) const {
  if (!enabled()) {
    if (info.adapter.empty()) return;
    throw ConfigError(
        fmt::format("{}: the model has an adapter, and without rank the weights below it would be trained; set the adapter's "
                    "rank, or start from its base",
                    who));
  }
  if (!info.modules.empty()) targets(who, info.modules, components);
  info.base = info.without_adapter();
  info.adapter = "not made yet";
}

}  // namespace espalier::training
