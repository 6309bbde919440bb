#include "plugins/shared/layout/generator.h"

#include <algorithm>

#include "runtime/base/errors.h"
#include "runtime/random/draws.h"
#include "runtime/random/streams.h"

namespace espalier::layout {
namespace {

enum Class : int { text, title, list, table, figure };

constexpr std::int64_t kUniforms = 160;  // a page uses at most 7 + 7 a box
constexpr double kGap = 0.015;           // between boxes of a column, as a share of the page's height
constexpr double kCaptionGap = 0.008;
constexpr double kLeastText = 0.03;  // height
constexpr double kRest = 0.05;       // a column with less height left is full

// The page's own numbers in (0, 1), taken one after the other.
class Numbers {
 public:
  Numbers(std::uint64_t seed, std::uint64_t index) {
    random::Draws draws(random::streams::examples(seed, /*split=*/0), {index});
    const auto drawn = draws.uniforms({kUniforms});  // [1, kUniforms] double
    numbers_.assign(drawn.const_data_ptr<double>(), drawn.const_data_ptr<double>() + kUniforms);
  }
  double next() { return numbers_.at(next_++); }
  double between(double low, double high) { return low + (high - low) * next(); }
  bool chance(double probability) { return next() < probability; }
  std::size_t choose(std::size_t count) { return std::min(count - 1, static_cast<std::size_t>(next() * static_cast<double>(count))); }

 private:
  std::vector<double> numbers_;
  std::size_t next_ = 0;
};

class Writer {
 public:
  Writer(std::uint64_t seed, std::uint64_t index, std::int64_t max_boxes) : numbers_(seed, index), left_over_(max_boxes) {
    margin_ = std::array{0.07, 0.08, 0.10, 0.12}[numbers_.choose(4)];
    top_ = std::array{0.07, 0.09, 0.11}[numbers_.choose(3)];
    bottom_ = 1.0 - std::array{0.07, 0.09, 0.11}[numbers_.choose(3)];
    const double kind = numbers_.next();
    columns_ = kind < 0.40 ? 1 : kind < 0.88 ? 2 : 3;
  }

  Page write() {
    head();
    if (columns_ > 1 && left_over_ > columns_ + 2 && numbers_.chance(0.3)) spanning();
    const bool ends_early = numbers_.chance(0.3);
    const double gutter = 0.03;
    const double width = (1.0 - 2.0 * margin_ - gutter * (columns_ - 1)) / columns_;
    for (int c = 0; c < columns_; ++c) {
      const double left = margin_ + c * (width + gutter);
      const bool last = c == columns_ - 1;
      const double end = last && ends_early ? top_ + (bottom_ - top_) * numbers_.between(0.4, 0.9) : bottom_;
      column(left, width, end, left_over_ / (columns_ - c));
    }
    return std::move(page_);
  }

 private:
  void put(Class which, double left, double top, double width, double height) {
    page_.class_index.push_back(which);
    page_.box.push_back({left + width / 2.0, top + height / 2.0, width, height});
    --left_over_;
  }

  // What stands above the columns, across the page.
  void head() {
    const double width = 1.0 - 2.0 * margin_;
    if (!numbers_.chance(0.4)) return;
    const double height = numbers_.between(0.03, 0.07);
    put(title, margin_, top_, width, height);
    top_ += height + kGap;
    if (left_over_ > columns_ + 1 && numbers_.chance(0.7)) {
      const double authors = numbers_.between(0.02, 0.04);
      put(text, margin_, top_, width, authors);
      top_ += authors + 2.0 * kGap;
    }
  }

  void spanning() {
    top_ += captioned(numbers_.chance(0.6) ? figure : table, margin_, top_, 1.0 - 2.0 * margin_, numbers_.between(0.15, 0.3)) + kGap;
  }

  // A figure with its caption below it, a table with its caption above; the height of both.
  double captioned(Class which, double left, double top, double width, double height) {
    const double caption = numbers_.between(0.02, 0.045);
    if (which == table) {
      put(text, left, top, width, caption);
      put(table, left, top + caption + kCaptionGap, width, height);
    } else {
      put(figure, left, top, width, height);
      put(text, left, top + height + kCaptionGap, width, caption);
    }
    return caption + kCaptionGap + height;
  }

  void column(double left, double width, double end, std::int64_t budget) {
    double top = top_;
    const std::int64_t stop = left_over_ - budget;
    while (end - top >= kRest && left_over_ > stop) {
      const double room = end - top, kind = numbers_.next();
      const std::int64_t boxes = left_over_ - stop;
      if (boxes >= 3 && room >= 0.3 && kind < 0.2) {
        top += captioned(kind < 0.13 ? figure : table, left, top, width, numbers_.between(0.1, 0.2)) + kGap;
        continue;
      }
      if (boxes >= 2 && room >= 0.12 && kind > 0.75) {
        const double height = numbers_.between(0.015, 0.025);
        put(title, left, top, width * numbers_.between(0.4, 1.0), height);
        top += height + kGap;
      }
      top += paragraph(left, top, width, end, /*last=*/left_over_ == stop + 1) + kGap;
    }
  }

  // Text or a list, to the column's end where little is left below it or where it is the last box allowed.
  double paragraph(double left, double top, double width, double end, bool last) {
    const bool is_list = numbers_.chance(0.08);
    const double wanted = numbers_.between(kLeastText, is_list ? 0.15 : 0.25);
    const double room = end - top;
    const double height = last || room - wanted < kRest + kGap ? room : wanted;
    put(is_list ? list : text, left, top, width, height);
    return height;
  }

  Numbers numbers_;
  std::int64_t left_over_;  // boxes
  double margin_ = 0.0, top_ = 0.0, bottom_ = 0.0;
  int columns_ = 1;
  Page page_;
};

}  // namespace

Page generate_page(std::uint64_t seed, std::uint64_t index, std::int64_t max_boxes) {
  if (max_boxes < kLeastBoxLimit) {
    throw ConfigError("generated pages need room for at least " + std::to_string(kLeastBoxLimit) + " boxes; there is room for " +
                      std::to_string(max_boxes));
  }
  return Writer(seed, index, std::min(max_boxes, kMostGeneratedBoxes)).write();
}

}  // namespace espalier::layout
