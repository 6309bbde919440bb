// Trajectories: computes the missing blocks of a set, sampled from noise or inverted from examples, each by one worker.
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>

#include <numeric>

#include "runtime/base/errors.h"
#include "runtime/exec/blocks.h"
#include "runtime/exec/conditioning.h"
#include "runtime/exec/measure.h"
#include "runtime/exec/views.h"
#include "runtime/plan/trajectory_source.h"
#include "runtime/random/streams.h"

namespace espalier::exec {

random::StreamKey noise_key(const config::StageSpec& stage) {
  const auto held_out = stage.sampler.noise == "held_out";
  if (stage.input("start")) {
    return random::streams::continued_noise(stage.seed, static_cast<std::uint32_t>(stage.sampler.branch), held_out);
  }
  return held_out ? random::streams::held_out_noise(stage.seed) : random::streams::sampling_noise(stage.seed);
}

namespace {

using Recorded = std::map<std::int64_t, cache::Block::Recorded>;  // by steps remaining

// The data of a stage of trajectories that its blocks share.
class TrajectoryWork {
 public:
  TrajectoryWork(Context& context, const plan::StagePlan& plan)
      : source_(plan::trajectory_source(*plan.stage)),
        type_(plan.stage->type),
        view_(plan.stage->sampler),
        phases_(plan.phases),
        conditioning_(context, plan, source_->direction()),
        spec_(plan.result->codec->spec()),
        key_(source_->direction() == Direction::to_sample ? noise_key(*plan.stage) : random::streams::inversion(plan.stage->seed)),
        device_(context.device),
        stop_(context.stop),
        context_(context) {
    if (const auto* start = plan.stage->input("start")) start_ = &context.results.at(start->tags.front());
  }

  // The number of trajectories that are computed together.
  std::int64_t rows_at_once() const { return source_->whole_blocks() ? view_.block_size : view_.micro_batch; }

  // Computes the trajectories first, first + 1, ..., rows_at_once() of them. Adds the network evaluations spent to `evaluations`.
  Recorded rows(std::uint64_t first, const std::set<std::int64_t>& steps, std::int64_t& evaluations) const {
    std::vector<std::uint64_t> indices(static_cast<std::size_t>(rows_at_once()));
    std::iota(indices.begin(), indices.end(), first);
    const auto batch = conditioning_.batch(indices);
    const auto start = start_ == nullptr ? batch.examples : starts(first);
    random::Draws draws(key_, indices);
    const bool sampled = source_->direction() == Direction::to_sample;
    KeepSteps recorder(steps, recorded(type_, source_->direction(), phases_.back(), spec_, rows_at_once()),
                       sampled ? std::optional(FiniteWatch(first, view_.max_nonfinite_fraction > 0.0)) : std::nullopt);
    const at::NoGradGuard no_grad;
    const auto spent = source_->compute({phases_, batch.models, spec_, start, view_.micro_batch, draws, device_, stop_}, recorder);
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
  // The states at which the trajectories first, first + 1, ... begin, rows_at_once() of them, on the device.
  State starts(std::uint64_t first) const {
    const auto size = static_cast<std::uint64_t>(view_.block_size);
    const auto block = block_states(context_, *start_, first / size, *recorded_start(phases_.back()));
    State states;
    for (const auto& [name, tensor] : block->recorded.state) {
      const auto row = static_cast<std::int64_t>(first % size);
      states[name] = tensor.slice(0, row, row + rows_at_once()).to(device_);
    }
    return states;
  }

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
  Context& context_;
  const plan::Result* start_ = nullptr;  // of the input `start`
};

}  // namespace

BlockWork trajectory_work(Context& context, const plan::StagePlan& plan) {
  const auto work = std::make_shared<const TrajectoryWork>(context, plan);
  const auto set_id = context.store.ensure_set(plan.request);
  return {&plan, 0, workers_that_fit(context, plan), [&context, &plan, work, set_id](std::uint64_t number) {
            ComputedBlock computed;
            const auto block = work->block(number, plan.missing_steps.at(number), context, computed.network_evaluations);
            computed.publish = [&context, set_id, block](const cache::Provenance& provenance) {
              context.store.publish_block(set_id, block, provenance);
            };
            return computed;
          }};
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

cache::Block read_steps(Context& context, const plan::Result& trajectories, std::uint64_t block, const std::set<std::int64_t>& steps) {
  std::vector<cache::Damage> damage;
  auto found = context.store.read_block(trajectories.set_id, block, steps, &damage);
  if (!found) throw_quarantined(damage, "block " + std::to_string(block) + " of stage '" + trajectories.samples + "'");
  return std::move(*found);
}

}  // namespace espalier::exec
