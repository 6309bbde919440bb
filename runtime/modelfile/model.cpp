#include "runtime/modelfile/model.h"

#include <c10/core/ScalarType.h>

#include <set>

#include "runtime/base/errors.h"
#include "runtime/tensor/dtype.h"

namespace espalier {

Value CorrectedSampling::to_value() const { return Value::Map{{"weights", weights}, {"num_inference_steps", num_inference_steps}}; }

CorrectedSampling CorrectedSampling::from_value(const Value& value) {
  return {value.at("weights").as_string(), value.at("num_inference_steps").as_integer()};
}

Value ModelInfo::annotations() const {
  Value value = Value::Map{{"role", role}, {"last_step", last_step.to_value()}, {"trained_num_steps", trained_num_steps}};
  if (corrects) value["corrects"] = corrects->to_value();
  if (!base.empty()) value["base"] = base;
  if (!adapter.empty()) value["adapter"] = adapter;
  if (!settings.as_map().empty()) value["settings"] = settings;
  return value;
}

void ModelInfo::read_annotations(const Value& value) {
  role = value.at("role").as_string();
  if (const auto* step = value.find("last_step")) last_step = Step::from_value(*step);
  if (const auto* steps = value.find("trained_num_steps")) trained_num_steps = steps->as_integer();
  if (const auto* flow = value.find("corrects")) corrects = CorrectedSampling::from_value(*flow);
  if (const auto* digest_of_base = value.find("base")) base = digest_of_base->as_string();
  if (const auto* digest_of_adapter = value.find("adapter")) adapter = digest_of_adapter->as_string();
  if (const auto* given = value.find("settings")) settings = *given;
}

Value ModelInfo::function() const {
  Value value = Value::Map{{"digest", digest}, {"architecture", architecture}, {"process", process}};
  if (!text_front.empty()) value["text_front"] = text_front;
  if (network_version != 1) value["network_version"] = network_version;
  if (dtype != at::kFloat) value["dtype"] = tensor::dtype_name(dtype);
  if (!settings.as_map().empty()) value["settings"] = settings;
  return value;
}

Value ModelInfo::to_value() const {
  auto value = function();
  const auto added = annotations();
  for (const auto& [name, field] : added.as_map()) value[name] = field;
  return value;
}

ModelInfo ModelInfo::from_value(const Value& value) {
  ModelInfo info;
  info.read_annotations(value);
  info.digest = value.at("digest").as_string();
  info.architecture = value.at("architecture");
  info.process = value.at("process");
  if (const auto* front = value.find("text_front")) info.text_front = front->as_string();
  if (const auto* version = value.find("network_version")) info.network_version = version->as_integer();
  if (const auto* name = value.find("dtype")) {
    const auto known = tensor::compute_dtype(name->as_string());
    if (!known) throw DataError("a model's dtype is '" + name->as_string() + "', which is not known");
    info.dtype = *known;
  }
  return info;
}

Hex digest_with_adapter(const Hex& base, const Hex& adapter) { return espalier::digest(Value::Map{{"base", base}, {"adapter", adapter}}); }

std::vector<std::string> components_of(const Weights& weights) {
  std::set<std::string> components;
  for (const auto& [name, tensor] : weights) components.insert(name.substr(0, name.find('.')));
  return {components.begin(), components.end()};
}

Hex digest_weights(const Weights& weights) {
  Sha256 hash;
  for (const auto& [name, weight] : weights) {  // a map is sorted
    if (!weight.defined()) throw InternalError("the tensor '" + name + "' is undefined and has no digest");
    const auto tensor = weight.detach().to(at::kCPU).contiguous();
    Value::List shape;
    for (const auto size : tensor.sizes()) shape.push_back(Value(std::int64_t{size}));
    Value header;
    header["name"] = name;
    header["dtype"] = c10::toString(tensor.scalar_type());
    header["shape"] = Value(std::move(shape));
    hash.update(canonical_bytes(header));
    hash.update(tensor.const_data_ptr(), tensor.nbytes());
  }
  return hash.finish_hex();
}

}  // namespace espalier
