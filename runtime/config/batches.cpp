// The defaults of block_size and micro_batch.
#include <fmt/format.h>

#include <algorithm>

#include "runtime/base/errors.h"
#include "runtime/config/checks.h"
#include "runtime/tensor/spec.h"

namespace espalier::config {
namespace {

// For a small network. An expensive one gets fewer, so that a pass fits into memory and a lost block costs little.
constexpr std::int64_t kMostRows = 16, kMostInBlock = 64;
constexpr double kPassFlops = 4e11;               // budget of one forward pass of a micro-batch, without guidance's second row
constexpr double kBlockFlops = 5e12;              // budget of one evaluation of a whole block
constexpr double kBlockBytes = 64.0 * (1 << 20);  // budget of one recorded step of a block

// The cost of one trajectory: FLOPs of a network evaluation, bytes of a state. 0: not known.
struct RowCost {
  double flops = 0;
  double bytes = 0;
};

// Returns no cost for a folder that cannot be opened or does not fit the domain: planning the stage reports that.
RowCost cost_of(const PipelineSpec& spec, const std::string& folder) {
  if (folder.empty()) return {};
  try {
    const auto network = modelfile::open_network(spec.models.at(folder).folder, spec.networks, spec.load_options(folder));
    if (network == nullptr) return {};
    ModelInfo info;
    info.architecture = network->architecture();
    const auto states = spec.codec(info, folder)->spec();
    return {network->flops(states), static_cast<double>(tensor::bytes_of(states))};
  } catch (const std::exception&) {
    return {};
  }
}

// Returns the largest power of two up to `most` whose cost is within the budget, and at least 1.
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
    if (const auto* start = stage.input("start")) {  // before this stage in the order; block b begins at states of block b
      view.block_size = spec.find(start->tags.front())->sampler.block_size;
      if (view.micro_batch > 0 && view.block_size % view.micro_batch != 0) {
        throw ConfigError(fmt::format("{}: stage '{}': block_size, {} as that of '{}', is a multiple of micro_batch; found {}",
                                      stage.where.to_string(), stage.tag, view.block_size, start->tags.front(), view.micro_batch));
      }
    }
    if (view.block_size == 0 || view.micro_batch == 0) {
      const auto folder = spec.domain == nullptr ? "" : spec.folder_of(stage.tag);
      if (!known.contains(folder)) known.emplace(folder, cost_of(spec, folder));
      fill_in(known.at(folder), view);
    }
    stage.keyed["block_size"] = view.block_size;
    stage.keyed["micro_batch"] = view.micro_batch;
  }
}

}  // namespace espalier::config
