#pragma once

#include <map>
#include <string>
#include <vector>

#include "runtime/sdk/domain.h"

namespace espalier {

// One reward's numbers over a view, with what each was scored against.
struct ScoredView {
  std::string tag;                      // of the reward stage
  std::vector<double> score;            // [N]
  std::vector<std::int64_t> condition;  // [N]
};

struct MetricInput {
  std::map<std::string, std::vector<ScoredView>> scores;  // by input port ("scores", "baseline")
  random::StreamKey key;
};

struct Figure {
  std::string name;
  double value = 0.0;
  double low = 0.0;  // 95 % interval; NaN when there is none
  double high = 0.0;
};

class Metric : public Plugin {
 public:
  virtual std::vector<Figure> figures(const MetricInput& input) const = 0;
};

}  // namespace espalier
