#include "runtime/sdk/view.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/tensor.h>

#include <numeric>

#include "runtime/base/errors.h"

namespace espalier {
namespace {

[[noreturn]] void missing(const char* what) { throw InternalError(std::string("this view has no ") + what); }

}  // namespace

State ViewSource::noise(const std::vector<std::int64_t>&) const { missing("noise"); }
random::Draws ViewSource::draws(std::int64_t, const std::vector<std::int64_t>&) const { missing("draws"); }
Sample ViewSource::decoded(const std::vector<std::int64_t>&) const { missing("decoded samples"); }
Conditions ViewSource::conditions(const std::vector<std::int64_t>&) const { missing("conditions"); }
std::vector<double> ViewSource::scores(const std::string&, const std::vector<std::int64_t>&) const { missing("scores"); }

View::View(ViewInfo info, std::shared_ptr<const ViewSource> source)
    : info_(std::make_shared<const ViewInfo>(std::move(info))), source_(std::move(source)) {
  if (info_->index.size() != info_->condition.size()) throw InternalError("a view has one condition a row");
}

View::Rows View::range(std::int64_t first, std::int64_t count) {
  Rows rows(static_cast<std::size_t>(count));
  std::iota(rows.begin(), rows.end(), first);
  return rows;
}

Transition View::transition(std::int64_t steps_remaining, const Rows& rows) const {
  const auto& grid = info_->grid;
  if (steps_remaining < 1 || steps_remaining > grid.num_steps()) {
    throw InternalError("a grid of " + std::to_string(grid.num_steps()) + " steps has no step from " + std::to_string(steps_remaining) +
                        " steps remaining");
  }
  return {steps_remaining == grid.num_steps() ? noise(rows) : states(steps_remaining, rows), states(steps_remaining - 1, rows),
          grid.at(steps_remaining), grid.at(steps_remaining - 1)};
}

View View::part(const Rows& rows) const {
  ViewInfo info{info_->tag, info_->grid, info_->codec, trajectories(rows), {}};
  for (const auto row : rows) info.condition.push_back(info_->condition[static_cast<std::size_t>(row)]);
  return {std::move(info), source_};
}

std::vector<std::int64_t> View::trajectories(const Rows& rows) const {
  std::vector<std::int64_t> index;
  index.reserve(rows.size());
  for (const auto row : rows) {
    if (row < 0 || row >= size())
      throw InternalError("row " + std::to_string(row) + " of the " + std::to_string(size()) + " of '" + tag() + "' was asked for");
    index.push_back(info_->index[static_cast<std::size_t>(row)]);
  }
  return index;
}

Sample joined(const std::vector<Sample>& samples) {
  if (samples.empty()) throw InternalError("there are no samples to join");
  Sample whole;
  whole.kind = samples.front().kind;
  for (const auto& [name, tensor] : samples.front().tensors) {
    std::vector<at::Tensor> parts;
    for (const auto& sample : samples) parts.push_back(sample.tensors.at(name));
    whole.tensors.emplace(name, at::cat(parts));
  }
  for (const auto& [name, text] : samples.front().strings) {
    auto& all = whole.strings[name];
    for (const auto& sample : samples) all.insert(all.end(), sample.strings.at(name).begin(), sample.strings.at(name).end());
  }
  return whole;
}

Sample rows_of(const Sample& sample, const std::vector<std::int64_t>& rows) {
  Sample part;
  part.kind = sample.kind;
  for (const auto& [name, tensor] : sample.tensors)
    part.tensors.emplace(name, tensor.index_select(0, at::tensor(rows, at::kLong).to(tensor.device())));
  for (const auto& [name, text] : sample.strings) {
    auto& some = part.strings[name];
    for (const auto row : rows) some.push_back(text.at(static_cast<std::size_t>(row)));
  }
  return part;
}

}  // namespace espalier
