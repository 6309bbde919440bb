// Inverted noises: which converged, and the noises of a set as examples to train on.
#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/tensor.h>

#include <numeric>

#include "runtime/base/errors.h"
#include "runtime/exec/blocks.h"

namespace espalier::exec {
namespace {

// Step N of each block of an inversion, and how many of its rows are in the view.
void for_each_noise(Context& context, const std::string& tag, const std::function<void(const cache::Block&, std::int64_t)>& visit) {
  const auto& result = context.results.at(tag);
  const auto block_size = context.spec.find(result.samples)->sampler.block_size;
  for (std::int64_t first = 0; first < result.count; first += block_size) {
    visit(read_steps(context, result, static_cast<std::uint64_t>(first / block_size), {result.grid.num_steps()}),
          std::min(block_size, result.count - first));
  }
}

std::vector<std::int64_t> converged_rows(const cache::Block& block, std::int64_t count) {
  const auto converged = block.steps.front().state.at(inversion::kConverged).to(at::kFloat).contiguous();
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

std::int64_t check_inversion(Context& context, const config::StageSpec& stage) {
  std::int64_t total = 0, converged = 0;
  for_each_noise(context, stage.tag, [&](const cache::Block& block, std::int64_t count) {
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

namespace {

// The noise of sampled trajectories is in no block: it is a function of the seed.
std::shared_ptr<const Examples> sampled_noises(Context& context, const plan::Result& result, const config::StageSpec& stage,
                                               std::shared_ptr<RecordedNoises> noises) {
  const auto conditions = context.spec.conditions(stage);
  std::vector<std::uint64_t> samples(static_cast<std::size_t>(result.count));
  std::iota(samples.begin(), samples.end(), 0);
  std::vector<std::int64_t> rows;
  for (const auto sample : samples) rows.push_back(static_cast<std::int64_t>(sample % static_cast<std::uint64_t>(conditions.size())));
  random::Draws draws(noise_key(context.spec.seed, stage.sampler.noise), std::move(samples));
  draws.begin(0);
  const auto model = context.model(stage.input("model")->tags.front());
  noises->condition = conditions.rows(rows);
  noises->state = model->process->prior(context.spec.domain->state_spec(), noises->condition, draws);
  for (const auto row : rows) noises->metadata.push_back(conditions.metadata.at(static_cast<std::size_t>(row)));
  return noises;
}

}  // namespace

std::shared_ptr<const Examples> recorded_noises(Context& context, const std::string& tag) {
  const auto& result = context.results.at(tag);
  const auto& stage = *context.spec.find(result.samples);
  auto noises = std::make_shared<RecordedNoises>(result.set_id);
  if (stage.kind->samples()) return sampled_noises(context, result, stage, std::move(noises));
  const auto examples = context.spec.domain->examples(stage.sampler.split);
  const auto spec = context.spec.domain->state_spec();
  std::map<std::string, std::vector<at::Tensor>> states, conditions;
  for_each_noise(context, tag, [&](const cache::Block& block, std::int64_t count) {
    const auto rows = converged_rows(block, count);
    if (rows.empty()) return;
    const auto index = at::tensor(rows, at::kLong);
    for (const auto& [name, field] : spec) states[name].push_back(block.steps.front().state.at(name).index_select(0, index));
    std::vector<std::uint64_t> numbers;
    for (const auto row : rows) numbers.push_back(block.condition.at(static_cast<std::size_t>(row)));
    const auto batch = examples->at(numbers);
    for (const auto& [name, tensor] : batch.condition) conditions[name].push_back(tensor);
    noises->metadata.insert(noises->metadata.end(), batch.metadata.begin(), batch.metadata.end());
  });
  if (noises->size() == 0) throw StageError("stage '" + tag + "': no inversion converged; there is no noise to train on");
  for (const auto& [name, parts] : states) noises->state.emplace(name, at::cat(parts));
  for (const auto& [name, parts] : conditions) noises->condition.emplace(name, at::cat(parts));
  return noises;
}

}  // namespace espalier::exec
