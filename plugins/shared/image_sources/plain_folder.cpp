#include "plugins/shared/image_sources/plain_folder.h"

#include <map>
#include <memory>
#include <utility>

#include "plugins/shared/images/image_folder.h"

namespace espalier::images {
namespace {

namespace fs = std::filesystem;

class PlainSplit final : public Images {
 public:
  PlainSplit(std::shared_ptr<const FolderImages> images, std::int64_t channels, std::int64_t resolution)
      : images_(std::move(images)), channels_(channels), resolution_(resolution) {}

  std::int64_t size() const override { return images_->size(); }

  Hex digest() const override {
    const std::vector<Hex>& pixels = images_->digests();
    return espalier::digest(Value::Map{
        {"source", "folder"}, {"pixels", Value::List(pixels.begin(), pixels.end())}, {"channels", channels_}, {"resolution", resolution_}});
  }

  Batch at(const std::vector<std::uint64_t>& positions) const override { return {images_->at({positions.begin(), positions.end()}), {}}; }

 private:
  std::shared_ptr<const FolderImages> images_;
  std::int64_t channels_, resolution_;
};

class PlainFolder final : public Source {
 public:
  PlainFolder(const std::string& plugin, const fs::path& folder, const folder::HeldOut& held_out, std::int64_t resolution,
              RememberedDigests* remembered)
      : resolution_(resolution) {
    const ImageList list = list_images(folder);
    if (!list.note.empty()) notes_.push_back(list.note);
    shape_ = read_shape(folder, list.files, resolution);
    std::vector<std::string> names;
    for (const fs::path& file : list.files) names.push_back(file.generic_string());
    for (const auto& [split, places] : folder::split_places(names, held_out, plugin)) {
      std::vector<fs::path> files;
      for (const std::int64_t place : places) files.push_back(list.files[static_cast<std::size_t>(place)]);
      images_.emplace(split, std::make_shared<const FolderImages>(folder, std::move(files), shape_.channels, resolution, remembered));
    }
  }

  std::int64_t channels() const override { return shape_.channels; }
  std::int64_t height() const override { return shape_.height; }
  std::int64_t width() const override { return shape_.width; }
  std::vector<std::string> splits() const override {
    return images_.contains("held_out") ? std::vector<std::string>{"train", "held_out"} : std::vector<std::string>{"train"};
  }
  std::vector<std::string> notes() const override { return notes_; }

  std::unique_ptr<Images> images(const std::string& split) const override {
    return std::make_unique<PlainSplit>(images_.at(split), shape_.channels, resolution_);
  }

 private:
  std::int64_t resolution_;
  std::vector<std::string> notes_;
  ImageShape shape_;
  // By split. All of a split's examples share them: what is loaded is compared with what was digested.
  std::map<std::string, std::shared_ptr<const FolderImages>> images_;
};

}  // namespace

std::unique_ptr<Source> make_plain_folder_source(const std::string& plugin, const fs::path& folder, const folder::HeldOut& held_out,
                                                 std::int64_t resolution, RememberedDigests* remembered) {
  return std::make_unique<PlainFolder>(plugin, folder, held_out, resolution, remembered);
}

}  // namespace espalier::images
