#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "runtime/exec/run.h"
#include "tests/conformance/toy.h"
#include "tests/runtime/base/folder.h"

// Whole pipelines of toy plugins, run in this process.
namespace espalier::exec {

// Of the toy domain, with the model folders "base" and "flow" (of conformance::toy_model) and "broken" (base with a NaN weight):
//   samples: sampler (8 conditions, 4 trajectories each, blocks of 8, 4 steps, micro-batches of 4) -> reward -> filter -> trainer,
//   metrics of scores and of samples; inversions: noise_corrector on the flow.
// `flaws`: by kind, a flaw of tests/conformance/broken.h. More plugins may take the place of the toy ones, and another network that of
// the models' own.
class ToyPipeline {
 public:
  explicit ToyPipeline(const std::map<std::string, std::string>& flaws = {}, std::vector<PluginEntry> instead = {},
                       const network::NetworkEntry& network = conformance::toy_network());

  // Runs the stages of the given tags (and no others), with overrides.
  Record run(const std::vector<std::string>& tags, const std::vector<std::string>& overrides = {});
  // The code and message of the error that such a run ends with; code 0 where it does not.
  std::pair<int, std::string> error(const std::vector<std::string>& tags, const std::vector<std::string>& overrides = {});

  std::int64_t workers = 2;  // of the next runs

  std::unique_ptr<cache::Store> store() const;
  std::string said() const { return said_; }                                                    // by the last run
  std::filesystem::path model(const std::string& name) const { return folder_.path() / name; }  // its folder

 private:
  std::string said_;
  TemporaryFolder folder_;
  plugin::Catalog catalog_;
};

// Rows that the toy domain was asked to decode, over all pipelines, and whether one was not finite.
struct Decodings {
  std::int64_t rows = 0;
  bool nonfinite = false;
};
Decodings& decodings();

}  // namespace espalier::exec
