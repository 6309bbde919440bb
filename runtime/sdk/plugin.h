#pragma once

// What a plugin includes. It brings at::Tensor with its methods and its operators (x + y). Of LibTorch a plugin includes itself what else
// it uses: <ATen/ops/softmax.h> for at::softmax() and so on for each function, <ATen/core/grad_mode.h> for at::NoGradGuard,
// <ATen/TensorIndexing.h> for Slice.
#include <ATen/TensorOperators.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "runtime/network/registry.h"
#include "runtime/sdk/domain.h"
#include "runtime/sdk/filter.h"
#include "runtime/sdk/metric.h"
#include "runtime/sdk/noise_corrector.h"
#include "runtime/sdk/reward.h"
#include "runtime/sdk/sampler.h"
#include "runtime/sdk/stamp.h"
#include "runtime/sdk/trainer.h"

namespace espalier {

// What a library offers: one plugin of a kind. `name` is unique within a kind; pipelines call it "<kind>.<name>".
struct PluginEntry {
  std::string kind;  // "domain", "sampler", "reward", "filter", "trainer", "noise_corrector", "metric"
  std::string name;
  std::int64_t numerics_version = 1;  // raised whenever its numbers change; enters keys
  std::string doc;
  std::function<std::unique_ptr<Plugin>()> make;
  std::string library;  // filled in by the host
};

// Handed to a library's entry function.
class Registrar {
 public:
  template <class T>
  void domain(std::string name, std::int64_t numerics_version, std::string doc) {
    add({"domain", std::move(name), numerics_version, std::move(doc), make<T, Domain>(), ""});
  }
  template <class T>
  void sampler(std::string name, std::int64_t numerics_version, std::string doc) {
    add({"sampler", std::move(name), numerics_version, std::move(doc), make<T, Sampler>(), ""});
  }
  template <class T>
  void reward(std::string name, std::int64_t numerics_version, std::string doc) {
    add({"reward", std::move(name), numerics_version, std::move(doc), make<T, Reward>(), ""});
  }
  template <class T>
  void filter(std::string name, std::int64_t numerics_version, std::string doc) {
    add({"filter", std::move(name), numerics_version, std::move(doc), make<T, Filter>(), ""});
  }
  template <class T>
  void trainer(std::string name, std::int64_t numerics_version, std::string doc) {
    add({"trainer", std::move(name), numerics_version, std::move(doc), make<T, Trainer>(), ""});
  }
  template <class T>
  void noise_corrector(std::string name, std::int64_t numerics_version, std::string doc) {
    add({"noise_corrector", std::move(name), numerics_version, std::move(doc), make<T, NoiseCorrector>(), ""});
  }
  template <class T>
  void metric(std::string name, std::int64_t numerics_version, std::string doc) {
    add({"metric", std::move(name), numerics_version, std::move(doc), make<T, Metric>(), ""});
  }

  // A denoising network: models with this `_class_name` in <component>/config.json are opened by it. `make` throws DataError naming the
  // origin and the key where the config is wrong. `numerics_version` is raised whenever the network's numbers change.
  void network(std::string class_name, const std::string& component,
               std::function<std::shared_ptr<const Network>(const Value& config, const std::string& origin)> make,
               std::int64_t numerics_version = 1) {
    auto make_of_configs = [component, make = std::move(make)](const network::ComponentConfigs& configs, const network::NetworkSettings&) {
      const auto& own = configs.at(component);
      return make(own.config, own.origin);
    };
    network({std::move(class_name), component, {}, std::move(make_of_configs), "", numerics_version});
  }
  // One that is made of other components too, such as a text encoder.
  void network(network::NetworkEntry entry) { networks_.push_back(std::move(entry)); }

  const std::vector<PluginEntry>& entries() const { return entries_; }
  const std::vector<network::NetworkEntry>& networks() const { return networks_; }

 private:
  template <class T, class Base>
  static std::function<std::unique_ptr<Plugin>()> make() {
    static_assert(std::is_base_of_v<Base, T>, "the plugin does not implement the interface of its kind");
    return [] { return std::make_unique<T>(); };
  }
  void add(PluginEntry entry) { entries_.push_back(std::move(entry)); }
  std::vector<PluginEntry> entries_;
  std::vector<network::NetworkEntry> networks_;
};

}  // namespace espalier

// The library's one entry. Also writes the stamp that the host compares before it loads the library.
#define ESPALIER_PLUGIN(registrar) \
  ESPALIER_PLUGIN_STAMP            \
  extern "C" __attribute__((visibility("default"))) void espalier_register(::espalier::Registrar& registrar)  // NOLINT(bugprone-*)
