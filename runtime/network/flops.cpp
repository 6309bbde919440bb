#include "runtime/network/flops.h"

#include <ATen/core/Tensor.h>
#include <ATen/core/ivalue.h>
#include <ATen/record_function.h>

#include <memory>
#include <string_view>

namespace espalier::network {
namespace {

thread_local double counted = 0;

double elements(const c10::IValue& value) { return static_cast<double>(value.toTensor().numel()); }
double extent(const c10::IValue& value, std::int64_t dimension) { return static_cast<double>(value.toTensor().size(dimension)); }

// A call under way: what it costs for each element of its result. Its inputs can be read only at its start, its result only at its end.
struct Call : at::ObserverContext {
  explicit Call(double flops) : per_element(flops) {}
  double per_element;
};

// Counted where the work is done: each of these calls none of the others.
double flops_per_element(std::string_view name, c10::ArrayRef<const c10::IValue> in) {
  if (name == "aten::mm" || name == "aten::bmm") return 2 * extent(in[0], -1);
  if (name == "aten::addmm" || name == "aten::baddbmm") return 2 * extent(in[1], -1);
  if (name == "aten::_scaled_dot_product_flash_attention_for_cpu" || name == "aten::_scaled_dot_product_flash_attention" ||
      name == "aten::_scaled_dot_product_efficient_attention" || name == "aten::_scaled_dot_product_cudnn_attention") {
    return 2 * extent(in[1], -2) * (extent(in[0], -1) + extent(in[2], -1)) / extent(in[2], -1);  // q k^T, and its product with v
  }
  if (name != "aten::_convolution" || in[6].toBool()) return 0;
  return 2 * elements(in[1]) / extent(in[1], 0);
}

std::unique_ptr<at::ObserverContext> start(const at::RecordFunction& function) {
  const std::string_view name = function.name();
  const auto in = function.inputs();
  if (name == "aten::_convolution" && in[6].toBool()) counted += 2 * elements(in[0]) * elements(in[1]) / extent(in[1], 0);  // transposed
  const double flops = flops_per_element(name, in);
  return flops > 0 ? std::make_unique<Call>(flops) : nullptr;
}

void finish(const at::RecordFunction& function, at::ObserverContext* call) {
  if (call != nullptr) counted += static_cast<Call*>(call)->per_element * elements(function.outputs()[0]);
}

}  // namespace

double count_flops(const std::function<void()>& work) {
  struct Observer {
    at::CallbackHandle handle = at::addThreadLocalCallback(
        at::RecordFunctionCallback(start, finish).needsInputs(true).needsOutputs(true).scopes({at::RecordScope::FUNCTION}));
    ~Observer() { at::removeCallback(handle); }
  };
  counted = 0;
  const Observer observer;
  work();
  return counted;
}

}  // namespace espalier::network
