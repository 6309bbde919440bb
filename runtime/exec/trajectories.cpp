// Trajectories: missing blocks of a set, sampled from noise or run back from examples, each by one worker.
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <fmt/format.h>

#include <numeric>

#include "runtime/base/errors.h"
#include "runtime/diffusion/variance_preserving.h"
#include "runtime/exec/blocks.h"
#include "runtime/exec/embeddings.h"
#include "runtime/plan/trajectory_source.h"
#include "runtime/random/streams.h"
#include "runtime/sampling/embedding.h"
#include "runtime/sdk/encoding.h"
#include "runtime/tensor/tensor_map.h"

namespace espalier::exec {

random::StreamKey noise_key(std::uint64_t seed, const std::string& noise) {
  return noise == "held_out" ? random::streams::held_out_noise(seed) : random::streams::sampling_noise(seed);
}

namespace {

using Models = std::vector<std::vector<std::shared_ptr<const Model>>>;  // [phase][segment]
using SegmentModels = std::vector<std::vector<SegmentModel>>;
using Recorded = std::map<std::int64_t, cache::Block::Recorded>;  // by steps remaining

// The first tag of the stage's inputs that is this model.
std::string tag_of(const Context& context, const config::StageSpec& stage, const ModelInfo& model) {
  for (const auto& input : stage.inputs) {
    for (const auto& tag : input.tags) {
      if (model_identity(context.results.at(tag).model) == model_identity(model)) return tag;
    }
  }
  throw InternalError("a segment's model is no input of its stage");
}

Models load_models(Context& context, const plan::StagePlan& plan) {
  Models models;
  for (const auto& phase : plan.phases) {
    auto& row = models.emplace_back();
    for (const auto& segment : phase.segments) row.push_back(context.model(tag_of(context, *plan.stage, segment.model)));
  }
  return models;
}

// What a batch of trajectories starts from and is conditioned on, in the order of their indices, which go round the conditions (a
// sampler's) or the examples (a noise corrector's): of the last block, what lies beyond the last example is in no view.
class Conditioning {
 public:
  Conditioning(Context& context, const plan::StagePlan& plan, Direction direction)
      : split_(plan.stage->sampler.split),
        domain_type_(context.spec.domain_type),
        spec_(plan.result->codec->spec()),
        device_(context.device),
        micro_batch_(plan.stage->sampler.micro_batch),
        models_(load_models(context, plan)) {
    const auto& data = context.spec.domain->data();
    if (direction == Direction::to_noise) {
      examples_ = encode_examples(data.examples(split_), plan.result->codec, *models_.front().front(), device_);
      count_ = examples_->size();
      return;
    }
    const auto conditions = context.spec.conditions(*plan.stage);
    count_ = conditions.size();
    for (std::size_t i = 0; i < models_.size(); ++i) {
      auto& row = conditions_.emplace_back();
      for (std::size_t k = 0; k < models_[i].size(); ++k) {
        auto encoded = encode_conditions(conditions, *models_[i][k], plan.phases[i].segments[k].negative_prompt);
        row.emplace_back(context.blocks, models_[i][k], std::move(encoded), micro_batch_, device_);
      }
    }
  }

  std::uint64_t count() const { return static_cast<std::uint64_t>(count_); }
  std::uint64_t number_of(std::uint64_t index) const { return index % static_cast<std::uint64_t>(count_); }

  struct Batch {
    State examples = {};
    SegmentModels models = {};
  };
  Batch batch(const std::vector<std::uint64_t>& indices) const {
    std::vector<std::uint64_t> numbers;
    for (const auto index : indices) numbers.push_back(number_of(index));
    Batch batch;
    EncodedExamples::Batch examples;
    if (examples_) {
      examples = examples_->at(numbers);
      check(examples, numbers);
      batch.examples = tensor::on(device_, std::move(examples.state));
    }
    for (std::size_t i = 0; i < models_.size(); ++i) {
      auto& row = batch.models.emplace_back();
      for (std::size_t k = 0; k < models_[i].size(); ++k) {
        row.push_back(examples_ ? sampling::segment_model(models_[i][k], tensor::on(device_, examples.condition), micro_batch_)
                                : conditions_[i][k].at({numbers.begin(), numbers.end()}));
      }
    }
    return batch;
  }

 private:
  void check(const EncodedExamples::Batch& batch, const std::vector<std::uint64_t>& numbers) const {
    check_examples(domain_type_, batch, spec_, static_cast<std::int64_t>(numbers.size()));
    const auto finite = finite_rows(batch.state);
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      if (finite[static_cast<std::int64_t>(i)].item<bool>()) continue;
      throw DataError("example " + std::to_string(numbers[i]) + " of the split '" + split_ +
                      "' is not finite (NaN or infinite) and cannot be inverted; correct the data");
    }
  }

  std::string split_, domain_type_;
  StateSpec spec_;
  at::Device device_;
  std::int64_t micro_batch_;
  Models models_;
  std::int64_t count_ = 1;                                    // of conditions or examples
  std::vector<std::vector<ConditionEmbeddings>> conditions_;  // a sampler's, as models_
  std::shared_ptr<const EncodedExamples> examples_;           // a noise corrector's
};

// Everything about a stage of trajectories that its blocks share.
class TrajectoryWork {
 public:
  TrajectoryWork(Context& context, const plan::StagePlan& plan)
      : source_(plan::trajectory_source(*plan.stage)),
        type_(plan.stage->type),
        view_(plan.stage->sampler),
        phases_(plan.phases),
        conditioning_(context, plan, source_->direction()),
        spec_(plan.result->codec->spec()),
        key_(source_->direction() == Direction::to_sample ? noise_key(context.spec.seed, view_.noise)
                                                          : random::streams::inversion(context.spec.seed)),
        device_(context.device),
        stop_(context.stop) {}

  const char* noun() const { return source_->direction() == Direction::to_sample ? "sample" : "example"; }
  // Rows that are computed at a time.
  std::int64_t rows_at_once() const { return source_->whole_blocks() ? view_.block_size : view_.micro_batch; }
  std::int64_t evaluations_per_sample() const { return network_evaluations(*source_, phases_); }

  // The trajectories first, first + 1, ..., as many as are computed at a time. Adds the forward passes spent.
  Recorded rows(std::uint64_t first, const std::set<std::int64_t>& steps, std::int64_t& evaluations) const {
    std::vector<std::uint64_t> indices(static_cast<std::size_t>(rows_at_once()));
    std::iota(indices.begin(), indices.end(), first);
    const auto batch = conditioning_.batch(indices);
    random::Draws draws(key_, indices);
    const bool sampled = source_->direction() == Direction::to_sample;
    KeepSteps recorder(steps, recorded(type_, source_->direction(), phases_.back(), spec_, rows_at_once()),
                       sampled ? std::optional(FiniteWatch(first, view_.max_nonfinite_fraction > 0.0)) : std::nullopt);
    const at::NoGradGuard no_grad;
    const auto spent = source_->compute({phases_, batch.models, spec_, batch.examples, view_.micro_batch, draws, device_, stop_}, recorder);
    check_evaluations(type_, spent);
    evaluations += spent;
    auto kept = recorder.kept();
    const auto noise = kept.find(phases_.back().grid.num_steps());
    if (!sampled && noise != kept.end()) check_certificates(type_, noise->second.state, spec_);
    return kept;
  }

  cache::Block block(std::uint64_t number, const std::set<std::int64_t>& steps, Context& context, std::int64_t& evaluations) const {
    cache::Block block;
    block.number = number;
    const auto size = static_cast<std::uint64_t>(view_.block_size), part = static_cast<std::uint64_t>(rows_at_once());
    std::map<std::int64_t, std::vector<cache::Block::Recorded>> parts;
    for (std::uint64_t start = 0; start < size; start += part) {
      context.check_stop();
      for (auto& [step, kept] : rows(number * size + start, steps, evaluations)) parts[step].push_back(kept);
      context.progress.advance(rows_at_once());
    }
    for (std::uint64_t i = 0; i < size; ++i) {
      block.index.push_back(number * size + i);
      block.condition.push_back(conditioning_.number_of(number * size + i));
    }
    for (auto step = parts.rbegin(); step != parts.rend(); ++step) block.steps.push_back(joined(step->second));
    return block;
  }

 private:
  static cache::Block::Recorded joined(const std::vector<cache::Block::Recorded>& parts) {
    auto whole = parts.front();
    for (auto& [name, tensor] : whole.state) {
      std::vector<at::Tensor> rows;
      for (const auto& part : parts) rows.push_back(part.state.at(name));
      tensor = at::cat(rows).contiguous();
    }
    return whole;
  }

  std::shared_ptr<const TrajectorySource> source_;
  const std::string& type_;
  const config::SamplerView& view_;
  const std::vector<Phase>& phases_;
  Conditioning conditioning_;
  StateSpec spec_;
  random::StreamKey key_;
  at::Device device_;
  const StopToken& stop_;
};

}  // namespace

Work compute_trajectories(Context& context, const plan::StagePlan& plan) {
  const TrajectoryWork work(context, plan);
  const auto set_id = context.store.ensure_set(plan.request);
  return compute_blocks(context, plan, work.noun(), context.workers(), [&](std::uint64_t number) {
    ComputedBlock computed;
    const auto block = work.block(number, plan.missing_steps.at(number), context, computed.network_evaluations);
    computed.publish = [&context, set_id, block](const cache::Provenance& provenance) {
      context.store.publish_block(set_id, block, provenance);
    };
    return computed;
  });
}

std::vector<Recomputed> recompute_trajectories(Context& context, const plan::StagePlan& plan, std::uint64_t block) {
  const TrajectoryWork work(context, plan);
  const auto steps = recorded_steps(context, plan, block);
  const auto stored = read_steps(context, *plan.result, block, steps);
  Recorded again;
  std::int64_t evaluations = 0;
  const auto first = block * static_cast<std::uint64_t>(plan.stage->sampler.block_size);
  for_each_parallel(1, 1, [&](std::size_t) { again = work.rows(first, steps, evaluations); });
  return compare(stored, again, work.rows_at_once());
}

double time_evaluation(Context& context, const plan::StagePlan& plan) {
  const TrajectoryWork work(context, plan);
  const auto start = std::chrono::steady_clock::now();
  std::int64_t evaluations = 0;
  for_each_parallel(1, 1, [&](std::size_t) { work.rows(0, {0}, evaluations); });
  return seconds_since(start) / static_cast<double>(work.evaluations_per_sample() * work.rows_at_once());
}

namespace {

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

}  // namespace

std::vector<StageProbe::Model> noise_responses(Context& context, const plan::StagePlan& plan) {
  std::vector<StageProbe::Model> found;
  if (plan::trajectory_source(*plan.stage)->direction() != Direction::to_sample) return found;
  const Conditioning conditioning(context, plan, Direction::to_sample);
  const std::vector<std::uint64_t> of_one_condition = {0, conditioning.count()};
  const auto batch = conditioning.batch(of_one_condition);
  std::set<std::string> seen;
  for (std::size_t i = 0; i < plan.phases.size(); ++i) {
    for (const auto& segment : batch.models.at(i)) {
      const auto* process = dynamic_cast<const diffusion::VariancePreserving*>(segment.model->process.get());
      const auto name = tag_of(context, *plan.stage, segment.model->info);
      if (process == nullptr || !seen.insert(name).second) continue;
      const at::NoGradGuard no_grad;
      random::Draws draws(noise_key(context.spec.seed, plan.stage->sampler.noise), of_one_condition);
      const auto response = sampling::noise_response(segment, plan.result->codec->spec(), draws, context.device);
      found.push_back(described(name, response, process->prediction()));
    }
  }
  return found;
}

cache::Block read_steps(Context& context, const plan::Result& trajectories, std::uint64_t block, const std::set<std::int64_t>& steps) {
  std::vector<cache::Damage> damage;
  auto found = context.store.read_block(trajectories.set_id, block, steps, &damage);
  if (!found) throw_quarantined(damage, "block " + std::to_string(block) + " of stage '" + trajectories.samples + "'");
  return std::move(*found);
}

}  // namespace espalier::exec
