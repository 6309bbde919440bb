#include <fmt/format.h>

#include <cmath>

#include "runtime/report/html.h"
#include "runtime/report/sections.h"

namespace espalier::report {
namespace {

constexpr std::int64_t kSmallImage = 160;  // narrower ones are enlarged pixel by pixel

// The reward, and whether it is above or below the baseline's of the same prompt and noise, if a metric has compared the two.
std::string reward_text(const exec::GalleryCell& cell, const std::string& baseline) {
  const auto text = number_text(cell.reward);
  if (std::isnan(cell.reward) || std::isnan(cell.baseline) || std::abs(cell.reward - cell.baseline) < 5e-4) return text;
  const bool above = cell.reward > cell.baseline;
  return fmt::format("{} <span class=\"{}\" title=\"{} {}: {}\">{}</span>", text, above ? "up" : "down", above ? "above" : "below",
                     escape(baseline), number_text(cell.baseline), above ? "▲" : "▼");
}

std::string gallery_card(const exec::Gallery& gallery, const exec::GalleryRow& row, const Colours& colours) {
  std::string cells;
  for (std::size_t i = 0; i < row.cells.size() && i < gallery.columns.size(); ++i) {
    const auto& cell = row.cells[i];
    const auto score = std::isnan(cell.reward) ? std::string("not scored") : "reward " + number_text(cell.reward);
    const auto alt = fmt::format("{}: {}, {}", gallery.columns[i], row.text, score);
    const auto baseline = i < gallery.baselines.size() ? gallery.baselines[i] : std::string();
    cells += image_cell(cell.image, alt, reward_text(cell, baseline), colours.of(gallery.columns[i]));
  }
  return fmt::format("<figure class=\"card\"><div class=\"strip\">\n{}</div><figcaption><bdi>{}</bdi></figcaption></figure>\n", cells,
                     escape(row.text));
}

std::string gallery_grid(const exec::Gallery& gallery, const Colours& colours) {
  std::string legend;
  for (const auto& column : gallery.columns) legend += "<li>" + stage_name(column, colours) + "</li>";
  std::string cards;
  for (const auto& row : gallery.rows) cards += gallery_card(gallery, row, colours);
  if (cards.empty()) return "";
  const auto columns = gallery.columns.size();
  return fmt::format(R"(<h3>Prompts of the split <q>{}</q></h3>
<ol class="legend" aria-label="columns, left to right">{}</ol>
<div class="cards{}">
{}</div>
)",
                     escape(gallery.split), legend,
                     columns == 1  ? " one"
                     : columns > 3 ? " many"
                                   : "",
                     cards);
}

}  // namespace

std::string image_cell(const Image& image, const std::string& alt, const std::string& caption, int colour) {
  const auto below = caption.empty() ? std::string() : fmt::format("<span class=\"reward\">{}</span>", caption);
  return fmt::format("<div class=\"cell c{}\"><img{} alt=\"{}\" src=\"data:image/png;base64,{}\" width=\"{}\" height=\"{}\">{}</div>\n",
                     colour, image.width <= kSmallImage ? " class=\"pixels\"" : "", escape(alt), base64(encode_png(image)), image.width,
                     image.height, below);
}

std::string gallery_section(const exec::Record& record, const Colours& colours) {
  std::string grids;
  for (const auto& gallery : record.galleries) grids += gallery_grid(gallery, colours);
  return section(
      "samples", "Samples",
      "Each strip is one prompt and one noise through every model, left to right; the number is the reward. An arrow says whether it is "
      "above or below that of the baseline which a metric stage compares the column with; the baseline has none.",
      grids);
}

}  // namespace espalier::report
