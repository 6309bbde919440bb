// Selections, laws, scores, trained models and defaults.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "runtime/network/adapter.h"
#include "runtime/sdk/check.h"
#include "runtime/sdk/check_require.h"
#include "runtime/tensor/finite.h"

namespace espalier {
namespace {

using check::described;
using check::require;

void check_same_tensors(const std::string& who, const Weights& trained, const Weights& start) {
  for (const auto& [name, tensor] : start) {
    const auto found = trained.find(name);
    require(found != trained.end(), who, "train() returned a model without the tensor '{}' of the model that it started from", name);
    const auto dtype = found->second.scalar_type();  // float32 where the model is computed in less: trained weights are
    require(found->second.sizes() == tensor.sizes() &&
                (dtype == tensor.scalar_type() || (dtype == at::kFloat && at::isReducedFloatingType(tensor.scalar_type()))),
            who, "train() returned the tensor '{}' as {}; the model that it started from has {}", name, described(found->second),
            described(tensor));
  }
  for (const auto& [name, tensor] : trained) {
    require(start.contains(name), who, "train() returned a model with the tensor '{}', which the model that it started from has not", name);
  }
}

// What is stored of a model with an adapter is the adapter: the rest stays the base's, in its own memory.
void check_shared_base(const std::string& who, const Weights& trained, const Weights& start) {
  const auto base = network::without_adapter(start), rest = network::without_adapter(trained);
  check_same_tensors(who, rest, base);
  for (const auto& [name, tensor] : rest) {
    require(tensor.data_ptr() == base.at(name).data_ptr(), who,
            "train() returned a model with an adapter whose tensor '{}' is not that of the model that it started from; with an adapter the "
            "base is neither changed nor copied",
            name);
  }
}

// Throws where the digests of a trained model are not those of its weights.
void check_digests(const std::string& who, const Model& trained, const Model& start) {
  const auto adapter = network::adapter_of(trained.weights);
  require(adapter.empty() == trained.info.adapter.empty(), who, "train() returned a model with {} of an adapter, but its info {}",
          adapter.empty() ? "no tensor" : "tensors", adapter.empty() ? "has one" : "has none");
  auto digest = digest_weights(adapter.empty() ? trained.weights : adapter);
  if (!adapter.empty()) {
    require(trained.info.adapter == digest && trained.info.base == start.info.without_adapter(), who,
            "train() returned a model whose info has the adapter '{}' on the base '{}'; they are '{}' and '{}'", trained.info.adapter,
            trained.info.base, digest, start.info.without_adapter());
    digest = digest_with_adapter(trained.info.base, trained.info.adapter);
  }
  require(trained.info.digest == digest, who, "train() returned a model whose info has the digest '{}'; that of its weights is {}",
          trained.info.digest, digest);
}

// All that trained_info() promises: without the digest, and without the architecture of a model that no sampler takes.
void check_planned(const std::string& who, const ModelInfo& made, const ModelInfo& planned) {
  const auto same = [&](const char* what, const Value& found, const Value& expected) {
    require(found == expected, who, "train() returned a model with {} {}; trained_info() had promised {}", what, to_json(found),
            to_json(expected));
  };
  same("the role", made.role, planned.role);
  same("the process", made.process, planned.process);
  same("the last step", made.last_step.to_value(), planned.last_step.to_value());
  same("trained_num_steps", made.trained_num_steps, planned.trained_num_steps);
  const auto value_of = [](const auto& corrects) { return corrects ? corrects->to_value() : Value(); };
  same("`corrects`", value_of(made.corrects), value_of(planned.corrects));
  same("an adapter", !made.adapter.empty(), !planned.adapter.empty());
  if (made.role == kDenoiser) same("the architecture", made.architecture, planned.architecture);
}

void check_parts(const std::string& who, const Model& model) {
  if (model.info.role != kDenoiser) return;
  require(model.network != nullptr && model.process != nullptr, who, "a model of the role 'denoiser' has no {}; samplers need it",
          model.network == nullptr ? "network" : "process");
  require(model.info.process == model.process->config(), who, "a model's info has the process {}; its process is {}",
          to_json(model.info.process), to_json(model.process->config()));
}

}  // namespace

void check_defaults(const std::string& who, Schema& schema) {
  Value defaults;
  for (const auto& info : schema.infos()) {
    if (!info.required) defaults[info.name] = info.default_value;
  }
  for (const auto& problem : schema.read(defaults)) {
    if (!defaults.contains(problem.option)) continue;  // a required one has no default
    throw PluginError(who + ": the default breaks its own declaration: it " + problem.message);
  }
}

void check_selection(const std::string& who, const Selection& selection, const FilterInput& offered) {
  const auto& index = selection.index;
  require(index.size() == selection.weight.size(), who, "select() gave {} indices and {} weights; every accepted index has one weight",
          index.size(), selection.weight.size());
  for (std::size_t i = 0; i < index.size(); ++i) {
    if (i > 0) {
      require(index[i] != index[i - 1], who, "select() gave the index {} twice; accepted indices ascend, each once", index[i]);
      require(index[i] > index[i - 1], who, "select() gave the index {} after {}; accepted indices ascend, each once", index[i],
              index[i - 1]);
    }
    const auto found = std::lower_bound(offered.index.begin(), offered.index.end(), index[i]);
    require(found != offered.index.end() && *found == index[i], who,
            "select() accepted trajectory {}, which it was not offered; it chooses among the indices of its input", index[i]);
    const double score = offered.score.at(static_cast<std::size_t>(found - offered.index.begin()));
    require(std::isfinite(score), who, "select() accepted trajectory {}, whose score is {}; NaN and infinities are never accepted",
            index[i], score);
    require(std::isfinite(selection.weight[i]) && selection.weight[i] > 0.0, who,
            "select() gave trajectory {} the weight {}; weights are finite and above 0", index[i], selection.weight[i]);
  }
}

void check_scores(const std::string& who, const at::Tensor& score, std::int64_t samples) {
  require(score.defined(), who, "score() gave an undefined tensor for {} samples; a score is [B], float or double", samples);
  const bool right =
      score.dim() == 1 && score.size(0) == samples && (score.scalar_type() == at::kFloat || score.scalar_type() == at::kDouble);
  require(right, who, "score() gave {} for {} samples; a score is [B], float or double", described(score), samples);
}

void check_trained(const std::string& who, const Model& trained, const Model& start, const std::optional<ModelInfo>& planned) {
  require(!trained.weights.empty(), who, "train() returned a model without weights");
  for (const auto& [name, tensor] : trained.weights) {
    require(tensor.defined(), who, "train() returned the tensor '{}' undefined", name);
    require(!tensor.requires_grad(), who, "train() returned the tensor '{}' still requiring gradients; detach it", name);
  }
  require(!trained.info.role.empty(), who, "train() returned a model without a role");
  const bool adapted = network::has_adapter(trained.weights);
  if (adapted) {
    check_shared_base(who, trained.weights, start.weights);
  } else if (trained.info.architecture == start.info.architecture) {
    check_same_tensors(who, trained.weights, start.weights);
  }
  const auto nonfinite = tensor::nonfinite_tensor(adapted ? network::adapter_of(trained.weights) : trained.weights);
  require(nonfinite.empty(), who, "train() returned a model whose tensor {}; a training that diverges throws StageError", nonfinite);
  check_parts(who, trained);
  if (planned) check_planned(who, trained.info, *planned);
  check_digests(who, trained, start);
}

}  // namespace espalier
