// Reward-weighted fine-tuning: each selected sample is trained on with the weight softmax(score / temperature).
#include <ATen/ops/softmax.h>
#include <ATen/ops/tensor.h>

#include "runtime/base/errors.h"
#include "runtime/random/streams.h"
#include "runtime/sdk/plugin.h"
#include "runtime/training/training_loop.h"

namespace {

using namespace espalier;

class WeightedSft final : public Trainer {
 public:
  void inputs(Inputs& in) override { in.selection("selection", "The samples to train on.").records(Step()); }
  void options(Schema& schema) override {
    schema.number("temperature", temperature_, "A sample's weight is proportional to exp(score / temperature).").above(0);
    loop_.options(schema);
  }
  std::int64_t max_train_steps() const override { return loop_.max_train_steps; }

  TrainedModel train(const TrainerInput& input) const override {
    if (input.selection->view.size() == 0) throw StageError("trainer.weighted_sft: the selection is empty; loosen the filter");
    Run run(*this, input);
    auto trained = training::train(input, "trainer.weighted_sft", run.parameters, loop_, run);
    Model model = input.model;
    model.weights = std::move(trained.weights);
    model.info.digest = digest_weights(model.weights);
    return {std::move(model), std::move(trained.state)};
  }

 private:
  struct Run final : training::Objective {
    const TrainerInput& input;
    std::int64_t batch_size;
    State samples;
    TensorMap conditions;  // as the model takes them
    at::Tensor weight;     // [K], 1 on average
    training::NamedParameters parameters;
    Weights weights;  // the same tensors

    Run(const WeightedSft& options, const TrainerInput& in) : input(in), batch_size(options.loop_.train_batch_size) {
      const auto& view = input.selection->view;
      samples = view.states(0, view.all());
      conditions = encode_conditions(view.conditions(view.all()), input.model).tensors;
      const auto score = at::tensor(input.selection->score, at::kDouble);
      weight = (at::softmax(score / options.temperature_, 0) * static_cast<double>(score.numel())).to(at::kFloat);
      parameters = training::trainable_copies(input.model.weights, input.context.device);
      weights.insert(parameters.begin(), parameters.end());
    }

    // Which samples a batch has and their noise are functions of (seed, batch).
    std::vector<at::Tensor> values(std::int64_t batch) override {
      const auto positions = training::stream_positions(batch, batch_size);
      const auto rows =
          training::shuffled_rows(positions, static_cast<std::uint64_t>(weight.numel()), random::streams::training_order(input.seed));
      const auto index = at::tensor(rows, at::kLong);
      const auto chosen = [&](const at::Tensor& all) { return all.index_select(0, index).to(input.context.device); };
      diffusion::TrainingBatch noised;
      for (const auto& [name, tensor] : samples) noised.start.emplace(name, chosen(tensor));
      TensorMap condition;
      for (const auto& [name, tensor] : conditions) condition.emplace(name, chosen(tensor));
      const auto embedded = input.model.network->embed(weights, condition);
      const auto predict = [&](const State& x, const at::Tensor& t) { return input.model.network->predict(weights, x, t, embedded); };
      random::Draws draws(random::streams::training_noise(input.seed), positions);
      return {(input.model.process->loss(predict, noised, draws) * chosen(weight)).mean()};
    }
  };

  double temperature_ = 1.0;
  training::LoopOptions loop_;
};

}  // namespace

ESPALIER_PLUGIN(plugin) {
  plugin.trainer<WeightedSft>("weighted_sft", 1, "Fine-tunes on samples weighted by softmax(score / temperature).");
}
