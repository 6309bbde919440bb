#include <fmt/format.h>

#include "runtime/report/chart.h"
#include "runtime/report/html.h"
#include "runtime/report/sections.h"

namespace espalier::report {
namespace {

std::string charts(const std::vector<Drawing>& list) {
  std::string drawn;
  for (const auto& chart : list) drawn += chart_figure(chart);
  return drawn.empty() ? "" : "<div class=\"charts\">\n" + drawn + "</div>\n";
}

std::string count_or_dash(std::int64_t count) { return count == 0 ? "–" : count_text(count); }

std::string samples_text(const exec::StageRecord& stage) {
  if (stage.samples == 0) return "–";
  auto text = count_text(stage.samples);
  if (stage.samples_run != 0 && stage.samples_run != stage.samples) text += fmt::format(" ({} now)", count_text(stage.samples_run));
  if (stage.samples_decoded != 0) text += fmt::format(", {} decoded", count_text(stage.samples_decoded));
  if (stage.excluded != 0) text += fmt::format(", {} excluded", count_text(stage.excluded));
  return text;
}

std::string inputs_text(const exec::StageRecord& stage) {
  std::string text;
  for (const auto& input : stage.inputs) text += (text.empty() ? "" : ", ") + input;
  return text.empty() ? "–" : text;
}

// Who made the result, by the cache's records, which may not be what is loaded now.
std::string makers_text(const exec::StageRecord& stage) {
  std::string text;
  for (const auto& maker : stage.made_by.as_list()) {
    std::string build;
    for (const auto& [name, digest] : maker.at("libraries").as_map()) {
      build += fmt::format("{}{} {}", build.empty() ? "" : ", ", name, digest.as_string().substr(0, 12));
    }
    const auto* blocks = maker.find("blocks");
    text += fmt::format("<p>{} by {}; {}</p>",
                        blocks ? count_text(blocks->as_integer()) + (blocks->as_integer() == 1 ? " block" : " blocks") : "made",
                        build.empty() ? "a build that is not recorded" : escape(build), escape(to_json(maker.at("numerics_class"))));
  }
  return text;
}

std::string stage_row(const exec::StageRecord& stage, const Colours& colours) {
  return fmt::format(
      R"(<tr id="{id}"><th scope="row">{tag}<span class="type">{type}</span></th>
<td><span class="badge {status}">{status}</span></td><td class="because">{because}</td><td>{inputs}</td>
<td class="number">{samples}</td><td class="number">{evaluations}</td><td class="number">{seconds}</td>
<td><details><summary><code>{short_key}</code></summary><p><code>{key}</code></p>{makers}<pre>{options}</pre></details></td></tr>
)",
      fmt::arg("id", escape(stage_id(stage.tag))), fmt::arg("tag", stage_name(stage.tag, colours)), fmt::arg("type", escape(stage.type)),
      fmt::arg("status", escape(stage.status)), fmt::arg("because", escape(stage.because)), fmt::arg("inputs", escape(inputs_text(stage))),
      fmt::arg("samples", samples_text(stage)), fmt::arg("evaluations", count_or_dash(stage.network_evaluations)),
      fmt::arg("seconds", duration_text(stage.seconds)), fmt::arg("short_key", escape(stage.key.substr(0, 10))),
      fmt::arg("key", escape(stage.key)), fmt::arg("makers", makers_text(stage)), fmt::arg("options", escape(to_json(stage.options, 2))));
}

std::string stage_table(const exec::Record& record, const Colours& colours) {
  if (record.stages.empty()) return "";
  std::string rows;
  for (const auto& stage : record.stages) rows += stage_row(stage, colours);
  return fmt::format(R"(<div class="scroll"><table class="stages">
<thead><tr><th scope="col">stage</th><th scope="col">status</th><th scope="col">why</th><th scope="col">inputs</th><th scope="col" class="number">samples</th>
<th scope="col" class="number">network evaluations</th><th scope="col" class="number">time</th><th scope="col">key, options</th></tr></thead>
<tbody>{}</tbody></table></div>
)",
                     rows);
}

std::string plain_text(const Value& value) { return value.is_string() ? value.as_string() : to_json(value); }

// One row a leaf, named by its dotted path.
void add_rows(const std::string& path, const Value& value, std::string& rows) {
  if (value.is_map()) {
    for (const auto& [name, inner] : value.as_map()) add_rows(path.empty() ? name : fmt::format("{}.{}", path, name), inner, rows);
  } else if (value.is_list()) {
    for (std::size_t i = 0; i < value.as_list().size(); ++i) add_rows(fmt::format("{}[{}]", path, i), value.as_list()[i], rows);
  } else {
    rows += fmt::format("<tr><th scope=\"row\">{}</th><td><code>{}</code></td></tr>\n", escape(path), escape(plain_text(value)));
  }
}

std::string pipeline_block(const exec::Record& record) {
  if (record.pipeline_text.empty()) return "";
  std::string overrides;
  for (const auto& line : record.overrides) overrides += fmt::format("<li><code>--set {}</code></li>", escape(line));
  if (!overrides.empty()) overrides = "<p>Overrides:</p><ul>" + overrides + "</ul>";
  return fmt::format("<details><summary>The pipeline, {}</summary>{}<pre class=\"pipeline\">{}</pre></details>\n",
                     escape(record.pipeline_file), overrides, escape(record.pipeline_text));
}

}  // namespace

std::string charts_section(const exec::Record& record) {
  return section("charts", "Charts", "Curves of the metric stages; whiskers and bands are 95 % intervals where a metric gives them.",
                 charts(line_charts(record)));
}

std::string rewards_section(const exec::Record& record, const Colours& colours) {
  return section("rewards", "Rewards", "Share of samples by reward, with the same bins in all charts of one reward.",
                 charts(histogram_charts(record, colours)));
}

std::string training_section(const exec::Record& record, const Colours& colours) {
  return section("training", "Training", "", charts(curve_charts(record, colours)));
}

std::string stages_section(const exec::Record& record, const Colours& colours) {
  std::string body;
  for (const auto& chart : timeline_charts(record, colours)) body += chart_figure(chart);
  return section("stages", "Stages", "What ran now and what was reused from the cache, and why.", body + stage_table(record, colours));
}

std::string provenance_section(const exec::Record& record) {
  std::string rows;
  add_rows("", record.provenance, rows);
  std::string body;
  if (!rows.empty()) {
    body =
        "<div class=\"scroll\"><table class=\"provenance\"><thead><tr><th scope=\"col\">name</th><th "
        "scope=\"col\">value</th></tr></thead>\n<tbody>" +
        rows + "</tbody></table></div>\n";
  }
  return section("provenance", "Provenance", "", body + pipeline_block(record));
}

}  // namespace espalier::report
