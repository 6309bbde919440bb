#include "runtime/training/training_loop.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/isfinite.h>
#include <fmt/format.h>

#include <cmath>

#include "runtime/base/errors.h"

namespace espalier::training {
namespace {

constexpr const char* kSince = "steps_since_point";  // in a checkpoint's state

// One training run's moving parts.
class Loop {
 public:
  Loop(const TrainerInput& input, const NamedParameters& parameters, const LoopSettings& settings, Objective& objective)
      : input_(input),
        parameters_(parameters),
        settings_(settings),
        objective_(objective),
        optimizer_(parameters, settings.optimization.adamw) {}

  void run() {
    resume();
    while (step_ < settings_.max_train_steps) {
      take_step();
      if (step_ == settings_.max_train_steps) break;
      const bool stopping = input_.stop.stop_requested();  // asked once: what is thrown below was saved
      if (stopping || step_ % settings_.checkpointing_steps == 0) save();
      if (stopping) throw Stopped(at_step() + " saved");
    }
    check_finite();
  }

 private:
  std::string at_step() const { return fmt::format("{}: step {}", settings_.name, step_); }

  void resume() {
    const auto checkpoint = input_.checkpoints.newest();
    input_.progress.begin("training", settings_.max_train_steps, "step", checkpoint ? checkpoint->step : 0);
    if (!checkpoint) return;
    const at::NoGradGuard no_grad;
    for (const auto& [name, tensor] : parameters_) tensor.copy_(checkpoint->tensors.at("model").at(name));
    optimizer_.load(checkpoint->tensors.at("optimizer"));
    objective_.load(*checkpoint);
    step_ = checkpoint->step;
    const auto* since = checkpoint->state.find(kSince);
    since_ = since ? since->as_integer() : step_ % settings_.logging_steps;
  }

  void save() const {
    Checkpoint checkpoint;
    checkpoint.step = step_;
    for (const auto& [name, tensor] : parameters_) checkpoint.tensors["model"].emplace(name, tensor.detach().clone());
    checkpoint.tensors["optimizer"] = optimizer_.state();
    objective_.save(checkpoint);
    checkpoint.state[kSince] = since_;  // the run that goes on may log at other steps
    input_.checkpoints.save(checkpoint);
  }

  void take_step() {
    objective_.add_gradients(step_);
    const auto& optimization = settings_.optimization;
    if (optimization.max_grad_norm > 0) optimizer_.clip_gradients(optimization.max_grad_norm);
    const double rate = optimization.learning_rate(step_, settings_.max_train_steps);
    optimizer_.step(rate);
    objective_.after_step(step_);
    ++step_;
    ++since_;
    if (step_ % settings_.logging_steps == 0 || step_ == settings_.max_train_steps) log(rate);
    input_.progress.advance(1);
  }

  void log(double rate) {
    const auto values = objective_.curve_values({step_, since_, rate});
    since_ = 0;
    if (!std::isfinite(values.front().second)) {
      throw StageError(at_step() + ": the loss is not finite; lower learning_rate or set max_grad_norm");
    }
    for (const auto& [name, value] : values) input_.curves.scalar(name, step_, value);
  }

  // The last step's loss is that of the weights before it.
  void check_finite() const {
    const at::NoGradGuard no_grad;
    for (const auto& [name, tensor] : parameters_) {
      if (!at::isfinite(tensor).all().item<bool>()) {
        throw StageError(fmt::format("{}: the weights of '{}' are not finite; lower learning_rate or set max_grad_norm", at_step(), name));
      }
    }
  }

  const TrainerInput& input_;
  const NamedParameters& parameters_;
  const LoopSettings& settings_;
  Objective& objective_;
  training::AdamW optimizer_;
  std::int64_t step_ = 0;   // optimizer steps taken
  std::int64_t since_ = 0;  // of them, those since the last point of the curves
};

}  // namespace

NamedParameters trainable_copies(const Weights& weights, at::Device device) {
  NamedParameters parameters;
  for (const auto& [name, tensor] : weights) {
    auto own = tensor.detach().to(device).clone();
    own.requires_grad_();
    parameters.emplace_back(name, own);
  }
  return parameters;
}

void train(const TrainerInput& input, const NamedParameters& parameters, const LoopSettings& settings, Objective& objective) {
  Loop(input, parameters, settings, objective).run();
}

}  // namespace espalier::training
