#include "runtime/exec/device.h"

#include <ATen/Context.h>
#include <dlfcn.h>

#include <fstream>
#include <string>

#include "runtime/base/errors.h"

namespace espalier::exec {
namespace {

std::string cpu_model() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.rfind("model name", 0) == 0) return line.substr(line.find(':') + 2);
  }
  return "unknown";
}

// Why CUDA cannot be used; "" if it can.
std::string load_cuda() {
  if (!dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_GLOBAL)) return dlerror();
  if (!at::globalContext().hasCUDA()) return "LibTorch finds no usable GPU (is the driver there? see nvidia-smi)";
  return "";
}

}  // namespace

at::Device open_device(const std::string& name) {
  if (name != "cuda") return at::Device(at::kCPU);
  if (const auto reason = load_cuda(); !reason.empty()) {
    throw StageError("[device] type = \"cuda\": " + reason + "; set device.type = \"cpu\" or run where a GPU is");
  }
  // Equal bits on every run of one machine: no TF32, no autotuned or non-deterministic kernels.
  auto& context = at::globalContext();
  context.setAllowTF32CuBLAS(false);
  context.setAllowTF32CuDNN(false);
  context.setBenchmarkCuDNN(false);
  context.setDeterministicCuDNN(true);
  return at::Device(at::kCUDA, 0);
}

bool cuda_available() { return load_cuda().empty(); }

Value numerics_class(at::Device device, int threads) {
  return Value::Map{{"cpu", cpu_model()}, {"libtorch", ESPALIER_TORCH_VERSION}, {"device", device.str()}, {"threads", threads}};
}

}  // namespace espalier::exec
