// What metrics found besides scalars: charts, tables and images.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "runtime/report/chart.h"
#include "runtime/report/html.h"
#include "runtime/report/sections.h"

namespace espalier::report {
namespace {

using Json = nlohmann::ordered_json;

// [[x, y], ...] or [[x, y, low, high], ...]; nlohmann writes NaN as null, which breaks the line there.
Json points(const espalier::Chart::Series& series) {
  auto out = Json::array();
  const bool spread = !series.low.empty();
  for (std::size_t i = 0; i < series.x.size(); ++i) {
    auto point = Json::array({series.x[i], series.y[i]});
    if (spread) {
      point.push_back(series.low[i]);
      point.push_back(series.high[i]);
    }
    out.push_back(std::move(point));
  }
  return out;
}

std::string description(const espalier::Chart& chart) {
  std::string names;
  for (const auto& series : chart.series) {
    names += fmt::format("{}{} ({} points)", names.empty() ? "" : ", ", series.name, series.x.size());
  }
  return fmt::format("{} against {}: {}.", chart.y_label, chart.x_label, names);
}

// "radial law", or "radial law (noise_10)" where several metric stages have such findings.
template <class Item>
std::string title_of(const exec::Record& record, std::vector<Item> Findings::* items, const std::string& stage, const Item& item) {
  for (const auto& other : record.findings) {
    if (other.stage != stage && !(other.findings.*items).empty()) return words(item.name) + " (" + stage + ")";
  }
  return words(item.name);
}

std::string cell_text(const Value& cell) {
  if (cell.is_null()) return "–";
  if (cell.is_string()) return escape(cell.as_string());
  return cell.is_integer() ? count_text(cell.as_integer()) : number_text(cell.as_number());
}

// A column of numbers is set flush right.
bool holds_numbers(const Table& table, std::size_t column) {
  for (const auto& row : table.rows) {
    if (row[column].is_string()) return false;
  }
  return true;
}

std::string table_html(const Table& table, const std::string& title) {
  std::string head, body;
  std::vector<const char*> kind;
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    const auto& [name, unit] = table.columns[i];
    kind.push_back(holds_numbers(table, i) ? " class=\"number\"" : "");
    head += fmt::format("<th scope=\"col\"{}>{}{}</th>", kind[i], escape(words(name)), unit.empty() ? "" : escape(" (" + unit + ")"));
  }
  for (const auto& row : table.rows) {
    body += "<tr>";
    for (std::size_t i = 0; i < row.size(); ++i) body += fmt::format("<td{}>{}</td>", kind[i], cell_text(row[i]));
    body += "</tr>\n";
  }
  const auto note = table.caption.empty() ? "" : "<p class=\"note\">" + escape(table.caption) + "</p>\n";
  return fmt::format(
      "<div class=\"scroll\"><table class=\"found\"><caption>{}</caption>\n<thead><tr>{}</tr></thead>\n<tbody>{}</tbody></table></div>\n{}",
      escape(title), head, body, note);
}

std::string image_html(const CaptionedImage& image, const std::string& title, int colour) {
  return fmt::format("<figure class=\"card\">{}<figcaption><b>{}</b> {}</figcaption></figure>\n",
                     image_cell(image.image, title + ": " + image.caption, "", colour), escape(title), escape(image.caption));
}

}  // namespace

std::vector<Drawing> line_charts(const exec::Record& record) {
  std::vector<Drawing> drawings;
  for (const auto& [stage, findings, time] : record.findings) {
    for (const auto& chart : findings.charts) {
      auto lines = Json::array();
      for (const auto& series : chart.series) {
        if (series.x.empty()) continue;
        lines.push_back({{"label", series.name}, {"colour", static_cast<int>(lines.size()) % Colours::kCount}, {"points", points(series)}});
      }
      if (lines.empty()) continue;
      const Json data = {
          {"x_label", chart.x_label}, {"y_label", chart.y_label}, {"log_x", chart.log_x}, {"log_y", chart.log_y}, {"series", lines}};
      drawings.push_back({"lines", title_of(record, &Findings::charts, stage, chart), description(chart), -1,
                          data.dump(-1, ' ', true, Json::error_handler_t::replace)});
    }
  }
  return drawings;
}

std::string tables_section(const exec::Record& record) {
  std::string tables;
  for (const auto& [stage, findings, time] : record.findings) {
    for (const auto& table : findings.tables) tables += table_html(table, title_of(record, &Findings::tables, stage, table));
  }
  return section("tables", "Tables", "Tables of the metric stages; \"copies\" joins those of a sweep.", tables);
}

std::string images_section(const exec::Record& record, const Colours& colours) {
  std::string cards;
  for (const auto& [stage, findings, time] : record.findings) {
    for (const auto& image : findings.images) {
      cards += image_html(image, title_of(record, &Findings::images, stage, image), colours.of(stage));
    }
  }
  if (!cards.empty()) cards = "<div class=\"cards\">\n" + cards + "</div>\n";
  return section("images", "Images", "Images of the metric stages.", cards);
}

}  // namespace espalier::report
