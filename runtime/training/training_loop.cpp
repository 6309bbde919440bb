#include "runtime/training/training_loop.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <fmt/format.h>

#include <cmath>
#include <numeric>
#include <optional>

#include "runtime/base/errors.h"
#include "runtime/network/adapter.h"
#include "runtime/network/checkpointing.h"
#include "runtime/training/gradient_scaler.h"

namespace espalier::training {
namespace {

constexpr const char* kSince = "steps_since_point";  // in a checkpoint's state
constexpr const char* kScaler = "gradient_scaler";   // likewise
constexpr const char* kOptimizer = "optimizer.";     // begins names in a state that is handed on

// One training run's moving parts.
class Loop {
 public:
  Loop(const TrainerInput& input, const std::string& who, const NamedParameters& parameters, const LoopOptions& options,
       Objective& objective, const Communicator& communicator)
      : input_(input),
        who_(who),
        parameters_(parameters),
        options_(options),
        objective_(objective),
        communicator_(communicator),
        curves_(objective.curves()),
        optimizer_(parameters, options.adamw),
        scaler_(input.model.info.dtype == at::kHalf),
        sums_(at::zeros({static_cast<std::int64_t>(curves_.size())}, at::kFloat).to(input.context.device)) {
    if (options.use_ema) ema_.emplace(parameters, options.ema_decay);
  }

  Trained run() {
    begin();
    while (step_ < options_.max_train_steps) {
      take_step();
      if (step_ == options_.max_train_steps) break;
      const bool stopping = input_.context.stop_requested();  // read once, so that Stopped is thrown only after save()
      if (stopping || step_ % options_.checkpointing_steps == 0) save();
      if (stopping) throw Stopped(at_step() + " saved");
    }
    check_finite();
    if (input_.context.progress) input_.context.progress->end();
    return trained();
  }

 private:
  std::string at_step() const { return fmt::format("{}: step {}", who_, step_); }

  void begin() {
    const auto checkpoint = input_.checkpoints.newest();
    if (input_.context.progress) {
      input_.context.progress->begin("training", options_.max_train_steps, "step", checkpoint ? checkpoint->step : 0);
    }
    const at::NoGradGuard no_grad;
    if (checkpoint) {
      load(*checkpoint);
    } else if (options_.keep_state && input_.state) {
      TensorMap moments;
      for (const auto& [name, tensor] : *input_.state) {
        if (name.rfind(kOptimizer, 0) == 0) moments.emplace(name.substr(std::string(kOptimizer).size()), tensor);
      }
      if (!moments.empty()) optimizer_.load(moments);
    }
  }

  void load(const Checkpoint& checkpoint) {
    for (const auto& [name, tensor] : parameters_) tensor.copy_(checkpoint.tensors.at("model").at(name));
    optimizer_.load(checkpoint.tensors.at("optimizer"));
    if (ema_) ema_->load(checkpoint.tensors.at("ema"));
    sums_.copy_(checkpoint.tensors.at("curves").at("sums"));
    objective_.load(checkpoint);
    if (const auto* scaler = checkpoint.state.find(kScaler)) scaler_.load(*scaler);
    step_ = checkpoint.step;
    const auto* since = checkpoint.state.find(kSince);
    since_ = since ? since->as_integer() : step_ % options_.logging_steps;
  }

  void save() const {
    if (communicator_.rank() != 0) return;
    Checkpoint checkpoint;
    checkpoint.step = step_;
    for (const auto& [name, tensor] : parameters_) checkpoint.tensors["model"].emplace(name, tensor.detach().clone());
    checkpoint.tensors["optimizer"] = optimizer_.state();
    if (ema_) checkpoint.tensors["ema"] = ema_->averaged();
    checkpoint.tensors["curves"].emplace("sums", sums_);
    objective_.save(checkpoint);
    if (scaler_.enabled()) checkpoint.state[kScaler] = scaler_.state();
    checkpoint.state[kSince] = since_;  // the run that goes on may log at other steps
    input_.checkpoints.save(checkpoint);
  }

  void take_step() {
    for (std::int64_t part = 0; part < options_.gradient_accumulation_steps; ++part) add_gradients(part);
    reduce_gradients();
    const double rate = options_.learning_rate(step_);
    if (scaler_.unscale(parameters_)) {
      if (options_.max_grad_norm > 0) optimizer_.clip_gradients(options_.max_grad_norm);
      optimizer_.step(rate);
      if (ema_) ema_->update(parameters_, step_);
    }
    ++step_;
    ++since_;
    if (step_ % options_.logging_steps == 0 || step_ == options_.max_train_steps) log(rate);
    if (input_.context.progress) input_.context.progress->advance(1);
  }

  void add_gradients(std::int64_t part) {
    const network::GradientCheckpointing checkpointing(options_.gradient_checkpointing);
    const auto parts = options_.gradient_accumulation_steps;
    const auto values = objective_.values((step_ * parts + part) * communicator_.size() + communicator_.rank());
    const auto share = static_cast<double>(parts);
    (values.front() / share * scaler_.scale()).backward();
    for (std::size_t i = 0; i < curves_.size(); ++i) sums_[static_cast<std::int64_t>(i)] += values.at(i).detach() / share;
  }

  void reduce_gradients() {
    if (communicator_.size() == 1) return;
    std::vector<at::Tensor> gradients;
    for (const auto& [name, parameter] : parameters_) {
      if (parameter.grad().defined()) gradients.push_back(parameter.grad());
    }
    communicator_.all_reduce_mean(gradients);
  }

  void log(double rate) {
    communicator_.all_reduce_mean({sums_});
    const auto sums = sums_.to(at::kCPU);
    const auto mean = [&](std::size_t i) { return sums[static_cast<std::int64_t>(i)].item<double>() / static_cast<double>(since_); };
    if (!std::isfinite(mean(0))) {
      throw StageError(at_step() + ": the loss is not finite; lower learning_rate or set max_grad_norm");
    }
    if (communicator_.rank() == 0) {
      for (std::size_t i = 0; i < curves_.size(); ++i) input_.curves.scalar(curves_[i], step_, mean(i));
      input_.curves.scalar("learning_rate", step_, rate);
    }
    sums_ = at::zeros_like(sums_);
    since_ = 0;
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

  Trained trained() const {
    Trained trained;
    for (const auto& [name, tensor] : parameters_) trained.weights.emplace(name, ema_ ? ema_->averaged().at(name) : tensor.detach());
    if (!options_.keep_state) return trained;
    for (const auto& [name, tensor] : optimizer_.state()) trained.state.emplace(kOptimizer + name, tensor);
    return trained;
  }

  const TrainerInput& input_;
  const std::string& who_;
  const NamedParameters& parameters_;
  const LoopOptions& options_;
  Objective& objective_;
  const Communicator& communicator_;
  std::vector<std::string> curves_;
  AdamW optimizer_;
  GradientScaler scaler_;
  std::optional<Ema> ema_;
  at::Tensor sums_;         // [curves], of the batches since the last point
  std::int64_t step_ = 0;   // optimizer steps taken
  std::int64_t since_ = 0;  // of them, those since the last point of the curves
};

}  // namespace

at::Tensor trainable_copy(const at::Tensor& weight, at::Device device) {
  const auto dtype = at::isReducedFloatingType(weight.scalar_type()) ? at::kFloat : weight.scalar_type();
  auto own = weight.detach().to(device, dtype, /*non_blocking=*/false, /*copy=*/true);
  own.requires_grad_();
  return own;
}

NamedParameters trainable_copies(const Weights& weights, at::Device device) {
  if (network::has_adapter(weights)) {
    throw ConfigError(
        "the model has an adapter, and this trainer trains the weights below it, which the adapter then no longer fits; start "
        "from the adapter's base");
  }
  NamedParameters parameters;
  for (const auto& [name, tensor] : weights) parameters.emplace_back(name, trainable_copy(tensor, device));
  return parameters;
}

std::vector<std::uint64_t> stream_positions(std::int64_t batch, std::int64_t size) {
  std::vector<std::uint64_t> positions(static_cast<std::size_t>(size));
  std::iota(positions.begin(), positions.end(), static_cast<std::uint64_t>(batch) * static_cast<std::uint64_t>(size));
  return positions;
}

std::vector<std::int64_t> shuffled_rows(const std::vector<std::uint64_t>& positions, std::uint64_t size, const random::StreamKey& order) {
  std::vector<std::int64_t> rows;
  rows.reserve(positions.size());
  for (const auto position : positions) {
    rows.push_back(static_cast<std::int64_t>(random::shuffled_index(order, position / size, size, position % size)));
  }
  return rows;
}

Trained train(const TrainerInput& input, const std::string& who, const NamedParameters& parameters, const LoopOptions& options,
              Objective& objective, const Communicator& communicator) {
  return Loop(input, who, parameters, options, objective, communicator).run();
}

}  // namespace espalier::training
