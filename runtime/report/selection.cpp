#include <fmt/format.h>

#include <cmath>

#include "runtime/report/chart.h"
#include "runtime/report/html.h"
#include "runtime/report/sections.h"

namespace espalier::report {
namespace {

constexpr int kShown = 16;  // images of each verdict of a filter

// "0.395 [0.371, 0.420]"
std::string with_interval(double value, const intervals::Interval& interval) {
  if (!(interval.low <= interval.high)) return number_text(value);
  return fmt::format("{} [{}, {}]", number_text(value), number_text(interval.low), number_text(interval.high));
}

std::string law_row(const exec::LawRecord& law, const Colours& colours) {
  return fmt::format(R"(<tr><th scope="row">{stage}</th><td class="number">{accepted} of {total}</td><td class="number">{rate}</td>
<td class="number strong">{kl}</td><td class="number">{quantile}</td><td class="number">{effective}</td><td class="number">{invalid}</td><td class="formula"><code>{formula}</code></td></tr>
)",
                     fmt::arg("stage", stage_name(law.stage, colours)), fmt::arg("accepted", count_text(law.accepted)),
                     fmt::arg("total", count_text(law.total)), fmt::arg("rate", number_text(law.acceptance_rate)),
                     fmt::arg("kl", with_interval(law.kl_nats, law.kl_interval)),
                     fmt::arg("quantile", with_interval(law.expected_quantile, law.quantile_interval)),
                     fmt::arg("effective", number_text(law.effective_sample_size)), fmt::arg("invalid", count_text(law.invalid)),
                     fmt::arg("formula", escape(law.formula)));
}

std::string law_table(const exec::Record& record, const Colours& colours) {
  if (record.laws.empty()) return "";
  std::string rows;
  for (const auto& law : record.laws) rows += law_row(law, colours);
  return fmt::format(R"(<div class="scroll"><table>
<thead><tr><th scope="col">filter</th><th scope="col" class="number">accepted</th><th scope="col" class="number">acceptance rate</th>
<th scope="col" class="number">implied KL (nats)</th><th scope="col" class="number">expected quantile</th>
<th scope="col" class="number">effective sample size</th><th scope="col" class="number">invalid</th>
<th scope="col">law</th></tr></thead>
<tbody>{}</tbody></table></div>
)",
                     rows);
}

std::string condition_list(const char* title, const std::vector<exec::AcceptanceRecord::Condition>& conditions) {
  std::string items;
  for (const auto& one : conditions) {
    items += fmt::format("<li>{} of {}: {}</li>", count_text(one.accepted), count_text(one.total), escape(one.text));
  }
  return fmt::format("<p>{}</p><ul>{}</ul>", title, items);
}

std::string condition_row(const exec::LawRecord& law, const Colours& colours) {
  const auto& by = law.by_condition;
  const auto shares = fmt::format("{} · {} · {} · {} · {}", number_text(by.minimum), number_text(by.lower_quartile), number_text(by.median),
                                  number_text(by.upper_quartile), number_text(by.maximum));
  std::string lists = "–";  // where all are equal, none is least
  if (by.minimum < by.maximum) {
    lists = fmt::format("<details><summary>least and most</summary>{}{}</details>", condition_list("The least accepted", by.least),
                        condition_list("The most accepted", by.most));
  }
  return fmt::format(R"(<tr><th scope="row">{stage}</th><td class="number">{conditions}</td><td class="number{strong}">{none}</td>
<td class="number">{effective}</td><td class="number">{shares}</td><td class="formula">{lists}</td></tr>
)",
                     fmt::arg("stage", stage_name(law.stage, colours)), fmt::arg("conditions", count_text(by.conditions)),
                     fmt::arg("strong", by.none_accepted > 0 ? " strong" : ""), fmt::arg("none", count_text(by.none_accepted)),
                     fmt::arg("effective", number_text(by.effective_conditions)), fmt::arg("shares", shares), fmt::arg("lists", lists));
}

// Nothing where there is one condition.
std::string condition_table(const exec::Record& record, const Colours& colours) {
  std::string rows;
  for (const auto& law : record.laws) {
    if (law.by_condition.conditions > 1) rows += condition_row(law, colours);
  }
  if (rows.empty()) return "";
  return fmt::format(R"(<div class="scroll"><table><caption>Acceptance by condition</caption>
<thead><tr><th scope="col">filter</th><th scope="col" class="number">conditions</th>
<th scope="col" class="number">with none accepted</th><th scope="col" class="number">effective conditions</th>
<th scope="col" class="number">accepted share: minimum · quartiles · maximum</th><th scope="col">conditions</th></tr></thead>
<tbody>{}</tbody></table></div>
)",
                     rows);
}

std::string verdict_strip(const exec::Record& record, const std::string& filter, bool accepted, const Colours& colours) {
  std::string cells;
  int shown = 0;
  for (const auto& sample : record.samples) {
    if (sample.selection != filter || sample.accepted != accepted || shown == kShown) continue;
    const auto word = accepted ? "accepted" : "rejected";
    cells += image_cell(sample.image, fmt::format("{} by {}: {}, reward {}", word, filter, sample.text, number_text(sample.reward)),
                        number_text(sample.reward), colours.of(accepted ? filter : sample.stage));
    ++shown;
  }
  if (cells.empty()) return "";
  return fmt::format("<h3>{} by {}</h3>\n<div class=\"strip loose\">\n{}</div>\n", accepted ? "Accepted" : "Rejected",
                     stage_name(filter, colours), cells);
}

}  // namespace

std::string selection_section(const exec::Record& record, const Colours& colours) {
  std::string body;
  for (const auto& chart : law_charts(record, colours)) body += chart_figure(chart);
  body += law_table(record, colours) + condition_table(record, colours);
  for (const auto& law : record.laws) {
    for (const bool accepted : {true, false}) body += verdict_strip(record, law.stage, accepted, colours);
  }
  return section("selection", "Selection",
                 "What each filter does to the base's law before any training: w(u) is the density of accepted samples at reward quantile "
                 "u, relative to the base (1 everywhere).",
                 body);
}

}  // namespace espalier::report
