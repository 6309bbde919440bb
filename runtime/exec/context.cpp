#include "runtime/exec/context.h"

#include <ATen/Parallel.h>

#include <atomic>
#include <mutex>
#include <thread>

#include "runtime/base/errors.h"
#include "runtime/base/floating_point.h"
#include "runtime/exec/cores.h"
#include "runtime/modelfile/adapter.h"

namespace espalier::exec {

int Context::threads() const { return options.threads > 0 ? static_cast<int>(options.threads) : usable_cores(); }

int Context::workers() const {
  if (options.workers > 0) return static_cast<int>(options.workers);
  // One worker suffices for a GPU; on the CPU a worker is one thread, so that bits do not depend on the number of cores.
  if (device.is_cuda()) return 1;
  return threads();
}

namespace {

// Loads a model. Returns in what it differs from the planned one, or why it cannot be loaded; "" if it is the planned one.
std::string load_planned(const std::function<Model()>& load, const ModelInfo& planned, std::shared_ptr<Model>& model) {
  try {
    model = std::make_shared<Model>(load());
  } catch (const DataError& error) {
    return error.what();
  }
  return difference(planned, model->info);
}

std::shared_ptr<Model> load_folder(const std::filesystem::path& folder, const std::string& tag, const ModelInfo& planned,
                                   const std::function<Model()>& load) {
  std::shared_ptr<Model> model;
  const auto what = load_planned(load, planned, model);
  if (what.empty()) return model;
  throw StageError(folder.string() + ": the model '" + tag + "' is not the one that was planned (" + what +
                   "): its files changed while the pipeline ran; leave them as they are, and run it again");
}

std::shared_ptr<Model> load_cached(Context& context, const std::string& tag, const ModelInfo& planned, const Model* base) {
  const auto& key = context.results.at(tag).key;
  std::vector<cache::Damage> damage;
  const auto entry = context.store.verified_result("model", key, &damage);
  if (!entry) throw_quarantined(damage, "the model of stage '" + tag + "'");
  std::shared_ptr<Model> model;
  const auto load = [&] {
    return base ? modelfile::with_adapter(*base, entry->folder)
                : modelfile::load(entry->folder, context.spec.networks, context.spec.load_options(tag));
  };
  const auto what = load_planned(load, planned, model);
  if (what.empty()) return model;
  // Bytes that have changed since are damage. An undamaged entry is not quarantined: it may hold days of training, written by another
  // version of the program, or reading it may have failed.
  if (!context.store.verified_result("model", key, &damage)) throw_quarantined(damage, "the model of stage '" + tag + "'");
  throw StageError(entry->folder.string() + ": the model of stage '" + tag + "' is whole, but reads as another one than was published (" +
                   what + "): was it made by another version of the program? Use that one, or another cache folder");
}

using Loaded = std::shared_ptr<const Model>;

// Returns the model with this info, loaded on the device once per run.
Loaded once(Context& context, const ModelInfo& info, const std::function<std::shared_ptr<Model>()>& load) {
  const auto identity = model_identity(info);
  if (const auto found = context.loaded.find(identity); found != context.loaded.end()) return found->second;
  auto model = load();
  for (auto& [name, tensor] : model->weights) tensor = tensor.to(context.device);
  return context.loaded.emplace(identity, std::move(model)).first->second;
}

Loaded base_model(Context& context, const std::string& tag);

Loaded loaded_model(Context& context, const std::string& tag) {
  const auto& planned = context.results.at(tag).model;
  return once(context, planned, [&] {
    const auto base = planned.adapter.empty() ? nullptr : base_model(context, tag);
    if (!context.spec.is_folder(tag)) return load_cached(context, tag, planned, base.get());
    const auto& entry = context.spec.models.at(tag);
    return load_folder(entry.folder, tag, planned, [&] {
      return base ? modelfile::with_adapter(*base, *entry.adapter)
                  : modelfile::load(entry.folder, context.spec.networks, context.spec.load_options(tag));
    });
  });
}

// Returns the base of a model with an adapter: the folder of [models] without the adapter, or the model that the stage started from.
Loaded base_model(Context& context, const std::string& tag) {
  if (context.results.at(tag).model.adapter.empty()) return loaded_model(context, tag);
  if (!context.spec.is_folder(tag)) return base_model(context, context.spec.find(tag)->input("model")->tags.front());
  const auto& folder = context.spec.models.at(tag).folder;
  auto options = context.spec.load_options(tag);
  options.adapter.reset();
  const auto info = modelfile::info(folder, context.spec.networks, options, context.spec.digests);
  return once(context, info,
              [&] { return load_folder(folder, tag, info, [&] { return modelfile::load(folder, context.spec.networks, options); }); });
}

}  // namespace

std::string difference(const ModelInfo& expected, const ModelInfo& found) {
  const auto planned = expected.to_value(), actual = found.to_value();
  const auto shown = [](const Value* value) { return value == nullptr ? "absent" : to_json(*value).substr(0, 200); };
  for (const auto* fields : {&planned, &actual}) {
    for (const auto& [name, field] : fields->as_map()) {
      const auto *wanted = planned.find(name), *got = actual.find(name);
      if (wanted == nullptr || got == nullptr || *wanted != *got) return name + " is " + shown(got) + ", not " + shown(wanted);
    }
  }
  return "";
}

std::shared_ptr<const Model> Context::model(const std::string& tag) {
  const std::lock_guard lock(loading);
  return loaded_model(*this, tag);
}

std::shared_ptr<const Model> Context::base_of(const std::string& tag) {
  const std::lock_guard lock(loading);
  return base_model(*this, tag);
}

void check_unchanged(const Context& context, const plan::StagePlan& plan) {
  const auto now = plan::request_of(context.spec, *plan.stage, context.results);
  if (digest(now) == plan.key) return;
  std::string what;
  for (const auto& one : differences(plan.request, now)) what += (what.empty() ? "" : ", ") + one.path;
  throw StageError("what its key is made of changed while it ran (" + what +
                   "): leave the files that its options name as they are, and run it again");
}

void require_unchanged_models(Context& context, const config::StageSpec& stage) {
  std::set<Hex> used;
  const auto add = [&](const config::StageSpec& user) {
    for (const auto& input : user.inputs) {
      if (input.info.takes != ResultKind::model) continue;
      for (const auto& tag : input.tags) used.insert(model_identity(context.results.at(tag).model));
    }
  };
  add(stage);
  for (const auto& input : stage.inputs) {  // the models whose codecs decode the stage's samples
    for (const auto& tag : input.tags) {
      const auto& result = context.results.at(tag);
      if (result.codec != nullptr && result.codec->needs_model()) add(*context.spec.find(result.samples));
    }
  }
  const std::lock_guard lock(context.loading);
  for (const auto& identity : used) {
    const auto found = context.loaded.find(identity);
    if (found == context.loaded.end()) continue;
    for (const auto& file : found->second->mapped) file->require_unchanged();
  }
}

Value info_of(const Context& context, const config::StageSpec& stage) {
  const auto* kind = result_name(stage.kind->gives);
  auto found = context.store.result(kind, context.results.at(stage.tag).key);
  if (!found) throw_quarantined({}, "the " + std::string(kind) + " of stage '" + stage.tag + "'");
  return std::move(found->info);
}

Hex model_identity(const ModelInfo& info) { return digest(info.to_value()); }

void Context::check_stop() const {
  if (stop.stop_requested()) throw Stopped("stopped; what was done is in the cache, and the same command goes on from here");
}

void throw_quarantined(const std::vector<cache::Damage>& damage, const std::string& what) {
  std::string message = what + " is damaged or gone";
  for (const auto& entry : damage) message += "\n  " + entry.path.string() + ": " + entry.what;
  throw Quarantined(message);
}

void default_floating_point_of_all_threads() {
  set_default_floating_point();
  at::parallel_for(0, at::get_num_threads(), 1, [](std::int64_t, std::int64_t) { set_default_floating_point(); });
}

void for_each_parallel(std::size_t count, int workers, const std::function<void(std::size_t)>& work) {
  std::atomic<std::size_t> next{0};
  std::atomic<bool> failed{false};
  std::exception_ptr first;
  std::mutex mutex;
  const auto loop = [&] {
    at::set_num_threads(1);
    for (std::size_t i = next++; i < count && !failed; i = next++) {
      set_default_floating_point();  // an earlier call, or a library that it loaded, may have changed the environment
      try {
        work(i);
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (!first) first = std::current_exception();
        failed = true;
      }
    }
  };
  std::vector<std::jthread> threads;
  for (int i = 0; i < std::min<int>(workers, static_cast<int>(count)); ++i) threads.emplace_back(loop);
  threads.clear();
  if (first) std::rethrow_exception(first);
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace espalier::exec
