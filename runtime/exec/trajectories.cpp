// Sampling: missing blocks of a trajectory set, each by one worker, published as soon as it is whole.
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/tensor.h>

#include <numeric>

#include "runtime/base/errors.h"
#include "runtime/exec/blocks.h"
#include "runtime/random/streams.h"

namespace espalier::exec {

random::StreamKey noise_key(std::uint64_t seed, const std::string& noise) {
  return noise == "held_out" ? random::streams::held_out_noise(seed) : random::streams::sampling_noise(seed);
}

namespace {

using SegmentModels = std::vector<std::vector<std::shared_ptr<const Model>>>;

SegmentModels load_models(Context& context, const plan::StagePlan& plan) {
  std::map<Hex, std::string> tags;
  for (const auto& input : plan.stage->inputs) {
    for (const auto& tag : input.tags) tags.emplace(model_identity(context.results.at(tag).model), tag);
  }
  SegmentModels models;
  for (const auto& phase : plan.phases) {
    auto& row = models.emplace_back();
    for (const auto& segment : phase.segments) row.push_back(context.model(tags.at(model_identity(segment.model))));
  }
  return models;
}

// Everything about a sampler stage that its blocks share.
struct SamplerJob {
  const Sampler& sampler;
  const std::string& type;
  const config::SamplerView& view;
  const std::vector<Phase>& phases;
  SegmentModels models;
  Conditions conditions;
  StateSpec spec;
  std::uint64_t seed;
  at::Device device;

  SamplerJob(Context& context, const plan::StagePlan& plan)
      : sampler(plan.stage->plugin.get<Sampler>()),
        type(plan.stage->type),
        view(plan.stage->sampler),
        phases(plan.phases),
        models(load_models(context, plan)),
        conditions(context.spec.conditions(*plan.stage)),
        spec(context.spec.domain->state_spec()),
        seed(context.spec.seed),
        device(context.device) {}

  std::map<std::int64_t, cache::Block::Recorded> micro_batch(std::uint64_t first, const std::set<std::int64_t>& steps) const {
    const auto size = static_cast<std::uint64_t>(view.micro_batch);
    std::vector<std::uint64_t> samples(size);
    std::iota(samples.begin(), samples.end(), first);
    std::vector<std::int64_t> rows;
    for (const auto sample : samples) rows.push_back(static_cast<std::int64_t>(sample % static_cast<std::uint64_t>(conditions.size())));
    auto condition = conditions.rows(rows);
    auto null_condition = conditions.null_tensors;
    for (auto* map : {&condition, &null_condition}) {
      for (auto& [name, tensor] : *map) tensor = tensor.to(device);
    }
    random::Draws draws(noise_key(seed, view.noise), samples);
    KeepSteps recorder(steps, sampler_record(type, phases.back(), spec, view.micro_batch),
                       FiniteWatch(first, view.max_nonfinite_fraction > 0.0));
    const at::NoGradGuard no_grad;
    sampler.sample({phases, models, spec, condition, null_condition, draws, device}, recorder);
    return recorder.kept();
  }

  cache::Block block(std::uint64_t number, const std::set<std::int64_t>& steps, Context& context) const {
    cache::Block block;
    block.number = number;
    const auto size = static_cast<std::uint64_t>(view.block_size);
    const auto part = static_cast<std::uint64_t>(view.micro_batch);
    std::map<std::int64_t, std::vector<cache::Block::Recorded>> parts;
    for (std::uint64_t start = 0; start < size; start += part) {
      context.check_stop();
      for (auto& [step, recorded] : micro_batch(number * size + start, steps)) parts[step].push_back(recorded);
      context.progress.advance(view.micro_batch);
    }
    for (std::uint64_t i = 0; i < size; ++i) {
      block.index.push_back(number * size + i);
      block.condition.push_back((number * size + i) % static_cast<std::uint64_t>(conditions.size()));
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
};

}  // namespace

Work compute_trajectories(Context& context, const plan::StagePlan& plan) {
  const SamplerJob job(context, plan);
  const auto set_id = context.store.ensure_set(plan.request);
  const auto blocks = of_shard(plan.missing, context.options.shard);
  const auto evaluations = network_evaluations(job.sampler, plan.phases) * job.view.block_size;
  const auto maker = plan::maker_of(context.spec, *plan.stage);
  context.progress.begin(plan.stage->tag, static_cast<std::int64_t>(blocks.size()) * job.view.block_size, "sample");
  for_each_parallel(blocks.size(), context.workers(), [&](std::size_t i) {
    const auto start = std::chrono::steady_clock::now();
    const auto block = job.block(blocks[i], plan.missing_steps.at(blocks[i]), context);
    context.store.publish_block(set_id, block, {maker, seconds_since(start), evaluations});
  });
  context.progress.end();
  const auto count = static_cast<std::int64_t>(blocks.size());
  return {count * job.view.block_size, count * evaluations};
}

std::vector<Recomputed> recompute_trajectories(Context& context, const plan::StagePlan& plan, std::uint64_t block) {
  const SamplerJob job(context, plan);
  const auto steps = recorded_steps(context, plan, block);
  const auto stored = read_steps(context, *plan.result, block, steps);
  std::map<std::int64_t, cache::Block::Recorded> again;
  for_each_parallel(1, 1, [&](std::size_t) { again = job.micro_batch(block * static_cast<std::uint64_t>(job.view.block_size), steps); });
  return compare(stored, again, job.view.micro_batch);
}

double time_evaluation(Context& context, const plan::StagePlan& plan) {
  const SamplerJob job(context, plan);
  const auto start = std::chrono::steady_clock::now();
  for_each_parallel(1, 1, [&](std::size_t) { job.micro_batch(0, {0}); });
  return seconds_since(start) / static_cast<double>(network_evaluations(job.sampler, plan.phases) * job.view.micro_batch);
}

cache::Block read_steps(Context& context, const plan::Result& trajectories, std::uint64_t block, const std::set<std::int64_t>& steps) {
  std::vector<cache::Damage> damage;
  auto found = context.store.read_block(trajectories.set_id, block, steps, &damage);
  if (!found) throw_quarantined(damage, "block " + std::to_string(block) + " of stage '" + trajectories.samples + "'");
  return std::move(*found);
}

}  // namespace espalier::exec
