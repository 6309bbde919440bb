// The defaults of block_size and micro_batch.
#include <algorithm>

#include "runtime/config/checks.h"

namespace espalier::config {
namespace {

// Of a small network. An expensive one gets fewer, so that a pass fits into memory and little is lost with a block.
constexpr std::int64_t kMostRows = 16, kMostInBlock = 64;
constexpr double kPassFlops = 4e11;               // of one forward pass of a micro-batch
constexpr double kBlockFlops = 5e12;              // of one evaluation of all of a block
constexpr double kBlockBytes = 64.0 * (1 << 20);  // of one recorded step of a block

// What a row of a stage costs. 0: not known.
struct RowCost {
  double flops = 0;
  double bytes = 0;
};

double bytes_of(const StateSpec& spec) {
  double bytes = 0;
  for (const auto& [name, field] : spec) {
    double elements = 1;
    for (const auto extent : field.shape) elements *= static_cast<double>(extent);
    bytes += elements * static_cast<double>(c10::elementSize(field.dtype));
  }
  return bytes;
}

// The folder that a stage's model, or the one that its training began with, is from; "": none.
std::string folder_of(const PipelineSpec& spec, const StageSpec& stage) {
  const auto* input = stage.input("model");
  if (input == nullptr || input->tags.empty()) return "";
  const auto& tag = input->tags.front();
  if (spec.is_folder(tag)) return tag;
  const auto* from = spec.find(tag);
  return from == nullptr ? "" : folder_of(spec, *from);
}

// A folder that cannot be opened, or does not fit the domain, is refused where the stage is planned.
RowCost cost_of(const PipelineSpec& spec, const std::string& folder) {
  if (folder.empty()) return {};
  try {
    const auto network = modelfile::open_network(spec.models.at(folder).folder, spec.networks, spec.load_options(folder));
    if (network == nullptr) return {};
    ModelInfo info;
    info.architecture = network->architecture();
    const auto states = spec.codec(info, folder)->spec();
    return {network->flops(states), bytes_of(states)};
  } catch (const std::exception&) {
    return {};
  }
}

// The largest power of two up to `most`, at least 1, whose cost is within the budget.
std::int64_t within(double budget, double each, std::int64_t most) {
  auto count = most;
  while (count > 1 && static_cast<double>(count) * each > budget) count /= 2;
  return count;
}

void fill_in(const RowCost& row, SamplerView& view) {
  const bool rows_given = view.micro_batch > 0;
  if (!rows_given) view.micro_batch = within(kPassFlops, row.flops, kMostRows);
  if (view.block_size == 0) {
    const auto block = std::min(within(kBlockFlops, row.flops, kMostInBlock), within(kBlockBytes, row.bytes, kMostInBlock));
    view.block_size = (block + view.micro_batch - 1) / view.micro_batch * view.micro_batch;
  }
  while (!rows_given && view.block_size % view.micro_batch != 0) view.micro_batch /= 2;
}

}  // namespace

void fill_in_batches(PipelineSpec& spec) {
  std::map<std::string, RowCost> known;
  for (StageSpec& stage : spec.stages) {
    if (stage.kind->gives != ResultKind::trajectories) continue;
    SamplerView& view = stage.sampler;
    if (view.block_size == 0 || view.micro_batch == 0) {
      const auto folder = spec.domain == nullptr ? "" : folder_of(spec, stage);
      if (!known.contains(folder)) known.emplace(folder, cost_of(spec, folder));
      fill_in(known.at(folder), view);
    }
    stage.keyed["block_size"] = view.block_size;
    stage.keyed["micro_batch"] = view.micro_batch;
  }
}

}  // namespace espalier::config
