#include "plugins/shared/layout/collector.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "runtime/base/errors.h"
#include "runtime/base/suggest.h"

namespace espalier::layout {
namespace {

std::string text_of(const Edges& e) {
  return fmt::format("left {:.4g}, top {:.4g}, right {:.4g}, bottom {:.4g} of the page", e.left, e.top, e.right, e.bottom);
}

}  // namespace

Collector::Collector(std::string file, std::string box_noun, const ReadOptions& options)
    : file_(std::move(file)), box_noun_(std::move(box_noun)), options_(options) {
  if (!options_.class_names.empty()) set_classes(options_.class_names);
}

void Collector::set_classes(std::vector<std::string> names) {
  index_.clear();
  for (const std::string& name : names) {
    if (!index_.emplace(name, static_cast<int>(index_.size())).second) throw DataError(file_ + ": the class '" + name + "' is named twice");
  }
  set_.class_names = std::move(names);
  fixed_ = true;
}

int Collector::class_of(const std::string& name) {
  if (!fixed_) return index_.emplace(name, static_cast<int>(index_.size())).first->second;
  const auto found = index_.find(name);
  return found == index_.end() ? -1 : found->second;
}

void Collector::bad_page(const std::string& name, const std::string& reason, const std::string& detail) {
  if (options_.on_error == OnError::fail) throw DataError(fmt::format("{}: {}: {}: {}", file_, name, reason, detail));
  ++set_.records;
  ++set_.skipped_pages[reason];
}

void Collector::bad_box(const std::string& name, const std::string& reason, const std::string& detail) {
  if (options_.on_error == OnError::fail) throw DataError(fmt::format("{}: {}: {}: {}", file_, name, reason, detail));
  ++set_.skipped_boxes[reason];
}

bool Collector::accept(const std::string& page_name, const NamedBox& box, Page& page) {
  const Edges& e = box.edges;
  const auto refuse = [&](const std::string& reason, const std::string& detail) {
    bad_box(fmt::format("{}, {} {}", page_name, box_noun_, box.number), reason, detail);
    return false;
  };
  if (!std::isfinite(e.left + e.top + e.right + e.bottom)) return refuse("not finite", text_of(e));
  if (e.right <= e.left || e.bottom <= e.top) return refuse("no area", text_of(e));
  if (std::min(e.left, e.top) < -kSlack || std::max(e.right, e.bottom) > 1.0 + kSlack) return refuse("outside the page", text_of(e));
  const Edges cut = {std::max(e.left, 0.0), std::max(e.top, 0.0), std::min(e.right, 1.0), std::min(e.bottom, 1.0)};
  if (cut.right <= cut.left || cut.bottom <= cut.top) return refuse("outside the page", text_of(e));
  const int index = class_of(box.class_name);
  if (index < 0) return refuse("unknown class", "'" + box.class_name + "'" + did_you_mean(box.class_name, set_.class_names));
  page.class_index.push_back(index);
  page.box.push_back(box_of(cut));
  return true;
}

void Collector::page(const std::string& name, const std::vector<NamedBox>& boxes) {
  if (options_.max_boxes > 0 && static_cast<std::int64_t>(boxes.size()) > options_.max_boxes) {
    bad_page(name, "too many boxes", fmt::format("{}, but at most {} are read", boxes.size(), options_.max_boxes));
    return;
  }
  Page page;
  std::size_t refused = 0;
  for (const NamedBox& box : boxes) refused += accept(name, box, page) ? 0 : 1;
  if (page.size() == 0) {
    bad_page(name, "no boxes", refused == 0 ? "the page is empty" : "none of the page's boxes can be used");
    return;
  }
  ++set_.records;
  set_.pages.push_back(std::move(page));
}

PageSet Collector::finish() {
  if (!fixed_) {  // the map has the names in alphabetical order; indices were given in the order of meeting
    std::vector<int> place(index_.size());
    std::set<int> used;
    for (const Page& page : set_.pages) used.insert(page.class_index.begin(), page.class_index.end());
    for (const auto& [name, met] : index_) {
      if (!used.contains(met)) continue;
      place[static_cast<std::size_t>(met)] = static_cast<int>(set_.class_names.size());
      set_.class_names.push_back(name);
    }
    for (Page& page : set_.pages) {
      for (int& index : page.class_index) index = place[static_cast<std::size_t>(index)];
    }
  }
  return std::move(set_);
}

}  // namespace espalier::layout
