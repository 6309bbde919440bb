#include "plugins/shared/elements/set_domain.h"

#include <fmt/format.h>

#include "plugins/shared/folder/data.h"
#include "runtime/base/errors.h"

namespace espalier::elements {
namespace {

constexpr const char* kNetwork = "transformer/config.json";
constexpr const char* kScheduler = "scheduler/scheduler_config.json";

void check_number(const char* origin, const Value& config, const char* key, std::int64_t expected) {
  const auto found = config.at(key).as_integer();
  if (found == expected) return;
  throw DataError(fmt::format("{}: {} is {}, but the domain's states have {}", origin, key, found, expected));
}

void check_model(const SetShape& shape, const ModelInfo& model) {
  const Value* network = model.architecture.is_map() ? model.architecture.find("transformer") : nullptr;
  if (network == nullptr) {
    throw DataError(fmt::format("{}: the model has no such network; sets of elements need an ElementTransformer", kNetwork));
  }
  check_number(kNetwork, *network, "num_classes", shape.num_classes);
  check_number(kNetwork, *network, "vector_dim", shape.vector_dim);
  check_number(kNetwork, *network, "max_elements", shape.num_elements);
  const auto process = diffusion::make_process(model.process, kScheduler)->name();
  if (process != "interleaved") {
    throw DataError(fmt::format("{}: the process is '{}'; sets of elements need an InterleavedScheduler", kScheduler, process));
  }
  check_number(kScheduler, model.process, "num_elements", shape.num_elements);
  check_number(kScheduler, model.process, "num_classes", shape.num_classes);
}

}  // namespace

SetCodec::SetCodec(const SetShape& shape, const ModelInfo* model) : shape_(shape) {
  if (model != nullptr) check_model(shape, *model);
}

void SetDomain::note(const std::string& plugin, const std::string& line) {
  folder::print_note(plugin, line);
  notes_.push_back(line);
}

}  // namespace espalier::elements
