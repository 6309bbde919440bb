#include "plugins/noise_corrector/inverse_noise/flat_states.h"

#include <ATen/ops/cat.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <vector>

#include "runtime/base/errors.h"

namespace espalier::inverse_noise {
namespace {

std::int64_t elements(const TensorSpec& field) {
  std::int64_t count = 1;
  for (const auto size : field.shape) count *= size;
  return count;
}

}  // namespace

FlatStates::FlatStates(const StateSpec& spec) : spec_(spec) {
  for (const auto& [name, field] : spec_) size_ += elements(field);
}

at::Tensor FlatStates::flatten(const State& state) const {
  std::vector<at::Tensor> columns;
  for (const auto& [name, field] : spec_) {
    const auto found = state.find(name);
    if (found == state.end()) throw DataError("noise_corrector.inverse_noise: the examples have no '" + name + "'");
    const auto shape = found->second.sizes().slice(1).vec();
    if (shape != field.shape) {
      throw DataError(fmt::format("noise_corrector.inverse_noise: the examples' '{}' is [{}], but the domain's states are [{}]", name,
                                  fmt::join(shape, ", "), fmt::join(field.shape, ", ")));
    }
    columns.push_back(found->second.to(at::kFloat).reshape({found->second.size(0), -1}));
  }
  return at::cat(columns, 1);
}

State FlatStates::unflatten(const at::Tensor& rows) const {
  State state;
  std::int64_t first = 0;
  for (const auto& [name, field] : spec_) {
    auto shape = field.shape;
    shape.insert(shape.begin(), rows.size(0));
    const auto count = elements(field);
    state.emplace(name, rows.narrow(1, first, count).reshape(shape).to(field.dtype));
    first += count;
  }
  return state;
}

}  // namespace espalier::inverse_noise
