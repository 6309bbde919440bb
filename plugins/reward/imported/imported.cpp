// The scores that another program gave, as `espalier import-scores` has checked them.
#include <ATen/ops/empty.h>
#include <fmt/format.h>

#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "runtime/base/errors.h"
#include "runtime/base/files.h"
#include "runtime/sdk/plugin.h"

namespace {

using namespace espalier;

constexpr const char* kFormat = "espalier scores 1";
constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

// {"format": "espalier scores 1", "scored_set": {"set", "decoder", "count"}, "scores": [0.5, null, ...], ...}
struct ScoreFile {
  Value scored_set;
  Value scores;  // a list, of each trajectory its number or null
};

bool is_set(const Value* set) {
  if (set == nullptr || !set->is_map()) return false;
  const auto *id = set->find("set"), *decoder = set->find("decoder"), *count = set->find("count");
  return id != nullptr && id->is_string() && decoder != nullptr && decoder->is_string() && count != nullptr && count->is_integer();
}

ScoreFile read_scores(const std::string& path) {
  const auto value = parse_json(read_file(path), path);
  const auto* format = value.is_map() ? value.find("format") : nullptr;
  if (format == nullptr || *format != Value(kFormat)) {
    throw DataError(
        fmt::format("{}: is no file of scores, whose \"format\" is \"{}\"; 'espalier import-scores' writes one", path, kFormat));
  }
  const auto *set = value.find("scored_set"), *scores = value.find("scores");
  if (!is_set(set)) throw DataError(path + ": 'scored_set' has not \"set\", \"decoder\" and \"count\"");
  const auto count = set->at("count").as_integer();
  if (scores == nullptr || !scores->is_list() || std::ssize(scores->as_list()) != count) {
    throw DataError(fmt::format("{}: 'scores' is no list of {} entries, one for each sample", path, count));
  }
  for (const auto& score : scores->as_list()) {
    if (!score.is_number() && !score.is_null()) {
      throw DataError(fmt::format("{}: 'scores' holds {}; a score is a number, or null where there is none", path, to_json(score)));
    }
  }
  return {*set, *scores};
}

class Imported final : public Reward {
 public:
  void options(Schema& schema) override {
    schema.path("file", file_, "The scores, a file of `espalier import-scores`; its content is in the key.").required().operational();
  }
  void inputs(Inputs& in) override { in.trajectories("samples").sampled(); }

  void check() const override { read_scores(file_); }

  // The engine compares "scored_set" with the samples of the stage before it plans any work.
  Value identity() const override {
    const auto file = read_scores(file_);
    return Value::Map{{"scored_set", file.scored_set}, {"scores", digest(file.scores)}};
  }

  void open(const RewardContext&) override {
    const auto file = read_scores(file_);
    score_.clear();
    for (const auto& score : file.scores.as_list()) score_.push_back(score.is_null() ? kNone : score.as_number());
  }

  // A block is scored whole: its samples beyond the view, which were not exported, have no score.
  at::Tensor score(const RewardInput& input) const override {
    if (input.index.size() != input.text.size()) throw StageError("reward.imported: needs the numbers of the trajectories");
    at::Tensor scores = at::empty({std::ssize(input.index)}, at::kDouble);
    for (std::size_t i = 0; i < input.index.size(); ++i) {
      const auto index = static_cast<std::size_t>(input.index[i]);
      scores.mutable_data_ptr<double>()[i] = index < score_.size() ? score_[index] : kNone;
    }
    return scores;
  }

 private:
  std::string file_;
  std::vector<double> score_;  // by the number of the trajectory
};

}  // namespace

ESPALIER_PLUGIN(plugin) {
  plugin.reward<Imported>("imported", /*numerics_version=*/1, "The scores that another program gave to an export of the samples.");
}
