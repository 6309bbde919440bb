#include "plugins/shared/layout/page.h"

#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>
#include <fmt/format.h>

#include <algorithm>

#include "runtime/base/errors.h"

namespace espalier::layout {
namespace {

std::string listed(const std::map<std::string, std::int64_t>& counts, const char* what) {
  std::int64_t total = 0;
  std::string reasons;
  for (const auto& [reason, count] : counts) {
    total += count;
    reasons += fmt::format("{}{} {}", reasons.empty() ? "" : ", ", count, reason);
  }
  return total == 0 ? "" : fmt::format("{} {} ({})", total, what, reasons);
}

at::Tensor tensor_of(const Sample& sample, const char* name, std::int64_t dimensions, const std::string& who) {
  const auto found = sample.tensors.find(name);
  if (sample.kind != "layout" || found == sample.tensors.end() || found->second.dim() != dimensions) {
    throw StageError(who + ": needs samples of kind 'layout' with the tensors 'class' [B, M] and 'box' [B, M, 4]; found kind '" +
                     sample.kind + "' " + (found == sample.tensors.end() ? "without '" : "with another shape of '") + name + "'");
  }
  return found->second;
}

}  // namespace

Edges edges_of(const Box& box) { return {box[0] - box[2] / 2.0, box[1] - box[3] / 2.0, box[0] + box[2] / 2.0, box[1] + box[3] / 2.0}; }

Box box_of(const Edges& edges) {
  return {(edges.left + edges.right) / 2.0, (edges.top + edges.bottom) / 2.0, edges.right - edges.left, edges.bottom - edges.top};
}

std::string PageSet::skipped() const {
  const std::string of_pages = listed(skipped_pages, "pages"), of_boxes = listed(skipped_boxes, "boxes");
  if (of_pages.empty() && of_boxes.empty()) return "nothing";
  std::string text = of_pages + (of_pages.empty() || of_boxes.empty() ? "" : ", ") + of_boxes;
  for (std::size_t i = 0; i < examples.size(); ++i) text += (i == 0 ? ": " : "; ") + examples[i];
  std::int64_t count = 0;
  for (const auto* counts : {&skipped_pages, &skipped_boxes}) {
    for (const auto& [reason, times] : *counts) count += times;
  }
  return text + (static_cast<std::size_t>(count) > examples.size() && !examples.empty() ? "; ..." : "");
}

Hex PageSet::digest() const {
  Sha256 hash;
  const auto add = [&](const auto& number) { hash.update(&number, sizeof number); };
  add(static_cast<std::uint64_t>(class_names.size()));
  for (const std::string& name : class_names) {
    add(static_cast<std::uint64_t>(name.size()));
    hash.update(name);
  }
  for (const Page& page : pages) {
    add(static_cast<std::uint64_t>(page.size()));
    for (std::size_t i = 0; i < page.size(); ++i) {
      add(static_cast<std::int64_t>(page.class_index[i]));
      for (const double number : page.box[i]) add(number);
    }
  }
  return hash.finish_hex();
}

std::vector<Page> pages_of(const Sample& sample, const std::string& who) {
  const auto classes = tensor_of(sample, "class", 2, who).to(at::kCPU, at::kLong).contiguous();  // [B, M]
  const auto boxes = tensor_of(sample, "box", 3, who).to(at::kCPU, at::kDouble).contiguous();    // [B, M, 4]
  const std::int64_t rows = classes.size(0), slots = classes.size(1);
  if (boxes.size(0) != rows || boxes.size(1) != slots || boxes.size(2) != 4) {
    throw StageError(fmt::format("{}: 'class' is [{}, {}], but 'box' is [{}, {}, {}]; it must be [{}, {}, 4]", who, rows, slots,
                                 boxes.size(0), boxes.size(1), boxes.size(2), rows, slots));
  }
  const auto* name = classes.const_data_ptr<std::int64_t>();
  const auto* number = boxes.const_data_ptr<double>();
  std::vector<Page> pages(static_cast<std::size_t>(rows));
  for (Page& page : pages) {
    for (std::int64_t slot = 0; slot < slots; ++slot, ++name, number += 4) {
      if (*name < 0) continue;
      page.class_index.push_back(static_cast<int>(*name));
      page.box.push_back({number[0], number[1], number[2], number[3]});
    }
  }
  return pages;
}

Sample sample_of(const std::vector<Page>& pages, std::int64_t slots, at::ScalarType dtype) {
  const auto rows = static_cast<std::int64_t>(pages.size());
  const auto classes = at::full({rows, slots}, -1, at::kLong);
  const auto boxes = at::zeros({rows, slots, 4}, at::kDouble);
  auto* name = classes.mutable_data_ptr<std::int64_t>();
  auto* number = boxes.mutable_data_ptr<double>();
  for (const Page& page : pages) {
    if (static_cast<std::int64_t>(page.size()) > slots) {
      throw InternalError(fmt::format("a page of {} boxes does not fit {} slots", page.size(), slots));
    }
    for (std::size_t i = 0; i < page.size(); ++i) {
      name[i] = page.class_index[i];
      for (std::size_t k = 0; k < 4; ++k) number[4 * i + k] = page.box[i][k];
    }
    name += slots;
    number += 4 * slots;
  }
  return {"layout", {{"class", classes}, {"box", boxes.to(dtype)}}, {}};
}

}  // namespace espalier::layout
