#include "tests/runtime/report/fixture.h"

#include <stdlib.h>

#include <array>
#include <cmath>
#include <limits>
#include <random>
#include <stdexcept>

namespace espalier::report {
namespace {

constexpr double kStarted = 1769860800.0;  // 2026-01-31T12:00:00Z
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
const std::array<std::string, 4> kColours = {"red", "green", "blue", "yellow"};
const std::array<std::array<int, 3>, 4> kRgb = {{{220, 60, 50}, {60, 170, 80}, {60, 100, 220}, {235, 200, 50}}};
const std::array<std::string, 4> kRelations = {"above", "below", "left of", "right of"};

// A disc of one colour and a square of another.
Image shapes_image(std::size_t first, std::size_t second, std::size_t relation) {
  Image image{24, 24, std::vector<std::uint8_t>(std::size_t{3} * 24 * 24, 245)};
  const std::array<std::array<int, 4>, 4> centre = {{{12, 6, 12, 18}, {12, 18, 12, 6}, {6, 12, 18, 12}, {18, 12, 6, 12}}};
  for (int y = 0; y < 24; ++y) {
    for (int x = 0; x < 24; ++x) {
      const auto& c = centre.at(relation);
      const bool disc = (x - c[0]) * (x - c[0]) + (y - c[1]) * (y - c[1]) <= 20;
      const bool square = std::abs(x - c[2]) <= 4 && std::abs(y - c[3]) <= 4;
      for (std::size_t k = 0; k < 3 && (disc || square); ++k) {
        image.rgb.at(static_cast<std::size_t>(3 * (24 * y + x)) + k) = static_cast<std::uint8_t>(kRgb.at(disc ? first : second).at(k));
      }
    }
  }
  return image;
}

exec::StageRecord stage(const std::string& tag, const std::string& type, std::vector<std::string> inputs, double start, double seconds) {
  exec::StageRecord s;
  s.tag = tag;
  s.type = type;
  s.inputs = std::move(inputs);
  s.start_seconds = start;
  s.seconds = seconds;
  s.status = seconds > 0.0 ? "run" : "reused";
  s.because = seconds > 0.0 ? "its key is not in the cache" : "all 1,920 samples are in the cache";
  s.key = std::string(64, static_cast<char>('a' + tag.size() % 6));
  s.options["guidance_scale"] = 2.0;
  s.options["num_inference_steps"] = 25;
  return s;
}

void add_stages(exec::Record& record) {
  record.stages = {stage("samples", "sampler.ddim", {}, 0.0, 0.0), stage("alignment", "reward.shape_checker", {"samples"}, 0.0, 0.0),
                   stage("best", "filter.top_k", {"alignment"}, 0.1, 0.02), stage("graft", "trainer.sft", {"best"}, 0.2, 201.4),
                   stage("pgraft", "trainer.sft", {"best"}, 201.6, 171.0)};
  double start = 372.6;
  for (const std::string model : {"base", "graft", "pgraft"}) {
    const auto inputs = model == "base" ? std::vector<std::string>{} : std::vector<std::string>{model};
    const auto rewards =
        model == "base" ? std::vector<std::string>{"base_reward"} : std::vector<std::string>{"base_reward", model + "_reward"};
    record.stages.push_back(stage(model + "_samples", "sampler.ddim", inputs, start, 24.5));
    record.stages.push_back(stage(model + "_reward", "reward.shape_checker", {model + "_samples"}, start + 24.5, 1.1));
    record.stages.push_back(stage(model + "_result", "metric.reward_summary", rewards, start + 25.6, 0.3));
    start += 26.0;
  }
  for (auto& s : record.stages) {
    if (!s.type.starts_with("sampler.")) continue;
    s.samples = s.tag == "samples" ? 1920 : 512;
    s.samples_run = s.status == "run" ? s.samples : 0;
    s.network_evaluations = s.samples_run * 50;
  }
}

void add_scalars(exec::Record& record) {
  const auto scalar = [](const std::string& name, double value, double low, double high, const Subject& about) {
    return Scalar{name, value, low, high, intervals::Kind::bootstrap, 128, about};
  };
  record.findings = {
      {"base_result",
       {.scalars = {scalar("held_out_reward", 0.780, 0.764, 0.797, {.stage = "base_reward"}), to_scalar("invalid_fraction", 0.0)}},
       kStarted + 398.5},
      {"graft_result",
       {.scalars = {scalar("held_out_reward", 0.808, 0.791, 0.824, {.stage = "graft_reward"}),
                    scalar("held_out_gain", 0.028, -0.001, 0.056, {.stage = "graft_reward", .baseline = "base_reward"})}}},
      {"pgraft_result",
       {.scalars = {scalar("held_out_reward", 0.836, 0.820, 0.851, {.stage = "pgraft_reward"}),
                    scalar("held_out_gain", 0.056, 0.037, 0.075, {.stage = "pgraft_reward", .baseline = "base_reward"})}}}};
  exec::LawRecord law{"best", 0.25, 0.636, 0.8, 480, 1920, 3, {}, {}, "w(u) = M u^(M-1), M = 4"};
  for (int i = 0; i <= 50; ++i) {
    law.quantile.push_back(i / 50.0);
    law.density.push_back(4.0 * std::pow(i / 50.0, 3));
  }
  record.laws.push_back(law);
}

void add_charts(exec::Record& record) {
  Chart distance{.name = "kernel_distance", .x_label = "FLOPs an image", .y_label = "kernel distance to 'held_out'", .log_x = true};
  distance.series.push_back(
      {"base", {2.1e9, 4.2e9, 8.4e9, 2.1e10}, {0.084, 0.051, 0.038, 0.031}, {0.078, 0.047, 0.035, 0.028}, {0.09, 0.055, 0.041, 0.034}});
  distance.series.push_back({"corrected <b>", {3.0e9, 6.3e9}, {0.047, kNaN}, {}, {}});
  Chart residual{.name = "residual_by_step", .x_label = "step", .y_label = "rms residual", .log_y = true, .series = {{"residual"}}};
  for (int step = 0; step < 50; ++step) {
    auto& series = residual.series.front();
    series.x.push_back(step);
    series.y.push_back(1e-7 * std::exp(0.2 * step));
    series.low.push_back(0.5 * series.y.back());
    series.high.push_back(2.0 * series.y.back());
  }
  record.findings[0].findings.charts = {distance};
  record.findings[1].findings.charts = {residual};
}

void add_tables(exec::Record& record) {
  auto& found = record.findings[1].findings;
  found.tables = {{.name = "reward_by_relation",
                   .columns = {{"relation"}, {"samples"}, {"mean_reward", "points"}},
                   .rows = {{"above", 130, 0.8125}, {"left of <b>", 126, nullptr}},
                   .caption = "Relations that the prompts name."}};
  found.images = {{"worst", "The sample with the least <reward>.", shapes_image(0, 1, 2)}};
}

void add_curves(exec::Record& record, std::mt19937& random) {
  std::normal_distribution<double> noise(0.0, 0.02);
  for (const std::string trainer : {"graft", "pgraft"}) {
    exec::CurveRecord loss{trainer, "loss", {}, {}, {}};
    exec::CurveRecord rate{trainer, "learning_rate", {}, {}, {}};
    for (int step = 1; step <= 800; ++step) {
      loss.step.push_back(step);
      loss.time.push_back(kStarted + (trainer == "graft" ? 0.2 : 201.6) + 0.25 * step);
      loss.value.push_back((trainer == "graft" ? 0.2 : 0.15) + 0.3 * std::exp(-step / 120.0) + noise(random));
      rate.step.push_back(step);
      rate.value.push_back(5e-4 * std::min(step / 40.0, 0.5 * (1.0 + std::cos(3.14159 * step / 800))));
    }
    record.curves.push_back(loss);
    record.curves.push_back(rate);
  }
}

void add_scores(exec::Record& record, std::mt19937& random) {
  const auto draw = [&random](int count, double right) {
    std::vector<double> scores;
    for (int i = 0; i < count; ++i) {
      std::binomial_distribution<int> metadata(8, right);
      scores.push_back(metadata(random) / 8.0);
    }
    return scores;
  };
  record.scores = {{"alignment", "samples", draw(1920, 0.78), "checker"},
                   {"base_reward", "base_samples", draw(512, 0.78), "checker"},
                   {"graft_reward", "graft_samples", draw(512, 0.81), "checker", "base_reward"},
                   {"pgraft_reward", "pgraft_samples", draw(512, 0.84), "checker", "base_reward"}};
  record.scores[0].score[7] = kNaN;
}

void add_images(exec::Record& record) {
  exec::Gallery gallery{"held_out", {"base_samples", "graft_samples", "pgraft_samples"}, {}, {"", "base_samples", "base_samples"}};
  for (std::size_t i = 0; i < 12; ++i) {
    const std::size_t first = i % 4;
    const std::size_t second = (i + 1 + i / 4) % 4;
    const std::size_t relation = i / 3;
    auto text = "a " + kColours.at(first) + " circle " + kRelations.at(relation) + " a " + kColours.at(second) + " square";
    if (i == 4) text = kHostile;
    gallery.rows.push_back({text,
                            {{shapes_image(second, first, (relation + i) % 4), 0.5},
                             {shapes_image(first, second, (relation + i % 2) % 4), i % 2 == 0 ? 1.0 : 0.25, 0.5},
                             {shapes_image(first, second, relation), i == 5 ? kNaN : 1.0, 0.5}}});
    record.samples.push_back({"samples", static_cast<std::int64_t>(2 * i), text, shapes_image(first, second, relation), 1.0, "best", true});
    record.samples.push_back(
        {"samples", static_cast<std::int64_t>(2 * i + 1), text, shapes_image(second, first, relation), 0.375, "best", false});
  }
  record.samples.push_back({"base_samples", 0, "not judged", shapes_image(0, 1, 0), kNaN, "", false});
  record.galleries.push_back(gallery);
}

}  // namespace

exec::Record fixture() {
  std::mt19937 random(7);
  exec::Record record;
  record.name = "shapes-pgraft";
  record.started = "2026-01-31T12:00:00Z";
  record.seconds = 451.3;
  record.seed = 7;
  record.pipeline_file = "pipelines/studies/shapes_pgraft.toml";
  record.pipeline_text = "# <Does> P-GRAFT help & why?\nname = \"shapes-pgraft\"\nseed = 7\n\n[domain]\ntype = \"domain.text_to_image\"\n";
  record.overrides = {"samples.guidance_scale=2"};
  record.provenance["espalier"] = "0.1.0";
  record.provenance["numerics_class"]["libtorch"] = "2.11.0";
  record.provenance["numerics_class"]["cpu"] = "a <CPU> & model";
  record.provenance["numerics_class"]["threads"] = 2;
  record.provenance["plugins"]["sampler.ddim"] = Value::Map{{"library", "plugins/ddim.so"}, {"sha256", std::string(64, '0')}};
  record.provenance["plugins"]["trainer.sft"] = Value::Map{{"library", "plugins/sft.so"}, {"sha256", std::string(64, '1')}};
  add_stages(record);
  add_scalars(record);
  add_charts(record);
  add_tables(record);
  add_curves(record, random);
  add_scores(record, random);
  add_images(record);
  return record;
}

TempFolder::TempFolder() {
  auto name = (std::filesystem::temp_directory_path() / "espalier-report-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder");
  path_ = name;
}

TempFolder::~TempFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace espalier::report
