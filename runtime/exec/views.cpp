#include "runtime/exec/views.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/tensor.h>

#include <algorithm>

#include "runtime/base/errors.h"
#include "runtime/exec/excluded.h"
#include "runtime/exec/flops.h"
#include "runtime/sampling/run_sampling.h"
#include "runtime/sdk/check.h"
#include "runtime/tensor/tensor_map.h"

namespace espalier::exec {
namespace {

std::int64_t bytes_of(const Sample& sample) {
  auto bytes = tensor::bytes_of(sample.tensors);
  for (const auto& [name, texts] : sample.strings) {
    for (const auto& text : texts) bytes += static_cast<std::int64_t>(sizeof(std::string) + text.size());
  }
  return bytes;
}

// Returns the model whose codec the trajectories have: the first that their stage names.
std::shared_ptr<const Model> decoding_model(Context& context, const plan::Result& trajectories) {
  return context.model(context.spec.find(trajectories.samples)->input("model")->tags.front());
}

DecodedBlock decode(Context& context, const plan::Result& trajectories, State state, std::atomic<std::int64_t>& count) {
  const at::NoGradGuard no_grad;
  DecodedBlock decoded;
  const auto size = state.begin()->second.size(0);
  const auto finite = finite_rows(state).to(at::kCPU).contiguous();
  for (std::int64_t row = 0; row < size; ++row) {
    if (finite.const_data_ptr<bool>()[row]) decoded.rows.push_back(row);
  }
  const auto kept = static_cast<std::int64_t>(decoded.rows.size());
  if (kept == 0) return decoded;
  // Copies, so that a codec that changes its input does not change the kept tensors.
  for (auto& [name, tensor] : state) tensor = tensor.index_select(0, at::tensor(decoded.rows, at::kLong));
  const auto model = trajectories.codec->needs_model() ? decoding_model(context, trajectories) : nullptr;
  decoded.sample = trajectories.codec->decode(state, {model.get(), context.device});
  for (auto& [name, tensor] : decoded.sample.tensors) tensor = tensor.to(at::kCPU);
  if (model != nullptr) count += kept;
  check_decoded(context.spec.domain_type, decoded.sample, context.spec.domain->sample_kind(), kept);
  return decoded;
}

// Rows of one block that follow each other in a list of trajectories.
struct Run {
  std::uint64_t block = 0;
  std::vector<std::int64_t> rows;
};

std::vector<Run> runs_of(const std::vector<std::int64_t>& index, std::int64_t block_size) {
  std::vector<Run> runs;
  for (const auto trajectory : index) {
    const auto block = static_cast<std::uint64_t>(trajectory / block_size);
    if (runs.empty() || runs.back().block != block) runs.push_back({block, {}});
    runs.back().rows.push_back(trajectory % block_size);
  }
  return runs;
}

class CachedView final : public ViewSource {
 public:
  CachedView(Context& context, const std::string& tag)
      : context_(context), result_(context.results.at(tag)), stage_(*context.spec.find(tag)), block_size_(stage_.sampler.block_size) {
    if (stage_.kind->from_examples) {
      examples_ = context.spec.domain->data().examples(stage_.sampler.split);
      condition_count_ = examples_->size();
    } else {
      conditions_ = context.spec.conditions(stage_);
      condition_count_ = conditions_.size();
    }
  }

  ViewInfo info() const {
    ViewInfo info{result_.samples, result_.grid, result_.codec, {}, {}};
    const auto& excluded = excluded_samples(context_, result_.samples);
    for (std::int64_t i = 0; i < result_.count; ++i) {
      if (std::binary_search(excluded.begin(), excluded.end(), i)) continue;
      info.index.push_back(i);
      info.condition.push_back(i % condition_count_);
    }
    return info;
  }

  State states(std::int64_t steps_remaining, const std::vector<std::int64_t>& index) const override {
    std::map<std::string, std::vector<at::Tensor>> parts;
    for (const auto& run : runs_of(index, block_size_)) {
      const auto block = block_states(context_, result_, run.block, steps_remaining);
      const auto rows = at::tensor(run.rows, at::kLong);
      for (const auto& [name, tensor] : block->recorded.state) parts[name].push_back(tensor.index_select(0, rows));
    }
    State state;
    for (const auto& [name, tensors] : parts) state.emplace(name, at::cat(tensors));
    return state;
  }

  State noise(const std::vector<std::int64_t>& index) const override {
    const auto& phase = context_.plans.at(result_.samples).phases.back();
    if (phase.start != "noise") return states(result_.grid.num_steps(), index);
    random::Draws draws(noise_key(stage_), {index.begin(), index.end()});
    draws.begin(0);
    std::vector<std::int64_t> rows;
    for (const auto trajectory : index) rows.push_back(trajectory % condition_count_);
    return diffusion::make_process(phase.process, "stage '" + result_.samples + "'")
        ->prior(result_.codec->spec(), conditions_.rows(rows).tensors, draws);
  }

  random::Draws draws(std::int64_t steps_remaining, const std::vector<std::int64_t>& index) const override {
    random::Draws draws(noise_key(stage_), {index.begin(), index.end()});
    draws.begin(sampling::step_ordinal(context_.plans.at(result_.samples).phases, steps_remaining));
    return draws;
  }

  Sample decoded(const std::vector<std::int64_t>& index) const override {
    std::vector<Sample> parts;
    for (const auto& run : runs_of(index, block_size_)) {
      const auto block = decoded_block(context_, result_, run.block);
      std::vector<std::int64_t> places;  // every row is in `block->rows`, because a view has no excluded rows
      for (const auto row : run.rows) places.push_back(std::lower_bound(block->rows.begin(), block->rows.end(), row) - block->rows.begin());
      parts.push_back(rows_of(block->sample, places));
    }
    return joined(parts);
  }

  Conditions conditions(const std::vector<std::int64_t>& index) const override {
    std::vector<std::int64_t> which;
    for (const auto trajectory : index) which.push_back(trajectory % condition_count_);
    return examples_ ? examples_->at({which.begin(), which.end()}).condition : conditions_.rows(which);
  }

  std::vector<double> scores(const std::string& tag, const std::vector<std::int64_t>& index) const override {
    if (context_.results.at(tag).samples != result_.samples) throw InternalError("'" + tag + "' did not score '" + result_.samples + "'");
    const auto all = read_view_scores(context_, tag);
    std::vector<double> scores;
    for (const auto trajectory : index) scores.push_back(all.at(static_cast<std::size_t>(trajectory)));
    return scores;
  }

  double flops_per_sample() const override { return exec::flops_per_sample(context_, stage_); }

 private:
  Context& context_;
  plan::Result result_;
  const config::StageSpec& stage_;
  std::int64_t block_size_;
  Conditions conditions_;               // of a sampler's stage
  std::unique_ptr<Examples> examples_;  // of a noise corrector's
  std::int64_t condition_count_ = 1;
};

}  // namespace

std::shared_ptr<const BlockStates> block_states(Context& context, const plan::Result& trajectories, std::uint64_t block,
                                                std::int64_t step) {
  return context.blocks.get<BlockStates>({"states", trajectories.set_id, block, step}, [&] {
    auto read = read_steps(context, trajectories, block, {step});
    const auto bytes = tensor::bytes_of(read.steps.front().state);
    return std::pair(BlockStates{std::move(read.condition), std::move(read.steps.front())}, bytes);
  });
}

std::shared_ptr<const DecodedBlock> decoded_block(Context& context, const plan::Result& trajectories, std::uint64_t block,
                                                  std::atomic<std::int64_t>* decoded_now) {
  return context.blocks.get<DecodedBlock>({"decoded by " + digest(trajectories.decoder), trajectories.set_id, block, 0}, [&] {
    auto decoded = decode(context, trajectories, block_states(context, trajectories, block, 0)->recorded.state,
                          decoded_now ? *decoded_now : context.samples_decoded);
    const auto bytes = bytes_of(decoded.sample);
    return std::pair(std::move(decoded), bytes);
  });
}

View view_of(Context& context, const std::string& tag) {
  auto source = std::make_shared<CachedView>(context, tag);
  auto info = source->info();
  return {std::move(info), std::move(source)};
}

}  // namespace espalier::exec
