#include <fmt/format.h>

#include <string_view>

#include "runtime/base/errors.h"
#include "runtime/exchange/formats.h"

namespace espalier::exchange {

std::string sdf_record(const std::map<std::string, std::string>& records, std::int64_t index) {
  static constexpr std::string_view kEnd = "$$$$\n";
  const auto found = records.find("molecules.sdf");
  if (found == records.end() || found->second.empty()) return "";
  const auto& record = found->second;
  if (!record.ends_with(kEnd)) throw InternalError("a record of molecules.sdf does not end with $$$$");
  return fmt::format("{}> <index>\n{}\n\n{}", record.substr(0, record.size() - kEnd.size()), index, kEnd);
}

void CocoBoxes::add(const ExportedSample& sample, const std::map<std::string, std::string>& records, const Image& drawn) {
  const auto found = records.find("layouts.jsonl");
  if (found == records.end()) throw InternalError("a layout without a record in layouts.jsonl");
  const auto width = static_cast<double>(drawn.width), height = static_cast<double>(drawn.height);
  images_.push_back(Value::Map{
      {"id", sample.index}, {"file_name", sample.file}, {"width", drawn.width}, {"height", drawn.height}, {"text", sample.text}});
  const auto page = parse_json(found->second, "layouts.jsonl");
  for (const auto& element : page.at("elements").as_list()) {
    const auto& box = element.at("box_ltwh_norm").as_list();
    const double w = box.at(2).as_number() * width, h = box.at(3).as_number() * height;
    const auto category = element.at("class_index").as_integer() + 1;
    categories_.emplace(category, element.at("class").as_string());
    annotations_.push_back(Value::Map{{"id", static_cast<std::int64_t>(annotations_.size()) + 1},
                                      {"image_id", sample.index},
                                      {"category_id", category},
                                      {"bbox", Value::List{box.at(0).as_number() * width, box.at(1).as_number() * height, w, h}},
                                      {"area", w * h},
                                      {"iscrowd", 0}});
  }
}

std::string CocoBoxes::to_text() const {
  Value::List categories;
  for (const auto& [id, name] : categories_) categories.push_back(Value::Map{{"id", id}, {"name", name}});
  return to_json(Value::Map{{"images", images_}, {"annotations", annotations_}, {"categories", std::move(categories)}}) + "\n";
}

}  // namespace espalier::exchange
