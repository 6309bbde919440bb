#include "plugins/metric/noise_diagnostics/inversions.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <cmath>

#include "runtime/base/errors.h"
#include "runtime/random/streams.h"
#include "runtime/sdk/noise_corrector.h"

namespace espalier::noise_diagnostics {
namespace {

constexpr std::int64_t kRows = 512;  // read at once

at::Tensor certificate(const State& state, const char* name, const View& samples) {
  const auto found = state.find(name);
  if (found == state.end()) {
    throw StageError("metric.noise_diagnostics: stage '" + samples.tag() + "' records no '" + name +
                     "'; name the inversions of a noise_corrector stage by inputs = { samples = \"<tag>\" }");
  }
  return found->second.to(at::kDouble);
}

at::Tensor flat(const State& state, const StateSpec& spec) {
  std::vector<at::Tensor> columns;
  for (const auto& [name, field] : spec) {
    const auto& tensor = state.at(name);
    columns.push_back(tensor.to(at::kFloat).reshape({tensor.size(0), -1}));
  }
  return at::cat(columns, 1);
}

}  // namespace

Inversions read_inversions(const View& samples, const StateSpec& spec) {
  const auto steps = samples.grid().num_steps();
  std::map<std::string, std::vector<at::Tensor>> parts;
  std::vector<at::Tensor> noises;
  Inversions out;
  for (std::int64_t first = 0; first < samples.size(); first += kRows) {
    const auto state = samples.states(steps, View::range(first, std::min(kRows, samples.size() - first)));
    for (const char* name : {inversion::kConverged, inversion::kRoundTripError, inversion::kKnownNoiseError, inversion::kResidual,
                             inversion::kContraction, inversion::kIterations}) {
      parts[name].push_back(certificate(state, name, samples));
    }
    const auto converged = parts[inversion::kConverged].back().ne(0).nonzero().squeeze(1);  // [k]
    noises.push_back(flat(state, spec).index_select(0, converged));
    for (std::int64_t i = 0; i < converged.size(0); ++i) out.row.push_back(first + converged.const_data_ptr<std::int64_t>()[i]);
  }
  if (out.row.empty()) throw StageError("metric.noise_diagnostics: none of the inversions of stage '" + samples.tag() + "' converged");
  out.noise = at::cat(noises);
  out.converged = at::cat(parts[inversion::kConverged]).ne(0);
  out.round_trip_error = at::cat(parts[inversion::kRoundTripError]);
  out.known_error = at::cat(parts[inversion::kKnownNoiseError]);
  out.residual = at::cat(parts[inversion::kResidual]);
  out.contraction = at::cat(parts[inversion::kContraction]);
  out.iterations = at::cat(parts[inversion::kIterations]);
  return out;
}

FairSample fair_sample(const Inversions& inversions, const Examples& examples, const random::StreamKey& key) {
  const bool endless = examples.size() == 0;
  const auto end = endless ? inversions.row.end() : std::lower_bound(inversions.row.begin(), inversions.row.end(), examples.distinct());
  const auto count = static_cast<std::uint64_t>(end - inversions.row.begin());
  if (count == 0)
    throw StageError("metric.noise_diagnostics: all inversions that converged are of examples shown before, as a mirror image is");
  const auto stream = random::streams::inversion_order(key);
  FairSample fair;
  std::vector<std::int64_t> order;
  for (std::uint64_t i = 0; i < count; ++i) {
    order.push_back(static_cast<std::int64_t>(random::shuffled_index(stream, /*epoch=*/0, count, i)));
    fair.row.push_back(inversions.row[static_cast<std::size_t>(order.back())]);
  }
  fair.noise = inversions.noise.index_select(0, at::tensor(order, at::kLong));
  return fair;
}

State unflattened(const at::Tensor& noise, const StateSpec& spec) {
  State state;
  std::int64_t column = 0;
  for (const auto& [name, field] : spec) {
    std::vector<std::int64_t> shape{noise.size(0)};
    std::int64_t width = 1;
    for (const auto size : field.shape) {
      shape.push_back(size);
      width *= size;
    }
    state.emplace(name, noise.narrow(1, column, width).reshape(shape).to(field.dtype));
    column += width;
  }
  return state;
}

std::vector<double> finite_sorted(const at::Tensor& values) {
  const auto all = values.to(at::kDouble).contiguous();
  std::vector<double> kept;
  for (std::int64_t i = 0; i < all.numel(); ++i) {
    const double value = all.const_data_ptr<double>()[i];
    if (std::isfinite(value)) kept.push_back(value);
  }
  std::sort(kept.begin(), kept.end());
  return kept;
}

}  // namespace espalier::noise_diagnostics
