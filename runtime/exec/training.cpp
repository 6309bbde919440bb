// Training: runs one stage in one process, with checkpoints, and publishes its model as one entry.
#include <ATen/Parallel.h>

#include <thread>

#include "runtime/base/errors.h"
#include "runtime/base/files.h"
#include "runtime/cache/workspace.h"
#include "runtime/exec/context.h"
#include "runtime/exec/journal.h"
#include "runtime/exec/selected.h"
#include "runtime/exec/views.h"
#include "runtime/modelfile/adapter.h"
#include "runtime/modelfile/safetensors.h"
#include "runtime/network/adapter.h"
#include "runtime/plan/predict_result.h"
#include "runtime/sdk/check.h"

namespace espalier::exec {
namespace {

// Waits for another process that trains the same model.
std::unique_ptr<cache::FolderLock> lock_training(Context& context, const plan::StagePlan& plan) {
  bool reported = false;
  for (;;) {
    std::string holder;
    if (auto lock = context.store.lock_training(plan.key, holder)) return lock;
    if (!reported) {
      context.progress.say("stage '" + plan.stage->tag + "': another process trains this very model; waiting for " +
                           (holder.empty() ? "it" : holder));
    }
    reported = true;
    context.check_stop();
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
  }
}

// Saves a model to a new folder. Throws PluginError if the folder reads back as another model, because keys are made of what is read.
// `base`: null unless the model has an adapter.
std::filesystem::path save_trained(Context& context, const Model& trained, const Model* base, const std::string& trainer) {
  auto folder = context.store.new_folder();
  modelfile::save(trained, folder);
  const auto what = difference(trained.info, base ? modelfile::with_adapter(*base, folder).info
                                                  : modelfile::info(folder, context.spec.networks, {.dtype = trained.info.dtype}));
  if (what.empty()) return folder;
  throw PluginError(trainer + " gave a model whose folder reads back as another: " + what +
                    "; Model::info must describe the weights, the network and the process that are saved");
}

constexpr const char* kStateFile = "trainer_state.safetensors";  // in the folder of a model whose trainer returned a state

// Returns the state (TrainedModel::state) that the trainer of the tag's model returned; none for a folder, or if it returned none.
std::optional<TensorMap> trainer_state(Context& context, const std::string& tag) {
  const auto& result = context.results.at(tag);
  if (context.spec.is_folder(tag) || result.trainer_state.empty()) return std::nullopt;
  std::vector<cache::Damage> damage;
  const auto entry = context.store.verified_result("model", result.key, &damage);
  if (!entry) throw_quarantined(damage, "the model of stage '" + tag + "'");
  const auto path = entry->folder / kStateFile;
  auto state = modelfile::parse_safetensors(read_file(path, std::filesystem::file_size(path)), path.string());
  for (auto& [name, tensor] : state) tensor = tensor.to(context.device);
  return state;
}

}  // namespace

Work compute_model(Context& context, const plan::StagePlan& plan) {
  const auto lock = lock_training(context, plan);
  if (context.store.result("model", plan.key)) return {};  // another process made it meanwhile
  const auto& trainer = plan.stage->plugin.get<Trainer>();
  const auto* start = plan.stage->input("model");
  const auto model = start ? context.model(start->tags.front()) : std::make_shared<const Model>();
  const auto selection = selected_trajectories(context, *plan.stage);
  at::set_num_threads(context.threads());
  TrainingJournal journal(context.store.checkpoint_folder(plan.key), {plan.key, trainer.max_train_steps()}, context.progress,
                          [&] { require_unchanged_models(context, *plan.stage); });
  context.progress.say("stage '" + plan.stage->tag + "': training");
  const auto state = start ? trainer_state(context, start->tags.front()) : std::nullopt;
  TrainerInput input{
      *context.spec.domain, *model, selection ? &*selection : nullptr, plan.stage->seed, context.stage_context(), journal, journal};
  input.state = state ? &*state : nullptr;
  if (model->network != nullptr) input.codec = context.spec.codec(model->info, start->tags.front());
  if (const auto* named = plan.stage->input("reference")) input.reference = context.model(named->tags.front());
  std::optional<Findings> profile;
  if (const auto* named = plan.stage->input("profile")) {
    profile = read_findings(context, *context.spec.find(named->tags.front()));
    input.profile = &*profile;
  }
  if (const auto* examples = plan.stage->input("examples")) {
    const auto& noises = context.results.at(examples->tags.front());
    input.examples = recorded_noises(context, examples->tags.front(), *model);
    input.corrects = plan::corrects(context.spec, noises, context.results);
  }
  auto [trained, left] = trainer.train(input);
  const bool adapted = !trained.info.adapter.empty();
  for (auto* tensors : {&trained.weights, &left}) {
    for (auto& [name, tensor] : *tensors) {  // the weights of an adapter's base stay on the device
      if (!adapted || tensors == &left || network::is_adapter_weight(name)) tensor = tensor.detach().to(at::kCPU).contiguous();
    }
  }
  if (!adapted) trained.info.base = model->info.digest;
  if (trained.info.role == kDenoiser) {  // training changes neither
    trained.text = model->text;
    trained.info.text_front = model->info.text_front;
  }
  require_unchanged_models(context, *plan.stage);
  const auto* chosen = selection ? &selection->view.grid() : nullptr;
  check_trained(plan.stage->type, trained, *model, trainer.trained_info(model->info, chosen, input.corrects));
  const auto base = adapted ? context.base_of(start->tags.front()) : nullptr;
  const auto folder = save_trained(context, trained, base.get(), plan.stage->type);
  const auto& components = trained.info.components;
  Value info = Value::Map{{"model", trained.info.to_value()},
                          {"components", Value::List(components.begin(), components.end())},
                          {"curves", curves_value(journal.curves())},
                          {"made_by", plan::maker_of(context.spec, *plan.stage).to_value()},
                          {"training_threads", context.threads()}};
  if (!left.empty()) {
    write_durable(folder / kStateFile, modelfile::format_safetensors(left));
    info["trainer_state"] = digest_weights(left);
  }
  context.store.publish_result("model", plan.key, plan.request, info, folder);
  context.store.remove_checkpoints(plan.key);
  return {.earlier_seconds = journal.earlier_seconds()};
}

}  // namespace espalier::exec
