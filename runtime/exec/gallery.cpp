#include "runtime/exec/gallery.h"

#include <algorithm>
#include <limits>
#include <set>
#include <tuple>

#include "runtime/base/errors.h"
#include "runtime/exec/acceptance.h"
#include "runtime/exec/excluded.h"
#include "runtime/exec/journal.h"
#include "runtime/exec/stage_context.h"
#include "runtime/exec/views.h"
#include "runtime/sdk/check.h"

namespace espalier::exec {
namespace {

constexpr std::size_t kGalleryRows = 8;

struct Shown {
  const config::StageSpec* stage;
  std::vector<Image> images;  // of the view's samples in the first block; an excluded sample's is empty
  std::vector<std::int64_t> condition;
  std::vector<double> reward;           // NaN: not scored
  const config::StageSpec* baseline{};  // the reward stage with whose scores a metric compares these, or nullptr
  std::vector<double> baseline_reward{};
};

std::vector<double> doubles(const Value& list) {
  std::vector<double> numbers;
  for (const auto& number : list.as_list()) numbers.push_back(number.as_number());
  return numbers;
}

bool names(const config::StageSpec& stage, const char* port, const std::string& tag) {
  const auto* input = stage.input(port);
  return input != nullptr && std::find(input->tags.begin(), input->tags.end(), tag) != input->tags.end();
}

// Returns the reward stage whose scores to show for these samples: the first in a metric's comparison, otherwise the first.
const config::StageSpec* judge_of(const Context& context, const std::string& samples) {
  const config::StageSpec* judge = nullptr;
  for (const auto& stage : context.spec.stages) {
    if (stage.kind->gives != ResultKind::scores || stage.input("samples")->tags.front() != samples) continue;
    if (!context.results.contains(stage.tag)) continue;
    const bool compared = std::ranges::any_of(context.spec.stages, [&](const auto& metric) {
      return metric.input("baseline") != nullptr && (names(metric, "scores", stage.tag) || names(metric, "baseline", stage.tag));
    });
    if (compared) return &stage;
    if (judge == nullptr) judge = &stage;
  }
  return judge;
}

// Identifies a reward with its options and its model, independently of the samples that it scores.
Hex reward_identity(const Context& context, const config::StageSpec& stage) {
  auto request = plan::scores_request(stage, context.results).as_map();
  request.erase("set");
  return digest(Value(std::move(request)));
}

// Returns the reward stage with which the first metric that has a baseline compares these scores. Only scores of one reward are compared:
// nullptr if the baseline has other options or another model, or if no metric has a baseline.
const config::StageSpec* baseline_of(const Context& context, const config::StageSpec& scores) {
  for (const auto& stage : context.spec.stages) {
    const auto* input = stage.input("baseline");
    if (input == nullptr || !names(stage, "scores", scores.tag) || input->tags.front() == scores.tag) continue;
    const auto* baseline = context.spec.find(input->tags.front());
    if (!context.results.contains(baseline->tag)) continue;
    if (reward_identity(context, scores) == reward_identity(context, *baseline)) return baseline;
  }
  return nullptr;
}

// Returns those of the block's first `count` samples that are not excluded.
DecodedBlock first_rows(const DecodedBlock& block, std::int64_t count) {
  const auto end = std::lower_bound(block.rows.begin(), block.rows.end(), count);
  if (end == block.rows.begin()) return {};
  return {{block.rows.begin(), end}, rows_of(block.sample, View::range(0, end - block.rows.begin()))};
}

Shown show(Context& context, const config::StageSpec& stage) {
  const auto& result = context.results.at(stage.tag);
  const auto block = block_states(context, result, 0, 0);
  const auto count = std::min<std::size_t>(block->condition.size(), static_cast<std::size_t>(result.count));
  Shown shown{&stage, std::vector<Image>(count), {}, {}};
  const auto [rows, sample] = first_rows(*decoded_block(context, result, 0), static_cast<std::int64_t>(count));
  if (!rows.empty()) {
    auto images = result.codec->draw(sample);
    check_images(context.spec.domain_type, images, static_cast<std::int64_t>(rows.size()));
    for (std::size_t i = 0; i < rows.size(); ++i) shown.images[static_cast<std::size_t>(rows[i])] = std::move(images[i]);
  }
  for (std::size_t i = 0; i < count; ++i) shown.condition.push_back(static_cast<std::int64_t>(block->condition[i]));
  shown.reward.assign(count, std::numeric_limits<double>::quiet_NaN());
  if (const auto* judge = judge_of(context, stage.tag)) {
    const auto scores = read_view_scores(context, judge->tag);
    std::copy_n(scores.begin(), count, shown.reward.begin());
    shown.baseline = baseline_of(context, *judge);
    if (shown.baseline != nullptr) shown.baseline_reward = read_view_scores(context, shown.baseline->tag);
  }
  return shown;
}

// Returns the column that a column is compared with if it is in the same gallery (equal conditions and noise); otherwise "".
std::string baseline_column(const Context& context, const Shown& column, const std::vector<const Shown*>& columns) {
  if (column.baseline == nullptr) return "";
  const auto& samples = context.results.at(column.baseline->tag).samples;
  const auto found = std::find_if(columns.begin(), columns.end(), [&](const Shown* other) { return other->stage->tag == samples; });
  return found == columns.end() ? "" : samples;
}

// Adds a gallery for each group of sampler stages with the same conditions and noise. Rows with an excluded sample are left out.
void add_galleries(const Context& context, const std::vector<Shown>& all, Record& record) {
  std::map<std::tuple<std::string, std::int64_t, std::string, std::uint64_t>, std::vector<const Shown*>> groups;
  for (const auto& shown : all) {
    const auto& view = shown.stage->sampler;
    groups[{view.split, view.max_conditions, view.noise, shown.stage->seed}].push_back(&shown);
  }
  for (const auto& [key, columns] : groups) {
    const auto& conditions = context.spec.conditions(*columns.front()->stage);
    Gallery gallery;
    gallery.split = std::get<0>(key);
    auto rows = columns.front()->images.size();
    for (const auto* column : columns) {
      gallery.columns.push_back(column->stage->tag);
      gallery.baselines.push_back(baseline_column(context, *column, columns));
      rows = std::min(rows, column->images.size());
    }
    for (std::size_t i = 0; i < rows && gallery.rows.size() < kGalleryRows; ++i) {
      if (std::any_of(columns.begin(), columns.end(), [&](const Shown* column) { return column->images[i].rgb.empty(); })) continue;
      auto& row = gallery.rows.emplace_back();
      row.text = conditions.text.at(static_cast<std::size_t>(columns.front()->condition[i]));
      for (std::size_t c = 0; c < columns.size(); ++c) {
        row.cells.push_back({columns[c]->images[i], columns[c]->reward[i]});
        const bool compared = !gallery.baselines[c].empty() && i < columns[c]->baseline_reward.size();
        if (compared) row.cells.back().baseline = columns[c]->baseline_reward[i];
      }
    }
    record.galleries.push_back(std::move(gallery));
  }
}

void add_samples(Context& context, const Shown& shown, Record& record) {
  const auto& conditions = context.spec.conditions(*shown.stage);
  std::string filter;
  std::set<std::int64_t> accepted;
  for (const auto& stage : context.spec.stages) {
    if (stage.kind->gives != ResultKind::selection || plan::samples_stage(context.spec, stage).tag != shown.stage->tag) continue;
    if (!context.results.contains(stage.tag)) continue;
    filter = stage.tag;
    const auto selection = read_selection(context, context.results.at(stage.tag));
    accepted = {selection.index.begin(), selection.index.end()};  // of the last filter, the end of a chain
  }
  for (std::size_t i = 0; i < shown.images.size(); ++i) {
    if (shown.images[i].rgb.empty()) continue;
    SampleRecord sample;
    sample.stage = shown.stage->tag;
    sample.index = static_cast<std::int64_t>(i);
    sample.text = conditions.text.at(static_cast<std::size_t>(shown.condition[i]));
    sample.image = shown.images[i];
    sample.reward = shown.reward[i];
    sample.selection = filter;
    sample.accepted = accepted.contains(sample.index);
    record.samples.push_back(std::move(sample));
  }
}

// Adds the files that the codec writes for a stage's whole view, without the excluded samples.
void add_files(Context& context, const config::StageSpec& stage, Record& record) {
  const auto& result = context.results.at(stage.tag);
  std::map<std::string, std::string> files;
  for (std::int64_t first = 0; first < result.count; first += stage.sampler.block_size) {
    const auto block = decoded_block(context, result, static_cast<std::uint64_t>(first / stage.sampler.block_size));
    const auto [rows, sample] = first_rows(*block, result.count - first);
    if (rows.empty()) continue;
    const auto texts = result.codec->records(sample);
    if (texts.empty()) return;
    for (const auto& [name, text] : texts) files[name] += text;
  }
  for (auto& [name, text] : files) record.files.push_back({stage.tag, name, std::move(text)});
}

void add_scores(Context& context, const config::StageSpec& stage, Record& record) {
  const auto* baseline = baseline_of(context, stage);
  const auto& samples = context.results.at(stage.tag).samples;
  const auto& excluded = excluded_samples(context, samples);
  auto scores = read_view_scores(context, stage.tag);
  for (auto index = excluded.rbegin(); index != excluded.rend(); ++index) scores.erase(scores.begin() + *index);
  record.scores.push_back(
      {stage.tag, samples, std::move(scores), reward_identity(context, stage), baseline == nullptr ? "" : baseline->tag});
}

void add_law(Context& context, const config::StageSpec& stage, Record& record) {
  const auto info = info_of(context, stage);
  const auto& law = info.at("law");
  record.laws.push_back({stage.tag, law.at("acceptance_rate").as_number(), law.at("kl_nats").as_number(),
                         law.at("expected_quantile").as_number(), info.at("accepted").as_integer(), info.at("total").as_integer(),
                         info.at("invalid").as_integer(), doubles(law.at("quantile")), doubles(law.at("density")),
                         law.at("formula").as_string()});
  const auto selection = read_selection(context, context.results.at(stage.tag));
  record.laws.back().by_condition = acceptance_by_condition(context, stage, selection);
  if (law.find("kl_interval") == nullptr) return;
  const auto interval = [&](const char* name) {
    const auto bounds = doubles(law.at(name));
    return intervals::Interval{bounds.at(0), bounds.at(1)};
  };
  auto& added = record.laws.back();
  added.kl_interval = interval("kl_interval"), added.quantile_interval = interval("quantile_interval");
  added.kl_bias = law.at("kl_bias").as_number(), added.quantile_bias = law.at("quantile_bias").as_number();
  added.effective_sample_size = law.at("effective_sample_size").as_number();
  added.reshaped_reward = doubles(law.at("reshaped_reward"));
}

void add_findings(Context& context, const config::StageSpec& stage, Record& record) {
  record.findings.push_back({stage.tag, read_findings(context, stage), info_of(context, stage).at("time").as_number()});
}

void describe(Context& context, const config::StageSpec& stage, std::vector<Shown>& shown, Record& record) {
  if (stage.kind->samples()) {
    shown.push_back(show(context, stage));
    add_files(context, stage, record);
  }
  if (stage.kind->gives == ResultKind::scores) add_scores(context, stage, record);
  if (stage.kind->gives == ResultKind::selection) add_law(context, stage, record);
  if (stage.kind->gives == ResultKind::findings) add_findings(context, stage, record);
  if (stage.kind->gives == ResultKind::model) {
    const auto info = info_of(context, stage);
    for (auto& curve : curves_from(info.at("curves"), stage.tag)) record.curves.push_back(std::move(curve));
  }
}

}  // namespace

void describe_results(Context& context, Record& record) {
  std::vector<Shown> shown;
  for (const auto& stage : context.spec.stages) {
    if (context.results.contains(stage.tag)) with_stage_context(stage, [&] { describe(context, stage, shown, record); });
  }
  add_galleries(context, shown, record);
  for (const auto& column : shown) add_samples(context, column, record);
}

}  // namespace espalier::exec
