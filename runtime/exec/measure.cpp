// Measures what a stage costs on this machine.
#include "runtime/exec/measure.h"

#include <c10/core/InferenceMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "runtime/base/memory.h"
#include "runtime/base/progress.h"
#include "runtime/diffusion/variance_preserving.h"
#include "runtime/exec/conditioning.h"
#include "runtime/plan/trajectory_source.h"
#include "runtime/sampling/guided_model.h"
#include "runtime/tensor/spec.h"

namespace espalier::exec {
namespace {

constexpr double kRepeatedFor = 0.5;              // seconds
constexpr double kCostlyFlops = 1e11;             // of one forward pass: about a second of one thread
constexpr std::int64_t kCostlyLatents = 1 << 14;  // bytes of a sample's latents: 256 x 256 pixels of Stable Diffusion

// Returns the seconds of one call, or the mean of many calls if it is cheap and `repeat` is set.
double seconds_of(bool repeat, const std::function<void()>& work) {
  auto start = std::chrono::steady_clock::now();
  work();
  const auto first = seconds_since(start);
  if (!repeat || first > kRepeatedFor) return first;
  start = std::chrono::steady_clock::now();
  std::int64_t calls = 0;
  do {
    work();
    ++calls;
  } while (seconds_since(start) < kRepeatedFor);
  return seconds_since(start) / static_cast<double>(calls);
}

StageProbe::Model described(const std::string& name, const sampling::NoiseResponse& response, diffusion::Prediction named) {
  StageProbe::Model model{name, response, "", sampling::contradicts(response, named)};
  const auto shown = sampling::shown_prediction(response);
  model.text = fmt::format("the slope of its prediction on x_t at t = {} is {:.2f}", response.timestep, response.slope);
  if (shown.empty()) {
    model.text += ", which does not show what it predicts";
  } else {
    model.text += fmt::format(": it predicts {}, {} prediction_type = \"{}\"", shown, model.contradicts ? "but its scheduler says" : "as",
                              diffusion::prediction_name(named));
  }
  return model;
}

// Seconds to decode one sample.
double decoding(Context& context, const plan::Result& trajectories, bool repeat) {
  const auto model = context.model(context.spec.find(trajectories.samples)->input("model")->tags.front());
  const auto state = tensor::zeros(trajectories.codec->spec(), 1, context.device);
  return seconds_of(repeat, [&] { trajectories.codec->decode(state, {model.get(), context.device}); });
}

// The rows of the stage's largest forward pass, of which guidance has two per trajectory; noise_response() needs two.
std::int64_t rows_of_pass(const plan::StagePlan& plan) {
  const bool guided = std::ranges::any_of(plan.phases, [](const Phase& phase) {
    return std::ranges::any_of(phase.segments, [](const Segment& segment) { return segment.guidance.scale != 1.0; });
  });
  return std::max<std::int64_t>(2, plan.stage->sampler.micro_batch * (guided ? 2 : 1));
}

class Measurement {
 public:
  Measurement(Context& context, const plan::StagePlan& plan, bool repeat)
      : context_(context),
        plan_(plan),
        repeat_(repeat),
        source_(plan::trajectory_source(*plan.stage)),
        sampled_(source_->direction() == Direction::to_sample),
        conditioning_(context, plan, source_->direction()),
        spec_(plan.result->codec->spec()),
        rows_(rows_of_pass(plan)) {}

  StageProbe run() {
    const c10::InferenceMode no_gradients;
    const MemoryRise memory;
    auto start = std::chrono::steady_clock::now();
    const auto batch = conditioning_.batch(indices());
    // Conditions are embedded once per run and do not count; examples are encoded with each batch.
    auto per_sample = sampled_ ? 0.0 : seconds_since(start) / static_cast<double>(rows_);
    for (std::size_t i = 0; i < plan_.phases.size(); ++i) {
      for (std::size_t k = 0; k < plan_.phases[i].segments.size(); ++k) {
        const auto evaluations = source_->network_evaluations(plan_.phases[i], plan_.phases[i].segments[k]);
        per_sample += evaluation(plan_.phases[i], batch.models[i][k]) * static_cast<double>(evaluations);
      }
    }
    if (plan_.result->codec->needs_model()) probe_.seconds_per_decoding = decoding(context_, *plan_.result, repeat_);
    probe_.seconds = per_sample * static_cast<double>(plan_.samples_to_compute);
    probe_.seconds_per_block = per_sample * static_cast<double>(plan_.stage->sampler.block_size);
    probe_.bytes_per_worker = memory.bytes();
    return std::move(probe_);
  }

 private:
  // The first two trajectories have the same condition, as noise_response() requires.
  std::vector<std::uint64_t> indices() const {
    std::vector<std::uint64_t> indices = {0, conditioning_.count()};
    while (static_cast<std::int64_t>(indices.size()) < rows_) indices.push_back(indices.size() - 1);
    return indices;
  }

  // Seconds of one row of one forward pass.
  double evaluation(const Phase& phase, const SegmentModel& with) {
    auto& known = known_[model_identity(with.model->info)];
    if (known > 0.0) return known;
    const auto& process = *with.model->process;
    random::Draws draws(noise_key(*plan_.stage), indices());
    auto noise = process.prior(spec_, with.condition, draws);
    for (auto& [name, tensor] : noise) tensor = tensor.to(context_.device);
    const auto* preserving = dynamic_cast<const diffusion::VariancePreserving*>(&process);
    const auto timestep = preserving != nullptr ? static_cast<double>(preserving->alpha_bars().size() - 1)
                                                : phase.grid.at(phase.segments.front().first).timestep;
    const sampling::GuidedModel model(with, {});
    State prediction;
    known = seconds_of(repeat_, [&] { prediction = model.predict(noise, timestep); }) / static_cast<double>(rows_);
    if (preserving != nullptr && sampled_) {
      const auto response = sampling::noise_response(timestep, noise, prediction);
      probe_.models.push_back(described(tag_of(context_, *plan_.stage, with.model->info), response, preserving->prediction()));
    }
    return known;
  }

  Context& context_;
  const plan::StagePlan& plan_;
  bool repeat_;
  std::shared_ptr<const TrajectorySource> source_;
  bool sampled_;
  Conditioning conditioning_;
  StateSpec spec_;
  std::int64_t rows_;
  std::map<Hex, double> known_;  // by model_identity()
  StageProbe probe_;
};

// Measures on a worker of one thread.
StageProbe measured(Context& context, const plan::StagePlan& plan, bool repeat) {
  StageProbe probe;
  for_each_parallel(1, 1, [&](std::size_t) { probe = Measurement(context, plan, repeat).run(); });
  return probe;
}

bool is_costly(Context& context, const plan::StagePlan& plan) {
  const auto spec = plan.result->codec->spec();
  if (plan.stage->kind->gives == ResultKind::scores) {
    return plan.result->codec->needs_model() && tensor::bytes_of(spec) >= kCostlyLatents;
  }
  const auto rows = static_cast<double>(rows_of_pass(plan));
  return std::ranges::any_of(plan.phases, [&](const Phase& phase) {
    return std::ranges::any_of(phase.segments, [&](const Segment& segment) {
      return context.model(tag_of(context, *plan.stage, segment.model))->network->flops(spec) * rows > kCostlyFlops;
    });
  });
}

std::optional<std::int64_t> bytes_per_worker(Context& context, const plan::StagePlan& plan) {
  if (plan.stage->kind->gives == ResultKind::trajectories) return measured(context, plan, false).bytes_per_worker;
  std::optional<std::int64_t> bytes;
  for_each_parallel(1, 1, [&](std::size_t) {
    const c10::InferenceMode no_gradients;
    const MemoryRise memory;
    decoding(context, *plan.result, false);
    bytes = memory.bytes();
  });
  return bytes;
}

// The size of the mapped weights files: free memory includes their pages, but they are in use.
std::int64_t mapped_bytes(const Context& context) {
  std::int64_t bytes = 0;
  std::set<const modelfile::MappedFile*> seen;
  for (const auto& [identity, model] : context.loaded) {
    for (const auto& file : model->mapped) {
      if (seen.insert(file.get()).second) bytes += static_cast<std::int64_t>(file->bytes().size());
    }
  }
  return bytes;
}

}  // namespace

StageProbe measure(Context& context, const plan::StagePlan& plan) { return measured(context, plan, true); }

int workers_that_fit(Context& context, const plan::StagePlan& plan) {
  const auto wanted = context.workers();
  if (wanted == 1 || context.device.is_cuda() || plan.missing.empty() || !is_costly(context, plan)) return wanted;
  const auto needed = bytes_per_worker(context, plan);
  const auto free = free_memory();
  if (!needed || *needed == 0 || !free) return wanted;
  const auto left = *free - mapped_bytes(context);
  const auto fitting = static_cast<int>(std::clamp<std::int64_t>(left / *needed, 1, wanted));
  if (fitting < wanted) {
    context.progress.say(fmt::format("stage '{}': {} of {} workers: one needs {:.1f} GB of the {:.1f} GB that are free", plan.stage->tag,
                                     fitting, wanted, static_cast<double>(*needed) / 1e9, static_cast<double>(left) / 1e9));
  }
  return fitting;
}

}  // namespace espalier::exec
