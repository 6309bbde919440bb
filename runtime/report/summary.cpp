#include <fmt/format.h>

#include <algorithm>

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

}  // namespace

std::string stage_name(const std::string& stage, const Colours& colours) {
  return fmt::format("<span class=\"stage\"><span class=\"mark c{}\"></span>{}</span>", colours.of(stage), escape(stage));
}

std::string stage_id(const std::string& stage) { return "stage-" + stage; }

std::string section(const std::string& id, const std::string& title, const std::string& note, const std::string& body) {
  if (body.empty()) return "";
  const auto line = note.empty() ? std::string() : fmt::format("<p class=\"note\">{}</p>\n", escape(note));
  return fmt::format("<section id=\"{}\">\n<h2>{}</h2>\n{}{}</section>\n", escape(id), escape(title), line, body);
}

std::string warnings_section(const exec::Record& record) {
  const auto item = [](const std::string& stage, const std::string& text) {
    return fmt::format("<li><a href=\"#{}\">{}</a>: {}</li>\n", escape(stage_id(stage)), escape(stage), escape(text));
  };
  std::string items;
  for (const auto& [stage, findings, time] : record.findings) {
    for (const auto& warning : findings.warnings) {
      const bool is_reason = record.stopped_by && record.stopped_by->stage == stage && record.stopped_by->reason == warning;
      if (!is_reason) items += item(stage, warning);
    }
  }
  std::string stop;
  if (record.stopped_by) {
    const auto& [stage, reason, not_run] = *record.stopped_by;
    std::string left;
    for (const auto& tag : not_run) left += (left.empty() ? "" : ", ") + tag;
    stop = fmt::format("<p><b>The run ended early</b>, after <a href=\"#{}\">{}</a>: {}.</p>\n<p class=\"note\">Not run: {}.</p>\n",
                       escape(stage_id(stage)), escape(stage), escape(reason), left.empty() ? "no stage" : escape(left));
  }
  if (!items.empty()) items = "<ul>\n" + items + "</ul>\n";
  const auto* title = record.stopped_by ? "Warnings, and an early end" : "Warnings";
  auto html = section("warnings", title, "What to know before the numbers below are used.", stop + items);
  if (!html.empty()) html.replace(0, std::string("<section ").size(), "<section class=\"warnings\" role=\"alert\" ");
  return html;
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

}  // namespace espalier::report
