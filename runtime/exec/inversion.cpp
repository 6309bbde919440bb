// Inverse noise correction's first half: missing blocks of examples, each run back to its noise by one worker.
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/tensor.h>

#include <numeric>

#include "runtime/base/errors.h"
#include "runtime/exec/blocks.h"
#include "runtime/exec/views.h"
#include "runtime/random/streams.h"

namespace espalier::exec {
namespace {

// Everything about a noise_corrector stage that its blocks share.
struct Inversion {
  const NoiseCorrector& corrector;
  const std::string& type;
  const config::SamplerView& view;
  const Phase& phase;
  std::shared_ptr<const Model> model;
  std::unique_ptr<Examples> examples;
  StateSpec spec;
  std::uint64_t seed;

  Inversion(Context& context, const plan::StagePlan& plan)
      : corrector(plan.stage->plugin.get<NoiseCorrector>()),
        type(plan.stage->type),
        view(plan.stage->sampler),
        phase(plan.phases.front()),
        model(context.model(plan.stage->input("model")->tags.front())),
        examples(context.spec.domain->examples(view.split)),
        spec(context.spec.domain->state_spec()),
        seed(context.spec.seed) {}

  // The last block goes round to the first examples: what lies beyond the last one is in no view.
  cache::Block block(std::uint64_t number, const std::set<std::int64_t>& steps, const Context& context, std::int64_t& evaluations) const {
    cache::Block block;
    block.number = number;
    std::vector<std::uint64_t> positions;
    for (std::int64_t i = 0; i < view.block_size; ++i) {
      block.index.push_back(number * static_cast<std::uint64_t>(view.block_size) + static_cast<std::uint64_t>(i));
      positions.push_back(block.index.back() % static_cast<std::uint64_t>(examples->size()));
    }
    block.condition = positions;
    auto batch = examples->at(positions);
    check_batch(batch, positions, context.spec.domain_type);
    for (auto* map : {&batch.state, &batch.condition}) {
      for (auto& [name, tensor] : *map) tensor = tensor.to(context.device);
    }
    random::Draws draws(random::streams::inversion(seed), block.index);
    KeepSteps recorder(steps, inversion_record(type, phase, spec, view.block_size));
    const at::NoGradGuard no_grad;
    evaluations = corrector.invert(
        {phase, *model, spec, batch.state, batch.condition, view.micro_batch, draws, context.device, context.stop}, recorder);
    check_evaluations(type, evaluations);
    const auto& kept = recorder.kept();
    if (const auto noise = kept.find(phase.grid.num_steps()); noise != kept.end()) check_certificates(type, noise->second.state, spec);
    for (auto step = kept.rbegin(); step != kept.rend(); ++step) block.steps.push_back(step->second);
    return block;
  }

 private:
  void check_batch(const Examples::Batch& batch, const std::vector<std::uint64_t>& positions, const std::string& domain) const {
    check_examples(domain, batch, spec, view.block_size);
    const auto finite = finite_rows(batch.state);
    for (std::int64_t i = 0; i < view.block_size; ++i) {
      if (finite[i].item<bool>()) continue;
      throw DataError("example " + std::to_string(positions[static_cast<std::size_t>(i)]) + " of the split '" + view.split +
                      "' is not finite (NaN or infinite) and cannot be inverted; correct the data");
    }
  }
};

// Step N of each block of an inversion, and how many of its rows are in the view.
void for_each_noise(Context& context, const std::string& tag, const std::function<void(const BlockStates&, std::int64_t)>& visit) {
  const auto& result = context.results.at(tag);
  const auto block_size = context.spec.find(result.samples)->sampler.block_size;
  for (std::int64_t first = 0; first < result.count; first += block_size) {
    visit(*block_states(context, result, static_cast<std::uint64_t>(first / block_size), result.grid.num_steps()),
          std::min(block_size, result.count - first));
  }
}

std::vector<std::int64_t> converged_rows(const BlockStates& block, std::int64_t count) {
  const auto converged = block.recorded.state.at(inversion::kConverged).to(at::kFloat).contiguous();
  std::vector<std::int64_t> rows;
  for (std::int64_t i = 0; i < count; ++i) {
    if (converged.const_data_ptr<float>()[i] != 0.0F) rows.push_back(i);
  }
  return rows;
}

class RecordedNoises final : public Examples {
 public:
  explicit RecordedNoises(Hex digest) : digest_(std::move(digest)) {}
  std::int64_t size() const override { return static_cast<std::int64_t>(metadata.size()); }
  Hex digest() const override { return digest_; }
  Batch at(const std::vector<std::uint64_t>& positions) const override {
    const std::vector<std::int64_t> rows(positions.begin(), positions.end());
    const auto index = at::tensor(rows, at::kLong);
    Batch batch;
    for (const auto& [name, tensor] : state) batch.state.emplace(name, tensor.index_select(0, index));
    for (const auto& [name, tensor] : condition) batch.condition.emplace(name, tensor.index_select(0, index));
    for (const auto row : rows) batch.metadata.push_back(metadata.at(static_cast<std::size_t>(row)));
    return batch;
  }

  State state;
  TensorMap condition;
  std::vector<Value> metadata;

 private:
  Hex digest_;
};

}  // namespace

Work compute_inversion(Context& context, const plan::StagePlan& plan) {
  const Inversion job(context, plan);
  const auto set_id = context.store.ensure_set(plan.request);
  const auto blocks = of_shard(plan.missing, context.options.shard);
  context.progress.begin(plan.stage->tag, static_cast<std::int64_t>(blocks.size()) * job.view.block_size, "example");
  const auto maker = plan::maker_of(context.spec, *plan.stage);
  std::atomic<std::int64_t> spent{0};
  for_each_parallel(blocks.size(), context.workers(), [&](std::size_t i) {
    context.check_stop();
    const auto start = std::chrono::steady_clock::now();
    std::int64_t evaluations = 0;
    const auto block = job.block(blocks[i], plan.missing_steps.at(blocks[i]), context, evaluations);
    context.store.publish_block(set_id, block, {maker, seconds_since(start), evaluations});
    spent += evaluations;
    context.progress.advance(job.view.block_size);
  });
  context.progress.end();
  return {static_cast<std::int64_t>(blocks.size()) * job.view.block_size, spent};
}

std::vector<Recomputed> recompute_inversion(Context& context, const plan::StagePlan& plan, std::uint64_t block) {
  const Inversion job(context, plan);
  const auto steps = recorded_steps(context, plan, block);
  const auto stored = read_steps(context, *plan.result, block, steps);
  std::int64_t evaluations = 0;
  std::map<std::int64_t, cache::Block::Recorded> again;
  for_each_parallel(1, 1, [&](std::size_t) {
    for (const auto& recorded : job.block(block, steps, context, evaluations).steps) again.emplace(recorded.step, recorded);
  });
  return compare(stored, again, job.view.block_size);
}

std::int64_t check_inversion(Context& context, const config::StageSpec& stage) {
  std::int64_t total = 0, converged = 0;
  for_each_noise(context, stage.tag, [&](const BlockStates& block, std::int64_t count) {
    total += count;
    converged += static_cast<std::int64_t>(converged_rows(block, count).size());
  });
  const auto failed = total - converged;
  if (failed > 0) {
    context.progress.say("stage '" + stage.tag + "': " + std::to_string(failed) + " of " + std::to_string(total) +
                         " inversions did not converge and are excluded");
  }
  if (static_cast<double>(failed) > stage.max_unconverged_fraction * static_cast<double>(total)) {
    throw StageError(std::to_string(failed) + " of " + std::to_string(total) +
                     " inversions did not converge, above max_unconverged_fraction = " + std::to_string(stage.max_unconverged_fraction) +
                     "; try more num_inference_steps (smaller steps contract better), more max_iterations, a looser tolerance, or a small "
                     "perturbation of the examples");
  }
  return failed;
}

std::shared_ptr<const Examples> recorded_noises(Context& context, const std::string& tag) {
  const auto view = view_of(context, tag);
  auto rows = view.all();
  auto noise = view.noise(rows);
  if (const auto converged = noise.find(inversion::kConverged); converged != noise.end()) {
    const auto index = converged->second.nonzero().flatten();  // [K]
    rows.assign(index.const_data_ptr<std::int64_t>(), index.const_data_ptr<std::int64_t>() + index.size(0));
    if (rows.empty()) throw StageError("stage '" + tag + "': no inversion converged; there is no noise to train on");
    for (auto& [name, tensor] : noise) tensor = tensor.index_select(0, index);
  }
  auto noises = std::make_shared<RecordedNoises>(context.results.at(tag).set_id);
  for (const auto& [name, field] : context.spec.domain->state_spec()) noises->state.emplace(name, noise.at(name));
  auto conditions = view.conditions(rows);
  noises->condition = std::move(conditions.tensors);
  noises->metadata = std::move(conditions.metadata);
  return noises;
}

}  // namespace espalier::exec
