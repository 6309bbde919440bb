#include "runtime/report/page.h"

#include <fmt/format.h>

#include "runtime/report/assets.h"
#include "runtime/report/html.h"
#include "runtime/report/sections.h"

namespace espalier::report {
namespace {

std::string policy() {
  return fmt::format("default-src 'none'; img-src data:; style-src '{}'; script-src '{}' '{}'; base-uri 'none'; form-action 'none'",
                     csp_hash(page_css()), csp_hash(chart_js()), csp_hash(page_js()));
}

std::string head(const exec::Record& record) {
  return fmt::format(R"(<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{name} – Espalier report</title>
<style>{css}</style>
</head>
)",
                     fmt::arg("policy", policy()), fmt::arg("name", escape(record.name)), fmt::arg("css", page_css()));
}

struct Part {
  const char* id;
  const char* title;
  std::string html;
};

std::string navigation(const std::vector<Part>& parts) {
  std::string links;
  for (const auto& part : parts) {
    if (!part.html.empty()) links += fmt::format("<a href=\"#{}\">{}</a>\n", part.id, part.title);
  }
  return "<nav aria-label=\"Parts of the report\">\n" + links + "</nav>\n";
}

}  // namespace

std::string page(const exec::Record& record) {
  const Colours colours(record);
  const std::vector<Part> parts = {{"warnings", "Warnings", warnings_section(record)},
                                   {"results", "Results", scalars_section(record, colours)},
                                   {"tables", "Tables", tables_section(record)},
                                   {"charts", "Charts", charts_section(record)},
                                   {"images", "Images", images_section(record, colours)},
                                   {"samples", "Samples", gallery_section(record, colours)},
                                   {"rewards", "Rewards", rewards_section(record, colours)},
                                   {"selection", "Selection", selection_section(record, colours)},
                                   {"training", "Training", training_section(record, colours)},
                                   {"stages", "Stages", stages_section(record, colours)},
                                   {"provenance", "Provenance", provenance_section(record)}};
  std::string body = "<body>\n" + header_section(record) + navigation(parts) +
                     "<noscript><p class=\"note\">The charts need JavaScript; the tables and images do not.</p></noscript>\n<main>\n";
  for (const auto& part : parts) body += part.html;
  return head(record) + body + fmt::format("</main>\n<script>{}</script>\n<script>{}</script>\n</body>\n</html>\n", chart_js(), page_js());
}

}  // namespace espalier::report
