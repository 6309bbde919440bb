#include "plugins/shared/image_sources/idx_source.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <optional>
#include <utility>

#include "plugins/shared/images/idx.h"
#include "plugins/shared/images/idx_images.h"
#include "runtime/base/errors.h"

namespace espalier::images {
namespace {

namespace fs = std::filesystem;

// One file of images and, with class names, its labels.
struct Files {
  Files(const fs::path& folder, const std::string& image_file, const std::string& label_file, std::int64_t resolution, std::size_t classes,
        RememberedDigests* remembered)
      : images(find_idx(folder, image_file), resolution, remembered) {
    if (classes > 0) labels.emplace(find_idx(folder, label_file), images, classes);
  }
  IdxImages images;
  std::optional<IdxLabels> labels;
};

// Some rows of a file, or all of them.
class IdxSplit final : public Images {
 public:
  IdxSplit(std::shared_ptr<const Files> files, std::optional<std::vector<std::int64_t>> rows, std::int64_t resolution)
      : files_(std::move(files)), rows_(std::move(rows)), resolution_(resolution) {}

  std::int64_t size() const override { return rows_ ? static_cast<std::int64_t>(rows_->size()) : files_->images.size(); }

  Hex digest() const override {
    Value value = Value::Map{{"source", "idx"}, {"images", files_->images.digest()}, {"resolution", resolution_}};
    if (files_->labels) value["labels"] = files_->labels->digest();
    if (rows_) value["rows"] = sha256(fmt::format("{}", fmt::join(*rows_, ",")));
    return espalier::digest(value);
  }

  Batch at(const std::vector<std::uint64_t>& positions) const override {
    std::vector<std::int64_t> places(positions.begin(), positions.end());
    if (rows_) {
      for (std::int64_t& place : places) place = rows_->at(static_cast<std::size_t>(place));
    }
    Batch batch;
    if (files_->labels) batch.caption = files_->labels->at(places);
    batch.image = files_->images.at(places);
    return batch;
  }

 private:
  std::shared_ptr<const Files> files_;
  std::optional<std::vector<std::int64_t>> rows_;
  std::int64_t resolution_;
};

class IdxSource final : public Source {
 public:
  IdxSource(const std::string& plugin, const IdxFiles& files, const folder::HeldOut& held_out, std::int64_t resolution,
            RememberedDigests* remembered)
      : class_names_(files.class_names), resolution_(resolution) {
    const std::size_t classes = class_names_.size();
    train_ = std::make_shared<const Files>(files.folder, files.train_images, files.train_labels, resolution, classes, remembered);
    if (!files.test_images.empty()) {
      test_ = std::make_shared<const Files>(files.folder, files.test_images, files.test_labels, resolution, classes, remembered);
      require_same_size(test_->images, train_->images);
    }
    if (held_out.fraction == 0.0) return;
    std::vector<std::string> names;
    for (std::int64_t row = 0; row < train_->images.size(); ++row) names.push_back(std::to_string(row));
    rows_ = folder::split_places(names, held_out, plugin);
  }

  std::int64_t channels() const override { return train_->images.channels(); }
  std::int64_t height() const override { return train_->images.height(); }
  std::int64_t width() const override { return train_->images.width(); }
  std::vector<std::string> splits() const override {
    const bool one = test_ == nullptr && rows_.empty();
    return one ? std::vector<std::string>{"train"} : std::vector<std::string>{"train", "held_out"};
  }
  Captions captions(const std::string&) const override { return captions_of_classes(class_names_); }

  std::unique_ptr<Images> images(const std::string& split) const override {
    if (!rows_.empty()) return std::make_unique<IdxSplit>(train_, rows_.at(split), resolution_);
    return std::make_unique<IdxSplit>(split == "train" ? train_ : test_, std::nullopt, resolution_);
  }

 private:
  std::shared_ptr<const Files> train_, test_;  // test_ may be null
  std::vector<std::string> class_names_;
  std::int64_t resolution_;
  std::map<std::string, std::vector<std::int64_t>> rows_;  // by split, where one file is split
};

}  // namespace

std::unique_ptr<Source> make_idx_source(const std::string& plugin, const IdxFiles& files, const folder::HeldOut& held_out,
                                        std::int64_t resolution, RememberedDigests* remembered) {
  if (!files.class_names.empty() && !files.test_images.empty() && files.test_labels.empty()) {
    throw ConfigError(plugin + ": test_images and test_labels go together where there are class names; name the file of labels");
  }
  return std::make_unique<IdxSource>(plugin, files, held_out, resolution, remembered);
}

}  // namespace espalier::images
