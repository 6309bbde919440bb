// A plugin whose constructor writes a file, so that a test detects whether any of its code ran.
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <stdexcept>
#include <string>

#include "runtime/sdk/plugin.h"

namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

__attribute__((constructor)) void sing() {
  if (const std::string path = variable("ESPALIER_TEST_CANARY"); !path.empty()) std::ofstream(path) << "sang";
  if (const std::string song = variable("ESPALIER_TEST_PRINT"); !song.empty()) std::puts(song.c_str());
}

class Canary final : public espalier::Metric {
 public:
  espalier::Findings measure(const espalier::MetricInput&) const override { return {.scalars = {{.name = "canary", .value = 1.0}}}; }
};

}  // namespace

ESPALIER_PLUGIN(plugin) {
  if (const std::string song = variable("ESPALIER_TEST_PRINT"); !song.empty()) std::cout << song << std::endl;
  const std::string way = variable("ESPALIER_TEST_REGISTER");
  if (way == "nothing") return;
  plugin.metric<Canary>(way == "bad name" ? "Can ary" : "canary", 3, "Sings.");
  if (way == "throws") throw std::runtime_error("the canary is ill");
  if (way == "throws an integer") throw 7;
  if (way == "same name twice") plugin.metric<Canary>("canary", 3, "Sings.");
}
