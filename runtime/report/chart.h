#pragma once

#include <string>
#include <vector>

#include "runtime/exec/record.h"
#include "runtime/report/colours.h"

namespace espalier::report {

// What page.js draws: `kind` names its builder there, `data` is what it takes.
struct Drawing {
  std::string kind;  // "histogram", "law", "curve", "timeline", "lines"
  std::string title;
  std::string description;  // what is drawn, for people who cannot see it
  int colour = -1;          // of the title's mark; -1: several stages
  std::string data;         // JSON
};

// One a reward stage, with the same bins and height for all stages of one reward with the same options. The scores that a metric compares
// them with, its baseline, are drawn as an outline.
// Scores that are not finite have no bin; the title counts them.
std::vector<Drawing> histogram_charts(const exec::Record& record, const Colours& colours);
std::vector<Drawing> law_charts(const exec::Record& record, const Colours& colours);    // one with all filters' w(u), or none
std::vector<Drawing> curve_charts(const exec::Record& record, const Colours& colours);  // one a curve name
std::vector<Drawing> line_charts(const exec::Record& record);                           // one a chart of a metric stage that has points
std::vector<Drawing> timeline_charts(const exec::Record& record, const Colours& colours);

// The chart's <figure>: title, canvas, its data.
std::string chart_figure(const Drawing& chart);

}  // namespace espalier::report
