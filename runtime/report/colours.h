#pragma once

#include <map>
#include <string>

#include "runtime/exec/record.h"

namespace espalier::report {

// One colour a stage in every table, image and chart of the page. Trainers, filters and samplers of the base model have colours of
// their own; a stage that shows another's work (a sampler of a trained model, its rewards, its scalars) has that stage's colour, so
// that a fine-tuned model is one colour from its loss to its gain.
class Colours {
 public:
  static constexpr int kCount = 10;  // page.css and page.js have as many; more stages begin again

  explicit Colours(const exec::Record& record);
  int of(const std::string& stage) const;  // 0..kCount-1; 0 for an unknown stage

 private:
  std::map<std::string, int> colour_;
};

}  // namespace espalier::report
