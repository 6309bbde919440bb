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

bool is_near_page(const Edges& e) { return std::min(e.left, e.top) >= -kSlack && std::max(e.right, e.bottom) <= 1.0 + kSlack; }

Edges cut_at_page(const Edges& e) { return {std::max(e.left, 0.0), std::max(e.top, 0.0), std::min(e.right, 1.0), std::min(e.bottom, 1.0)}; }

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

void Collector::keep_example(const std::string& message) {
  constexpr std::size_t kKept = 3;
  if (set_.examples.size() < kKept) set_.examples.push_back(message);
}

void Collector::bad_page(const std::string& name, const std::string& reason, const std::string& detail) {
  const std::string message = fmt::format("{}: {}: {}", name, reason, detail);
  if (options_.on_error == OnError::fail) throw DataError(file_ + ": " + message);
  ++set_.records;
  ++set_.skipped_pages[reason];
  keep_example(message);
}

void Collector::bad_box(const std::string& name, const std::string& reason, const std::string& detail) {
  const std::string message = fmt::format("{}: {}: {}", name, reason, detail);
  if (options_.on_error == OnError::fail) throw DataError(file_ + ": " + message);
  ++set_.skipped_boxes[reason];
  keep_example(message);
}

bool Collector::exclude(const std::string& page_name, const NamedBox& box) {
  const Edges& e = box.edges;
  const Edges cut = cut_at_page(e);
  const bool ordered = std::isfinite(e.left + e.top + e.right + e.bottom) && e.right >= e.left && e.bottom >= e.top;
  const bool flat_itself = e.right == e.left || e.bottom == e.top;
  const bool flat = ordered && (flat_itself || (is_near_page(e) && (cut.right <= cut.left || cut.bottom <= cut.top)));
  if (!box.crowd && !flat) return false;
  const std::string reason = box.crowd ? "crowd" : "no area";
  ++set_.skipped_boxes[reason];
  keep_example(fmt::format("{}, {} {}: {}: {}", page_name, box_noun_, box.number, reason, text_of(e)));
  return true;
}

void Collector::accept(const std::string& page_name, const NamedBox& box, Page& page) {
  const Edges& e = box.edges;
  const auto refuse = [&](const std::string& reason, const std::string& detail) {
    bad_box(fmt::format("{}, {} {}", page_name, box_noun_, box.number), reason, detail);
  };
  if (!std::isfinite(e.left + e.top + e.right + e.bottom)) return refuse("not finite", text_of(e));
  if (e.right <= e.left || e.bottom <= e.top) return refuse("negative size", text_of(e));
  if (!is_near_page(e)) return refuse("outside the page", text_of(e));
  const Edges cut = cut_at_page(e);
  const int index = class_of(box.class_name);
  if (index < 0) return refuse("unknown class", "'" + box.class_name + "'" + did_you_mean(box.class_name, set_.class_names));
  page.class_index.push_back(index);
  page.box.push_back(box_of(cut));
}

void Collector::page(const std::string& name, const std::vector<NamedBox>& all) {
  std::vector<NamedBox> boxes;
  for (const NamedBox& box : all) {
    if (!exclude(name, box)) boxes.push_back(box);
  }
  if (boxes.empty() && !all.empty()) {  // no box of it is wrong, and none is left
    ++set_.records;
    ++set_.skipped_pages["only excluded boxes"];
    return;
  }
  if (options_.max_boxes > 0 && static_cast<std::int64_t>(boxes.size()) > options_.max_boxes) {
    bad_page(name, "too many boxes", fmt::format("{}, but at most {} are read", boxes.size(), options_.max_boxes));
    return;
  }
  Page page;
  for (const NamedBox& box : boxes) accept(name, box, page);
  if (page.size() == 0) {
    bad_page(name, "no boxes", boxes.empty() ? "the page is empty" : "none of the page's boxes can be used");
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

PageSet require_pages(PageSet set, const std::filesystem::path& path) {
  if (set.pages.empty()) throw DataError(fmt::format("{}: holds no pages; skipped {}", path.string(), set.skipped()));
  return set;
}

}  // namespace espalier::layout
