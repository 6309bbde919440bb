#pragma once

#include <chrono>
#include <filesystem>

#include "runtime/base/digest.h"
#include "runtime/exec/record.h"
#include "runtime/sdk/trainer.h"

namespace espalier::exec {

// The training that a checkpoint belongs to.
struct Training {
  Hex model;                   // the key of the model
  std::int64_t last_step = 0;  // optimizer steps in total
};

// A training run's checkpoints and curves on disk:
//   <folder>/checkpoint-<step>/{model,optimizer,ema}.safetensors, state.json, manifest.json (linked last: it makes the checkpoint exist)
// The newest two are kept, so that newest() can fall back if one cannot be used (damaged, of another training, beyond its end, without a
// file). state.json holds the seconds spent and the curves, each point with the time at which it was computed: the curves of a resumed run
// have no missing and no repeated points, and its seconds are those of all attempts.
class TrainingJournal final : public Checkpoints, public CurveLog {
 public:
  // `check` is called before a checkpoint is saved; if it throws, nothing is saved.
  TrainingJournal(
      std::filesystem::path folder, Training training, Progress& progress, std::function<void()> check = [] {})
      : folder_(std::move(folder)), training_(std::move(training)), progress_(progress), check_(std::move(check)) {}

  std::optional<Checkpoint> newest() override;
  void save(const Checkpoint& checkpoint) override;
  void scalar(const std::string& name, std::int64_t step, double value) override;
  const std::vector<CurveRecord>& curves() const { return curves_; }
  double earlier_seconds() const { return earlier_seconds_; }  // spent before this attempt on the checkpoint that newest() returned

 private:
  std::filesystem::path folder_;
  Training training_;
  Progress& progress_;
  std::function<void()> check_;
  std::chrono::steady_clock::time_point begun_ = std::chrono::steady_clock::now();
  double earlier_seconds_ = 0.0;
  std::vector<CurveRecord> curves_;
};

double seconds_since_1970();  // by the system's clock

Value curves_value(const std::vector<CurveRecord>& curves);
std::vector<CurveRecord> curves_from(const Value& value, const std::string& stage);

}  // namespace espalier::exec
