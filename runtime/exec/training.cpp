// Training: one stage in one process, checkpointed, its model published whole.
#include <ATen/Parallel.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/tensor.h>

#include <thread>

#include "runtime/base/errors.h"
#include "runtime/base/files.h"
#include "runtime/cache/workspace.h"
#include "runtime/exec/context.h"
#include "runtime/exec/device.h"
#include "runtime/exec/journal.h"
#include "runtime/plan/predict_result.h"
#include "runtime/sdk/check.h"

namespace espalier::exec {
namespace {

class CachedSelection final : public SelectionData {
 public:
  CachedSelection(Context& context, const plan::Result& selection, Conditions conditions)
      : context_(context),
        result_(selection),
        selection_(read_selection(context, selection)),
        conditions_(std::move(conditions)),
        block_size_(context.spec.find(selection.samples)->sampler.block_size) {}

  std::int64_t size() const override { return static_cast<std::int64_t>(selection_.index.size()); }
  const diffusion::Grid& grid() const override { return result_.grid; }

  SelectedStates states(std::int64_t steps_remaining) const override {
    SelectedStates states;
    states.weight = selection_.weight;
    std::vector<std::int64_t> conditions;
    std::map<std::string, std::vector<at::Tensor>> parts;
    std::size_t i = 0;
    while (i < selection_.index.size()) {
      const auto number = selection_.index[i] / block_size_;
      std::vector<std::int64_t> rows;
      for (; i < selection_.index.size() && selection_.index[i] / block_size_ == number; ++i)
        rows.push_back(selection_.index[i] % block_size_);
      const auto block = read_steps(context_, result_, static_cast<std::uint64_t>(number), {steps_remaining});
      const auto& recorded = block.steps.front();
      states.reached = {recorded.alpha, recorded.sigma};
      for (const auto& [name, tensor] : recorded.state) parts[name].push_back(tensor.index_select(0, at::tensor(rows, at::kLong)));
      for (const auto row : rows) conditions.push_back(static_cast<std::int64_t>(block.condition[static_cast<std::size_t>(row)]));
    }
    for (auto& [name, tensors] : parts) states.state.emplace(name, at::cat(tensors));
    states.condition = conditions_.rows(conditions);
    for (const auto condition : conditions) states.metadata.push_back(conditions_.metadata.at(static_cast<std::size_t>(condition)));
    return states;
  }

 private:
  Context& context_;
  plan::Result result_;
  Selection selection_;
  Conditions conditions_;
  std::int64_t block_size_;
};

std::unique_ptr<SelectionData> selection_data(Context& context, const config::StageSpec& stage) {
  const auto* input = stage.input("selection");
  if (!input) return nullptr;
  const auto& result = context.results.at(input->tags.front());
  return std::make_unique<CachedSelection>(context, result, context.spec.conditions(*context.spec.find(result.samples)));
}

// Waits for another process that trains the same model.
std::unique_ptr<cache::FolderLock> lock_training(Context& context, const plan::StagePlan& plan) {
  bool told = false;
  for (;;) {
    std::string holder;
    if (auto lock = context.store.lock_training(plan.key, holder)) return lock;
    if (!told) {
      context.progress.say("stage '" + plan.stage->tag + "': another process trains this very model; waiting for " +
                           (holder.empty() ? "it" : holder));
    }
    told = true;
    context.check_stop();
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
  }
}

// A folder of the model that reads back as what keys will be made of.
std::filesystem::path save_trained(Context& context, const Model& trained, const std::string& trainer) {
  const auto& domain = *context.spec.domain;
  auto folder = context.store.new_folder();
  domain.save_model(trained, folder);
  write_durable(folder / "espalier.json", to_json(trained.info.to_value(), 1) + "\n");
  const auto what = difference(trained.info, domain.load_model(folder).info);
  if (what.empty()) return folder;
  throw PluginError(trainer + " gave a model that " + context.spec.domain_type + " reads back as another: " + what +
                    "; Model::info must describe the weights, the network and the process that are saved");
}

}  // namespace

Work compute_model(Context& context, const plan::StagePlan& plan) {
  const auto lock = lock_training(context, plan);
  if (context.store.result("model", plan.key)) return {};  // made while this process waited
  const auto& trainer = plan.stage->plugin.get<Trainer>();
  const auto model = context.model(plan.stage->input("model")->tags.front());
  const auto selection = selection_data(context, *plan.stage);
  at::set_num_threads(context.threads());
  TrainingJournal journal(context.store.checkpoint_folder(plan.key), {plan.key, trainer.max_train_steps()}, context.progress);
  context.progress.say("stage '" + plan.stage->tag + "': training");
  TrainerInput input{*context.spec.domain, *model,      selection.get(), context.spec.seed, context.device, journal, journal,
                     context.progress,     context.stop};
  if (const auto* examples = plan.stage->input("examples")) {
    const auto& noises = context.results.at(examples->tags.front());
    input.examples = recorded_noises(context, examples->tags.front());
    input.corrects = plan::corrects(context.spec, noises, context.results);
  }
  auto trained = trainer.train(input);
  for (auto& [name, tensor] : trained.weights) tensor = tensor.to(at::kCPU);
  const auto* chosen = selection ? &selection->grid() : nullptr;
  check_trained(plan.stage->type, trained, *model, trainer.trained_info(model->info, chosen, input.corrects));
  const auto folder = save_trained(context, trained, plan.stage->type);
  const auto& components = trained.info.components;
  const Value info = Value::Map{{"model", trained.info.to_value()},
                                {"components", Value::List(components.begin(), components.end())},
                                {"curves", curves_value(journal.curves())},
                                {"made_by", plan::maker_of(context.spec, *plan.stage).to_value()},
                                {"training_threads", context.threads()}};
  context.store.publish_result("model", plan.key, plan.request, info, folder);
  context.store.remove_checkpoints(plan.key);
  return {0, 0, journal.earlier_seconds()};
}

}  // namespace espalier::exec
