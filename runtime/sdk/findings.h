#pragma once

#include <limits>
#include <string>
#include <vector>

#include "runtime/base/value.h"
#include "runtime/sdk/image.h"
#include "runtime/selection/intervals.h"

namespace espalier {

// What a metric found: one type from the metric to the cache, the run's record, report.html, report.json and TensorBoard.

// What a finding is about. All empty: the metric's inputs as a whole.
struct Subject {
  std::string stage = {};     // tag of the stage whose samples or scores it is of
  std::string baseline = {};  // tag of the stage that it is the difference to
  std::string split = {};     // it is of the examples of this split, not of a stage
  bool operator==(const Subject&) const = default;
};

struct Scalar {
  static constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

  std::string name;  // what is measured: "frechet_distance"; scalars of one name and other subjects are compared in a report
  double value = 0.0;
  double low = kNone, high = kNone;  // 95 % interval; NaN where `interval` is none
  intervals::Kind interval = intervals::Kind::none;
  std::int64_t count = 0;  // independent rows (samples, prompts) that it is of; 0: not given
  Subject about = {};
};

Scalar to_scalar(std::string name, double value, Subject about = {});
Scalar to_scalar(std::string name, const intervals::Estimate& estimate, Subject about = {});

// Curves on one pair of axes. Every series has as many y as x; low and high are empty or as many.
struct Chart {
  struct Series {
    std::string name;
    std::vector<double> x = {}, y = {}, low = {}, high = {};
  };
  std::string name;
  std::string x_label, y_label;  // with units
  bool log_x = false, log_y = false;
  std::vector<Series> series = {};
};

struct Table {
  struct Column {
    std::string name;
    std::string unit = {};  // "" where there is none
  };
  std::string name;
  std::vector<Column> columns;
  std::vector<Value::List> rows;  // each of one cell a column: a string, an integer, a finite float, or null for an empty cell
  std::string caption = {};
};

struct CaptionedImage {
  std::string name;
  std::string caption;
  Image image;
};

// Names of charts, of tables and of images are unique among their own.
struct Findings {
  std::vector<Scalar> scalars = {};
  std::vector<Chart> charts = {};
  std::vector<Table> tables = {};
  std::vector<CaptionedImage> images = {};
  std::vector<std::string> warnings = {};  // what a person should know before believing the numbers: a sentence each
  std::string stop = {};                   // why the run should not go on (a stop rule that holds); "": it should
};

// A name for each scalar of a metric, to print and to index by: "<name>"; "<name>.<stage>" where the scalars are about several stages;
// "data_<name>" of a split's examples.
std::vector<std::string> unique_names(const std::vector<Scalar>& scalars);

const char* interval_name(intervals::Kind kind);  // "t", "wilson", "bootstrap", "jackknife", "normal"; "" of none

// As findings.json holds them: all but the images' pixels, which stand in files of their own.
Value to_value(const Findings& findings);
Findings findings_from(const Value& value);  // images without pixels; throws DataError for what to_value did not make

}  // namespace espalier
