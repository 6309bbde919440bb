// Inverted noises: counts those that did not converge, and makes training examples of a set's noises.
#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>

#include <numeric>

#include "runtime/base/errors.h"
#include "runtime/exec/blocks.h"
#include "runtime/exec/views.h"
#include "runtime/random/streams.h"
#include "runtime/sdk/encoding.h"
#include "runtime/tensor/tensor_map.h"

namespace espalier::exec {
namespace {

// Visits step N of each block of an inversion, with the number of its rows that are in the view.
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

class RecordedNoises final : public EncodedExamples {
 public:
  explicit RecordedNoises(Hex digest) : digest_(std::move(digest)) {}
  std::int64_t size() const override { return static_cast<std::int64_t>(metadata.size()); }
  Hex digest() const override { return digest_; }
  Batch at(const std::vector<std::uint64_t>& positions) const override {
    const std::vector<std::int64_t> rows(positions.begin(), positions.end());
    Batch batch;
    batch.state = tensor::rows(state, rows);
    batch.condition = tensor::rows(condition, rows);
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

std::shared_ptr<const EncodedExamples> recorded_noises(Context& context, const std::string& tag, const Model& model) {
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
  for (const auto& [name, field] : view.codec().spec()) noises->state.emplace(name, noise.at(name));
  auto conditions = view.conditions(rows);
  noises->condition = encode_conditions(conditions, model).tensors;
  noises->metadata = std::move(conditions.metadata);
  return noises;
}

}  // namespace espalier::exec
