#include <map>
#include <utility>

#include "plugins/domain/unconditional/source.h"
#include "plugins/shared/pictures/image_folder.h"

namespace espalier::unconditional {
namespace {

namespace fs = std::filesystem;

class FolderPictures final : public Pictures {
 public:
  FolderPictures(const fs::path& folder, std::vector<fs::path> files, std::int64_t channels, std::int64_t resolution,
                 RememberedDigests* remembered)
      : channels_(channels), resolution_(resolution), images_(folder, std::move(files), channels, resolution, remembered) {}

  std::int64_t size() const override { return images_.size(); }

  Hex digest() const override {
    const std::vector<Hex>& pixels = images_.digests();
    return espalier::digest(Value::Map{
        {"source", "folder"}, {"pixels", Value::List(pixels.begin(), pixels.end())}, {"channels", channels_}, {"resolution", resolution_}});
  }

  Batch at(const std::vector<std::int64_t>& rows) const override { return {images_.at(rows), {}}; }

 private:
  std::int64_t channels_, resolution_;
  pictures::FolderImages images_;
};

class FolderSource final : public Source {
 public:
  FolderSource(fs::path folder, const HeldOut& held_out, std::int64_t resolution, RememberedDigests* remembered)
      : folder_(std::move(folder)),
        list_(pictures::list_images(folder_)),
        shape_(pictures::read_shape(folder_, list_.files, resolution)),
        resolution_(resolution),
        remembered_(remembered) {
    std::vector<std::string> names;
    for (const fs::path& file : list_.files) names.push_back(file.generic_string());
    places_ = split_places(names, held_out);
  }

  std::int64_t channels() const override { return shape_.channels; }
  std::int64_t height() const override { return shape_.height; }
  std::int64_t width() const override { return shape_.width; }
  std::vector<std::string> splits() const override {
    return places_.contains("held_out") ? std::vector<std::string>{"train", "held_out"} : std::vector<std::string>{"train"};
  }
  std::vector<std::string> notes() const override {
    return list_.note.empty() ? std::vector<std::string>{} : std::vector<std::string>{list_.note};
  }

  std::unique_ptr<Pictures> pictures(const std::string& split) const override {
    std::vector<fs::path> files;
    for (const std::int64_t place : places_.at(split)) files.push_back(list_.files[static_cast<std::size_t>(place)]);
    return std::make_unique<FolderPictures>(folder_, std::move(files), shape_.channels, resolution_, remembered_);
  }

 private:
  fs::path folder_;
  pictures::ImageList list_;
  pictures::ImageShape shape_;
  std::int64_t resolution_;
  RememberedDigests* remembered_;
  std::map<std::string, std::vector<std::int64_t>> places_;  // by split
};

}  // namespace

std::unique_ptr<Source> make_folder_source(const fs::path& folder, const HeldOut& held_out, std::int64_t resolution,
                                           RememberedDigests* remembered) {
  return std::make_unique<FolderSource>(folder, held_out, resolution, remembered);
}

}  // namespace espalier::unconditional
