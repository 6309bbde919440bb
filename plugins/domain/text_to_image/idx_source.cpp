#include "plugins/domain/text_to_image/idx_source.h"

#include <utility>

#include "plugins/shared/images/idx.h"
#include "plugins/shared/images/idx_images.h"
#include "runtime/base/errors.h"

namespace espalier::text_to_image {
namespace {

namespace fs = std::filesystem;

// The images and labels of two files.
struct FilePair {
  FilePair(const fs::path& folder, const std::string& image_file, const std::string& label_file, std::int64_t resolution,
           std::size_t classes, RememberedDigests* remembered)
      : images(images::find_idx(folder, image_file), resolution, remembered),
        labels(images::find_idx(folder, label_file), images, classes) {}
  images::IdxImages images;
  images::IdxLabels labels;
};

class IdxSplit final : public Images {
 public:
  IdxSplit(std::shared_ptr<const FilePair> files, std::int64_t resolution) : files_(std::move(files)), resolution_(resolution) {}

  std::int64_t size() const override { return files_->images.size(); }

  Hex digest() const override {
    return espalier::digest(Value::Map{
        {"source", "idx"}, {"images", files_->images.digest()}, {"labels", files_->labels.digest()}, {"resolution", resolution_}});
  }

  Batch at(const std::vector<std::uint64_t>& positions) const override {
    const std::vector<std::int64_t> rows(positions.begin(), positions.end());
    return {files_->images.at(rows), files_->labels.at(rows)};
  }

 private:
  std::shared_ptr<const FilePair> files_;
  std::int64_t resolution_;
};

class IdxSource final : public Source {
 public:
  IdxSource(std::shared_ptr<const FilePair> train, std::shared_ptr<const FilePair> test, std::vector<std::string> class_names,
            std::int64_t resolution)
      : train_(std::move(train)), test_(std::move(test)), class_names_(std::move(class_names)), resolution_(resolution) {}

  std::int64_t channels() const override { return train_->images.channels(); }
  std::int64_t height() const override { return train_->images.height(); }
  std::int64_t width() const override { return train_->images.width(); }
  std::vector<std::string> splits() const override {
    return test_ == nullptr ? std::vector<std::string>{"train"} : std::vector<std::string>{"train", "held_out"};
  }

  Prompts prompts(const std::string&) const override {
    Prompts prompts{class_names_, {}};
    for (std::size_t k = 0; k < class_names_.size(); ++k) {
      Value metadata;
      metadata["label"] = static_cast<std::int64_t>(k);
      metadata["class"] = class_names_[k];
      prompts.metadata.push_back(std::move(metadata));
    }
    return prompts;
  }

  std::unique_ptr<Images> images(const std::string& split) const override {
    return std::make_unique<IdxSplit>(split == "train" ? train_ : test_, resolution_);
  }

 private:
  std::shared_ptr<const FilePair> train_, test_;  // test_ may be null
  std::vector<std::string> class_names_;
  std::int64_t resolution_;
};

}  // namespace

std::unique_ptr<Source> make_idx_source(IdxFiles files, std::int64_t resolution, RememberedDigests* remembered) {
  if (files.class_names.empty()) {
    throw ConfigError("domain.text_to_image: prompts = \"idx\" needs class_names = [...], the name of label 0, 1, ...");
  }
  if (files.test_images.empty() != files.test_labels.empty()) {
    throw ConfigError("domain.text_to_image: test_images and test_labels go together; leave both empty for no held-out images");
  }
  const std::size_t classes = files.class_names.size();
  auto train = std::make_shared<const FilePair>(files.folder, files.train_images, files.train_labels, resolution, classes, remembered);
  std::shared_ptr<const FilePair> test;
  if (!files.test_images.empty()) {
    test = std::make_shared<const FilePair>(files.folder, files.test_images, files.test_labels, resolution, classes, remembered);
    images::require_same_size(test->images, train->images);
  }
  return std::make_unique<IdxSource>(std::move(train), std::move(test), std::move(files.class_names), resolution);
}

}  // namespace espalier::text_to_image
