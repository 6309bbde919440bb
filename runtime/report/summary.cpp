#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>
#include <vector>

#include "runtime/report/html.h"
#include "runtime/report/sections.h"

namespace espalier::report {
namespace {

std::string tile(const std::string& value, const std::string& label) {
  return fmt::format("<div class=\"tile\"><dt>{}</dt><dd>{}</dd></div>\n", escape(label), escape(value));
}

// "2026-01-31T12:00:00Z" as "2026-01-31 12:00:00 UTC".
std::string time_text(std::string iso) {
  std::replace(iso.begin(), iso.end(), 'T', ' ');
  if (iso.ends_with('Z')) iso.replace(iso.size() - 1, 1, " UTC");
  return iso;
}

bool is_gain(const std::string& name) { return name == "gain" || name.ends_with("_gain"); }

bool has_interval(const exec::ScalarRecord& figure) { return !std::isnan(figure.low) && !std::isnan(figure.high); }

struct Scale {
  double low = 0.0;
  double high = 0.0;
  double percent(double value) const { return 100.0 * (value - low) / (high - low); }
};

// Room for every value and interval, and for zero where a difference is shown.
Scale scale_of(const std::vector<const exec::ScalarRecord*>& figures) {
  Scale scale{figures.front()->value, figures.front()->value};
  const auto include = [&scale](double value) {
    if (!std::isfinite(value)) return;
    scale.low = std::min(scale.low, value);
    scale.high = std::max(scale.high, value);
  };
  for (const auto* figure : figures) {
    for (const double value : {figure->value, figure->low, figure->high}) include(value);
    if (is_gain(figure->name)) include(0.0);
  }
  const double margin = scale.high > scale.low ? 0.06 * (scale.high - scale.low) : 0.5;
  return {scale.low - margin, scale.high + margin};
}

std::string interval_image(const exec::ScalarRecord& figure, const Scale& scale, int colour) {
  if (!std::isfinite(figure.value)) return "";
  std::string inside;
  if (is_gain(figure.name))
    inside += fmt::format("<line class=\"zero\" x1=\"{0:.2f}%\" x2=\"{0:.2f}%\" y1=\"0\" y2=\"100%\"/>", scale.percent(0.0));
  if (has_interval(figure)) {
    inside += fmt::format("<line class=\"whisker\" x1=\"{:.2f}%\" x2=\"{:.2f}%\" y1=\"50%\" y2=\"50%\"/>", scale.percent(figure.low),
                          scale.percent(figure.high));
  }
  inside += fmt::format("<circle cx=\"{:.2f}%\" cy=\"50%\" r=\"5\"/>", scale.percent(figure.value));
  return fmt::format("<svg class=\"interval c{}\" aria-hidden=\"true\">{}</svg>", colour, inside);
}

std::string verdict(const exec::ScalarRecord& figure) {
  if (!is_gain(figure.name) || !has_interval(figure)) return "";
  if (figure.low > 0.0) return " <span class=\"badge good\">above 0</span>";
  if (figure.high < 0.0) return " <span class=\"badge bad\">below 0</span>";
  return " <span class=\"badge\">includes 0</span>";
}

std::string figure_row(const exec::ScalarRecord& figure, const Scale& scale, const Colours& colours) {
  const auto interval =
      has_interval(figure) ? fmt::format("{} to {}", number_text(figure.low), number_text(figure.high)) : std::string("–");
  return fmt::format(
      "<tr><th scope=\"row\">{}</th><td class=\"number strong\">{}</td><td class=\"number\">{}{}</td><td class=\"wide\">{}</td></tr>\n",
      stage_name(figure.stage, colours), number_text(figure.value), interval, verdict(figure),
      interval_image(figure, scale, colours.of(figure.stage)));
}

std::string figure_table(const std::vector<const exec::ScalarRecord*>& figures, const Colours& colours) {
  const auto scale = scale_of(figures);
  std::string rows;
  for (const auto* figure : figures) rows += figure_row(*figure, scale, colours);
  return fmt::format(R"(<div class="scroll"><table class="figures"><caption>{}</caption>
<thead><tr><th scope="col">stage</th><th scope="col" class="number">value</th><th scope="col" class="number">95 % interval</th><td class="wide"></td></tr></thead>
<tbody>{}</tbody></table></div>
)",
                     escape(words(figures.front()->name)), rows);
}

// Figures of one stage without an interval, a row each.
std::string plain_table(const std::vector<const exec::ScalarRecord*>& figures, const Colours& colours) {
  std::string rows;
  for (const auto* figure : figures) {
    rows += fmt::format("<tr><th scope=\"row\">{}</th><td>{}</td><td class=\"number strong\">{}</td></tr>\n",
                        stage_name(figure->stage, colours), escape(words(figure->name)), number_text(figure->value));
  }
  return fmt::format(R"(<details><summary>Other figures ({})</summary><div class="scroll"><table>
<thead><tr><th scope="col">stage</th><th scope="col">figure</th><th scope="col" class="number">value</th></tr></thead>
<tbody>{}</tbody></table></div></details>
)",
                     figures.size(), rows);
}

// A figure of one of several inputs, "reward.<tag>", stands with the others of its name and is named by that stage; unless two figures
// would then look the same.
std::vector<exec::ScalarRecord> by_stage(const exec::Record& record) {
  std::map<std::pair<std::string, std::string>, int> seen;
  std::vector<exec::ScalarRecord> shown = record.scalars;
  for (auto& figure : shown) {
    const auto point = figure.name.find('.');
    const auto tag = point == std::string::npos ? std::string() : figure.name.substr(point + 1);
    if (std::any_of(record.stages.begin(), record.stages.end(), [&tag](const auto& stage) { return stage.tag == tag; })) {
      figure.stage = tag;
      figure.name.resize(point);
    }
    ++seen[{figure.stage, figure.name}];
  }
  for (std::size_t i = 0; i < shown.size(); ++i) {
    if (seen[{shown[i].stage, shown[i].name}] > 1) shown[i] = record.scalars[i];
  }
  return shown;
}

}  // namespace

std::string stage_name(const std::string& stage, const Colours& colours) {
  return fmt::format("<span class=\"stage\"><span class=\"mark c{}\"></span>{}</span>", colours.of(stage), escape(stage));
}

std::string section(const std::string& id, const std::string& title, const std::string& note, const std::string& body) {
  if (body.empty()) return "";
  const auto line = note.empty() ? std::string() : fmt::format("<p class=\"note\">{}</p>\n", escape(note));
  return fmt::format("<section id=\"{}\">\n<h2>{}</h2>\n{}{}</section>\n", escape(id), escape(title), line, body);
}

std::string header_section(const exec::Record& record) {
  std::int64_t samples_run = 0;
  std::int64_t evaluations = 0;
  for (const auto& stage : record.stages) {
    samples_run += stage.type.starts_with("sampler.") ? stage.samples_run : 0;
    evaluations += stage.network_evaluations;
  }
  const auto reused = std::count_if(record.stages.begin(), record.stages.end(), [](const auto& s) { return s.status == "reused"; });
  const auto run = static_cast<std::ptrdiff_t>(record.stages.size()) - reused;
  const auto tiles = tile(duration_text(record.seconds), "took") + tile(count_text(run), "stages run") +
                     tile(count_text(reused), "stages reused") + tile(count_text(samples_run), "samples drawn now") +
                     tile(count_text(evaluations), "network evaluations now") + tile(std::to_string(record.seed), "seed");
  return fmt::format(R"(<header>
<p class="brand">Espalier report</p>
<h1><bdi>{}</bdi></h1>
<p class="note">{} · started <time datetime="{}">{}</time></p>
<dl class="tiles">
{}</dl>
</header>
)",
                     escape(record.name), escape(record.pipeline_file), escape(record.started), escape(time_text(record.started)), tiles);
}

std::string scalars_section(const exec::Record& record, const Colours& colours) {
  const auto figures = by_stage(record);
  std::map<std::string, int> stages;  // that have a figure of this name
  for (const auto& figure : figures) ++stages[figure.name];
  // What has an interval or is there to be compared is drawn; the rest is one list.
  const auto drawn = [&stages](const exec::ScalarRecord& figure) { return has_interval(figure) || stages.at(figure.name) > 1; };
  std::vector<std::string> names;  // in the record's order
  std::vector<const exec::ScalarRecord*> plain;
  for (const auto& figure : figures) {
    if (!drawn(figure))
      plain.push_back(&figure);
    else if (std::find(names.begin(), names.end(), figure.name) == names.end())
      names.push_back(figure.name);
  }
  std::string tables;
  for (const auto& name : names) {
    std::vector<const exec::ScalarRecord*> group;
    for (const auto& figure : figures) {
      if (figure.name == name && drawn(figure)) group.push_back(&figure);
    }
    tables += figure_table(group, colours);
  }
  if (!tables.empty()) tables = "<div class=\"pair\">\n" + tables + "</div>\n";
  if (!plain.empty()) tables += plain_table(plain, colours);
  return section(
      "results", "Results",
      "Values with their 95 % intervals as the metric stages computed them; a gain is a paired difference to its baseline. What each "
      "figure means, and what it does not, is in the README of its metric.",
      tables);
}

}  // namespace espalier::report
