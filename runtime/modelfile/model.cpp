#include "runtime/modelfile/model.h"

#include <c10/core/ScalarType.h>

#include "runtime/base/errors.h"

namespace espalier {

Value CorrectedSampling::to_value() const { return Value::Map{{"weights", weights}, {"num_inference_steps", num_inference_steps}}; }

CorrectedSampling CorrectedSampling::from_value(const Value& value) {
  return {value.at("weights").as_string(), value.at("num_inference_steps").as_integer()};
}

Value ModelInfo::to_value() const {
  Value value;
  value["digest"] = digest;
  value["architecture"] = architecture;
  value["process"] = process;
  value["role"] = role;
  value["last_step"] = last_step.to_value();
  value["trained_num_steps"] = trained_num_steps;
  if (corrects) value["corrects"] = corrects->to_value();
  return value;
}

ModelInfo ModelInfo::from_value(const Value& value) {
  ModelInfo info;
  info.digest = value.at("digest").as_string();
  info.architecture = value.at("architecture");
  info.process = value.at("process");
  info.role = value.at("role").as_string();
  info.last_step = Step::from_value(value.at("last_step"));
  info.trained_num_steps = value.at("trained_num_steps").as_integer();
  if (const auto* corrects = value.find("corrects")) info.corrects = CorrectedSampling::from_value(*corrects);
  return info;
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
