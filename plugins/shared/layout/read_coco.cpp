#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>

#include "plugins/shared/layout/collector.h"
#include "plugins/shared/layout/text_file.h"
#include "runtime/base/errors.h"

namespace espalier::layout {
namespace {

using nlohmann::json;

struct Image {
  std::int64_t id = 0;
  double width = 0.0, height = 0.0;  // pixels
};
struct Annotation {
  std::int64_t image = 0, category = 0, number = 0;
  std::array<double, 4> box = {};  // left, top, width, height in pixels
  bool crowd = false;
};

std::optional<double> number_of(const json& record, const char* name) {
  const auto found = record.find(name);
  if (found == record.end() || !found->is_number()) return std::nullopt;
  return found->get<double>();
}

std::optional<std::int64_t> id_of(const json& record, const char* name) {
  const auto found = record.find(name);
  if (found == record.end() || !found->is_number_integer()) return std::nullopt;
  return found->get<std::int64_t>();
}

// iscrowd is 0 or 1; some write false and true.
bool is_crowd(const json& record) {
  const auto found = record.find("iscrowd");
  return found != record.end() && (*found == true || (found->is_number() && found->get<double>() != 0.0));
}

// Takes the records of the three lists one at a time; the parser drops each when it has been taken.
class Coco {
 public:
  Coco(const std::filesystem::path& path, const ReadOptions& options)
      : file_(path.string()), collector_(file_, "annotation", options), own_classes_(options.class_names.empty()) {
    const auto stream = open_text(path);
    const auto callback = [this](int depth, json::parse_event_t event, json& parsed) { return take(depth, event, parsed); };
    try {
      const json rest = json::parse(*stream, callback);
    } catch (const json::exception& error) {
      const std::string what = error.what();
      throw DataError(file_ + ": not valid JSON: " + what.substr(what.find("] ") == std::string::npos ? 0 : what.find("] ") + 2));
    }
    for (const char* name : {"images", "annotations", "categories"}) {
      if (!sections_.contains(name)) throw DataError(file_ + ": no COCO file: it has no list '" + name + "'");
    }
  }

  PageSet pages() {
    if (own_classes_) collector_.set_classes(names());
    std::unordered_map<std::int64_t, std::vector<const Annotation*>> of_image;
    for (const Image& image : images_) of_image[image.id];
    for (const Annotation& annotation : annotations_) {
      const auto found = of_image.find(annotation.image);
      if (found == of_image.end()) {
        collector_.bad_box(fmt::format("annotation {}", annotation.number), "unknown image", fmt::format("image_id {}", annotation.image));
      } else {
        found->second.push_back(&annotation);
      }
    }
    for (const Image& image : images_) add(image, of_image.at(image.id));
    return collector_.finish();
  }

 private:
  bool take(int depth, json::parse_event_t event, json& parsed) {
    if (event == json::parse_event_t::key) {
      if (depth == 1) sections_.insert(section_ = parsed.get<std::string>());
      return !(depth == 3 && parsed == "segmentation");  // by far the largest field, and of no use here
    }
    if (event != json::parse_event_t::object_end || depth != 2) return true;
    const std::int64_t number = ++counts_[section_];
    if (section_ == "images") take_image(parsed, number);
    if (section_ == "annotations") take_annotation(parsed, number);
    if (section_ == "categories") take_category(parsed, number);
    return false;
  }

  void take_image(const json& record, std::int64_t number) {
    const auto id = id_of(record, "id");
    const auto width = number_of(record, "width"), height = number_of(record, "height");
    const std::string name = fmt::format("image record {}", number);
    if (!id || !width || !height || !(*width > 0.0) || !(*height > 0.0)) {
      collector_.bad_page(name, "malformed record", "needs an integer id, a width and a height above 0");
    } else if (!image_ids_.insert(*id).second) {
      collector_.bad_page(name, "malformed record", fmt::format("the id {} is given twice", *id));
    } else {
      images_.push_back({*id, *width, *height});
    }
  }

  void take_annotation(const json& record, std::int64_t number) {
    const auto image = id_of(record, "image_id"), category = id_of(record, "category_id");
    const auto box = record.find("bbox");
    bool good = image && category && box != record.end() && box->is_array() && box->size() == 4;
    Annotation annotation{image.value_or(0), category.value_or(0), number, {}, is_crowd(record)};
    for (std::size_t k = 0; good && k < 4; ++k) {
      good = (*box)[k].is_number();
      if (good) annotation.box[k] = (*box)[k].get<double>();
    }
    if (good) {
      annotations_.push_back(annotation);
    } else {
      collector_.bad_box(fmt::format("annotation {}", number), "malformed record",
                         "needs an integer image_id and category_id, and a bbox of four numbers");
    }
  }

  void take_category(const json& record, std::int64_t number) {
    const auto id = id_of(record, "id");
    const auto name = record.find("name");
    if (!id || name == record.end() || !name->is_string() || !categories_.emplace(*id, name->get<std::string>()).second) {
      throw DataError(fmt::format("{}: category record {}: needs a name and an integer id that no other has", file_, number));
    }
  }

  std::vector<std::string> names() const {
    std::vector<std::string> result;
    for (const auto& [id, name] : categories_) result.push_back(name);
    return result;
  }

  void add(const Image& image, const std::vector<const Annotation*>& annotations) {
    const std::string name = fmt::format("image {}", image.id);
    std::vector<NamedBox> boxes;
    for (const Annotation* annotation : annotations) {
      const auto category = categories_.find(annotation->category);
      if (category == categories_.end()) {
        collector_.bad_box(fmt::format("{}, annotation {}", name, annotation->number), "unknown class",
                           fmt::format("category_id {}", annotation->category));
        continue;
      }
      const auto& [left, top, width, height] = annotation->box;
      boxes.push_back({category->second,
                       {left / image.width, top / image.height, (left + width) / image.width, (top + height) / image.height},
                       annotation->number,
                       annotation->crowd});
    }
    collector_.page(name, boxes);
  }

  std::string file_;
  Collector collector_;
  bool own_classes_;
  std::string section_;
  std::set<std::string> sections_;
  std::map<std::string, std::int64_t> counts_;
  std::vector<Image> images_;
  std::set<std::int64_t> image_ids_;
  std::vector<Annotation> annotations_;
  std::map<std::int64_t, std::string> categories_;
};

}  // namespace

PageSet read_coco(const std::filesystem::path& path, const ReadOptions& options) {
  return require_pages(Coco(path, options).pages(), path);
}

}  // namespace espalier::layout
