#pragma once

#include <filesystem>

#include "runtime/exec/record.h"
#include "runtime/sdk/trainer.h"

namespace espalier::exec {

// A training run's checkpoints and curves on disk:
//   <folder>/checkpoint-<step>/{model,optimizer,ema}.safetensors, state.json, manifest.json (linked last: it makes the checkpoint exist)
// The newest two are kept, so that a damaged one falls back. Curves travel in state.json, each point with
// the time at which it was computed: a resumed run's curves have no hole and no twin.
class TrainingJournal final : public Checkpoints, public CurveLog {
 public:
  TrainingJournal(std::filesystem::path folder, Progress& progress) : folder_(std::move(folder)), progress_(progress) {}

  std::optional<Checkpoint> newest() override;
  void save(const Checkpoint& checkpoint) override;
  void scalar(const std::string& name, std::int64_t step, double value) override;
  const std::vector<CurveRecord>& curves() const { return curves_; }

 private:
  std::filesystem::path folder_;
  Progress& progress_;
  std::vector<CurveRecord> curves_;
};

double seconds_since_1970();  // by the system's clock

Value curves_value(const std::vector<CurveRecord>& curves);
std::vector<CurveRecord> curves_from(const Value& value, const std::string& stage);

}  // namespace espalier::exec
