#include "runtime/exec/excluded.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>
#include <fmt/format.h>

#include <limits>

#include "runtime/base/errors.h"
#include "runtime/exec/views.h"
#include "runtime/sdk/check.h"

namespace espalier::exec {
namespace {

std::vector<std::int64_t> places(const at::Tensor& mask) {
  const auto found = mask.to(at::kCPU).nonzero().contiguous();  // [n, 1]
  return {found.const_data_ptr<std::int64_t>(), found.const_data_ptr<std::int64_t>() + found.size(0)};
}

at::Tensor marked(const at::Tensor& tensor, const at::Tensor& rows) {
  if (!at::isFloatingType(tensor.scalar_type())) return tensor;
  std::vector<std::int64_t> shape(static_cast<std::size_t>(tensor.dim()), 1);
  shape[0] = tensor.size(0);
  return tensor.masked_fill(rows.view(shape), std::numeric_limits<double>::quiet_NaN());
}

}  // namespace

State FiniteWatch::watch(const diffusion::GridPoint& point, const State& state) {
  const auto finite = finite_rows(state);
  if (!finite.all().item<bool>()) {
    const auto wrong = finite.logical_not();
    if (!may_exclude_) {
      const auto rows = places(wrong);
      throw StageError(fmt::format(
          "trajectory {} is not finite (NaN or infinite) with {} steps remaining, as are {} of the {} in its micro-batch: look at the "
          "model (a training that diverged, a guidance_scale too large), or let a share of samples be excluded by max_nonfinite_fraction",
          first_ + static_cast<std::uint64_t>(rows.front()), point.steps_remaining, rows.size(), finite.size(0)));
    }
    lost_ = lost_.defined() ? lost_.logical_or(wrong) : wrong;
  }
  if (!lost_.defined()) return state;
  State out;
  for (const auto& [name, tensor] : state) out.emplace(name, marked(tensor, lost_));
  return out;
}

namespace {

std::vector<std::int64_t> excluded_in(Context& context, const plan::Result& result, std::int64_t block_size) {
  const auto blocks = context.store.blocks(result.set_id);
  std::vector<std::int64_t> excluded;
  for (std::int64_t first = 0; first < result.count; first += block_size) {
    const auto number = static_cast<std::uint64_t>(first / block_size);
    const auto status = blocks.find(number);
    if (status == blocks.end()) throw_quarantined({}, "block " + std::to_string(number) + " of stage '" + result.samples + "'");
    if (status->second.nonfinite == 0) continue;
    const auto block = block_states(context, result, number, 0);
    for (const auto row : places(finite_rows(block->recorded.state).logical_not())) {
      if (first + row < result.count) excluded.push_back(first + row);
    }
  }
  return excluded;
}

}  // namespace

const std::vector<std::int64_t>& excluded_samples(Context& context, const std::string& tag) {
  const auto& result = context.results.at(tag);
  const auto known = context.excluded.find({result.set_id, result.count});
  if (known != context.excluded.end()) return known->second;
  const auto& source = *context.spec.find(result.samples);
  std::vector<std::int64_t> excluded;
  // No inversion is excluded here: examples are finite, and NaN among its certificates is allowed.
  if (source.kind->samples()) excluded = excluded_in(context, result, source.sampler.block_size);
  return context.excluded.emplace(std::pair(result.set_id, result.count), std::move(excluded)).first->second;
}

std::int64_t check_excluded(Context& context, const config::StageSpec& stage) {
  const auto& excluded = excluded_samples(context, stage.tag);
  if (excluded.empty()) return 0;
  const auto total = context.results.at(stage.tag).count;
  const auto count = static_cast<std::int64_t>(excluded.size());
  const double allowed = stage.sampler.max_nonfinite_fraction;
  const auto found = fmt::format("{} of {} samples are not finite (NaN or infinite)", count, total);
  if (static_cast<double>(count) > allowed * static_cast<double>(total)) {
    throw StageError(
        fmt::format("{}, the first is trajectory {}: above max_nonfinite_fraction = {}; look at the model, or allow a larger share", found,
                    excluded.front(), allowed));
  }
  context.progress.say(fmt::format("stage '{}': {} and are excluded", stage.tag, found));
  return count;
}

}  // namespace espalier::exec
