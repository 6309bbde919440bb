#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

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

  const std::vector<PluginEntry>& entries() const { return entries_; }

 private:
  template <class T, class Base>
  static std::function<std::unique_ptr<Plugin>()> make() {
    static_assert(std::is_base_of_v<Base, T>, "the plugin does not implement the interface of its kind");
    return [] { return std::make_unique<T>(); };
  }
  void add(PluginEntry entry) { entries_.push_back(std::move(entry)); }
  std::vector<PluginEntry> entries_;
};

}  // namespace espalier

// The library's one entry. Also writes the stamp that the host compares before it loads the library.
#define ESPALIER_PLUGIN(registrar) \
  ESPALIER_PLUGIN_STAMP            \
  extern "C" __attribute__((visibility("default"))) void espalier_register(::espalier::Registrar& registrar)  // NOLINT(bugprone-*)
