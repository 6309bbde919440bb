#include "runtime/exec/context.h"

#include <ATen/Parallel.h>

#include <atomic>
#include <mutex>
#include <thread>

#include "runtime/base/errors.h"
#include "runtime/base/floating_point.h"
#include "runtime/exec/cores.h"

namespace espalier::exec {

int Context::threads() const { return options.threads > 0 ? static_cast<int>(options.threads) : usable_cores(); }

int Context::workers() const {
  if (options.workers > 0) return static_cast<int>(options.workers);
  // One GPU is fed by one worker; on the CPU a worker is one thread, so that bits do not depend on the number of cores.
  if (device.is_cuda()) return 1;
  return threads();
}

std::filesystem::path Context::model_folder(const std::string& tag) {
  if (spec.is_folder(tag)) return spec.folder(tag);
  std::vector<cache::Damage> damage;
  const auto folder = store.verified_result("model", results.at(tag).key, &damage);
  if (!folder) throw_set_aside(damage, "the model of stage '" + tag + "'");
  return *folder;
}

std::shared_ptr<const Model> Context::model(const std::string& tag) {
  const auto& planned = results.at(tag).model;
  const auto identity = model_identity(planned);
  if (const auto found = loaded.find(identity); found != loaded.end()) return found->second;
  auto model = std::make_shared<Model>(spec.domain->load_model(model_folder(tag)));
  if (model->info.digest != planned.digest) {
    throw StageError("the weights of '" + tag + "' changed while the pipeline ran (found " + model->info.digest.substr(0, 12) +
                     ", planned " + planned.digest.substr(0, 12) + "); run it again");
  }
  for (auto& [name, tensor] : model->weights) tensor = tensor.to(device);
  return loaded.emplace(identity, std::move(model)).first->second;
}

Hex model_identity(const ModelInfo& info) { return digest(info.to_value()); }

void Context::check_stop() const {
  if (stop.stop_requested()) throw Stopped("stopped; what was done is in the cache, and the same command goes on from here");
}

void throw_set_aside(const std::vector<cache::Damage>& damage, const std::string& what) {
  std::string message = what + " is damaged or gone";
  for (const auto& entry : damage) message += "\n  " + entry.path.string() + ": " + entry.what;
  throw SetAside(message);
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
      set_default_floating_point();  // what the last one left, or its library when it was loaded, changes no number of this one
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
