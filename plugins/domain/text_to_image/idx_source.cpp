#include "plugins/domain/text_to_image/idx_source.h"

#include <ATen/ops/index_select.h>
#include <ATen/ops/tensor.h>
#include <fmt/format.h>

#include <mutex>
#include <utility>

#include "plugins/domain/text_to_image/idx.h"
#include "runtime/base/errors.h"

namespace espalier::text_to_image {
namespace {

constexpr std::size_t kImageRank = 3;  // [N, H, W]
constexpr std::size_t kLabelRank = 1;  // [N]

struct FilePair {
  std::filesystem::path images, labels;
  std::vector<std::int64_t> sizes;  // of the images
};

FilePair check_pair(const std::filesystem::path& folder, const std::string& images, const std::string& labels) {
  FilePair pair{find_idx(folder, images), find_idx(folder, labels), {}};
  pair.sizes = read_idx_sizes(pair.images, kImageRank);
  const std::int64_t count = read_idx_sizes(pair.labels, kLabelRank)[0];
  if (count != pair.sizes[0]) {
    throw DataError(fmt::format("{}: {} labels for the {} images of {}", pair.labels.string(), count, pair.sizes[0], pair.images.string()));
  }
  return pair;
}

class IdxPictures final : public Pictures {
 public:
  IdxPictures(FilePair files, std::int64_t resolution, std::size_t classes)
      : files_(std::move(files)), resolution_(resolution), classes_(classes) {}

  std::int64_t size() const override { return files_.sizes[0]; }

  Hex digest() const override {
    return espalier::digest(Value::Map{
        {"source", "idx"}, {"images", digest_file(files_.images)}, {"labels", digest_file(files_.labels)}, {"resolution", resolution_}});
  }

  Batch at(const std::vector<std::uint64_t>& positions) const override {
    std::call_once(loaded_, [this] { load(); });
    std::vector<std::int64_t> rows(positions.begin(), positions.end());
    Batch batch;
    batch.image = to_image(at::index_select(images_, 0, at::tensor(rows)).unsqueeze(1), resolution_);
    const std::uint8_t* label = labels_.const_data_ptr<std::uint8_t>();
    for (const std::int64_t row : rows) batch.prompt.push_back(label[row]);
    return batch;
  }

 private:
  void load() const {
    at::Tensor labels = read_idx(files_.labels, kLabelRank);
    const std::uint8_t* label = labels.const_data_ptr<std::uint8_t>();
    for (std::int64_t i = 0; i < labels.size(0); ++i) {
      if (label[i] >= classes_) {
        throw DataError(fmt::format("{}: label {} of picture {} has no name; class_names has {} entries", files_.labels.string(), label[i],
                                    i, classes_));
      }
    }
    images_ = read_idx(files_.images, kImageRank);
    labels_ = labels;
  }

  FilePair files_;
  std::int64_t resolution_;
  std::size_t classes_;
  mutable std::once_flag loaded_;
  mutable at::Tensor images_;  // [N, H, W] uint8
  mutable at::Tensor labels_;  // [N] uint8
};

class IdxSource final : public Source {
 public:
  IdxSource(FilePair train, std::vector<FilePair> test, std::vector<std::string> class_names, std::int64_t resolution)
      : train_(std::move(train)), test_(std::move(test)), class_names_(std::move(class_names)), resolution_(resolution) {}

  std::int64_t channels() const override { return 1; }
  std::int64_t height() const override { return resolution_ != 0 ? resolution_ : train_.sizes[1]; }
  std::int64_t width() const override { return resolution_ != 0 ? resolution_ : train_.sizes[2]; }
  std::vector<std::string> splits() const override {
    return test_.empty() ? std::vector<std::string>{"train"} : std::vector<std::string>{"train", "held_out"};
  }

  Prompts prompts(const std::string&) const override {
    Prompts prompts{class_names_, {}};
    for (std::size_t k = 0; k < class_names_.size(); ++k) {
      Value facts;
      facts["label"] = static_cast<std::int64_t>(k);
      facts["class"] = class_names_[k];
      prompts.facts.push_back(std::move(facts));
    }
    return prompts;
  }

  std::unique_ptr<Pictures> pictures(const std::string& split) const override {
    return std::make_unique<IdxPictures>(split == "train" ? train_ : test_.front(), resolution_, class_names_.size());
  }

 private:
  FilePair train_;
  std::vector<FilePair> test_;  // none or one
  std::vector<std::string> class_names_;
  std::int64_t resolution_;
};

}  // namespace

std::unique_ptr<Source> make_idx_source(IdxFiles files, std::int64_t resolution) {
  if (files.class_names.empty()) {
    throw ConfigError("domain.text_to_image: prompts = \"idx\" needs class_names = [...], the name of label 0, 1, ...");
  }
  if (files.test_images.empty() != files.test_labels.empty()) {
    throw ConfigError("domain.text_to_image: test_images and test_labels go together; leave both empty for no held-out pictures");
  }
  FilePair train = check_pair(files.folder, files.train_images, files.train_labels);
  std::vector<FilePair> test;
  if (!files.test_images.empty()) {
    test.push_back(check_pair(files.folder, files.test_images, files.test_labels));
    if (test[0].sizes[1] != train.sizes[1] || test[0].sizes[2] != train.sizes[2]) {
      throw DataError(fmt::format("{}: pictures of {} x {}, but {} has {} x {}", test[0].images.string(), test[0].sizes[2],
                                  test[0].sizes[1], train.images.string(), train.sizes[2], train.sizes[1]));
    }
  }
  return std::make_unique<IdxSource>(std::move(train), std::move(test), std::move(files.class_names), resolution);
}

}  // namespace espalier::text_to_image
