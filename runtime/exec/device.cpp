#include "runtime/exec/device.h"

#include <ATen/Context.h>
#include <ATen/Version.h>
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

// The name of the first GPU that this process may use. Uses only the driver, because `plan` needs the name too and opens no device.
std::string gpu_name() {
  void* const driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (driver == nullptr) return "none";
  const auto init = reinterpret_cast<int (*)(unsigned)>(dlsym(driver, "cuInit"));
  const auto get = reinterpret_cast<int (*)(int*, int)>(dlsym(driver, "cuDeviceGet"));
  const auto name_of = reinterpret_cast<int (*)(char*, int, int)>(dlsym(driver, "cuDeviceGetName"));
  int gpu = 0;
  char name[256] = {};
  const bool found = init != nullptr && get != nullptr && name_of != nullptr && init(0) == 0 && get(&gpu, 0) == 0 &&
                     name_of(name, sizeof name - 1, gpu) == 0;
  return found ? name : "none";
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

Value numerics_class(const std::string& device) {
  return Value::Map{
      {"cpu", cpu_model()},
      {"cpu_capability", at::get_cpu_capability()},  // the kernels that LibTorch chose: a machine may not offer all that its CPU has
      {"libtorch", ESPALIER_TORCH_VERSION},
      {"device", device == "cuda" ? "cuda: " + gpu_name() : device}};
}

}  // namespace espalier::exec
