// A reward that fails in the way that the environment names, for tests of what the program makes of it.
#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros.h>

#include <cstdlib>
#include <map>
#include <new>
#include <stdexcept>
#include <string>

#include "runtime/sdk/plugin.h"

namespace {

bool ill(const char* place) {
  const char* value = std::getenv("ESPALIER_TEST_ILL");
  return value != nullptr && std::string(value) == place;
}

void fail(const char* place) {
  if (ill(place)) throw std::runtime_error(std::string("the ") + place + " is ill");
}

struct Static {
  Static() {
    fail("library");
    if (ill("static exit")) std::exit(0);
  }
} const early;

class Ill final : public espalier::Reward {
 public:
  Ill() { fail("constructor"); }
  ~Ill() override { fail("destructor"); }  // NOLINT(bugprone-exception-escape)
  void options(espalier::Schema&) override { fail("declaration"); }
  at::Tensor score(const espalier::RewardInput& input) const override {
    if (ill("exit")) std::exit(0);
    if (ill("int")) throw 7;
    if (ill("look-up")) return std::map<std::string, at::Tensor>().at("nothing");
    if (ill("LibTorch")) return at::zeros({2}) + at::zeros({3});
    if (ill("memory")) throw std::bad_alloc();
    return at::zeros({input.sample.tensors.at("image").size(0)});
  }
};

}  // namespace

ESPALIER_PLUGIN(plugin) { plugin.reward<Ill>("ill", 1, "Fails as the environment says."); }
