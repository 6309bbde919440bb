#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

#include "plugins/domain/unconditional/source.h"
#include "plugins/shared/pictures/png_images.h"
#include "runtime/base/errors.h"

namespace espalier::unconditional {
namespace {

namespace fs = std::filesystem;

std::string lower_case_extension(const fs::path& path) {
  std::string extension = path.extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return extension;
}

// Relative to the folder, sorted.
std::vector<fs::path> list_pictures(const fs::path& folder) {
  constexpr std::array kOthers = {".jpg", ".jpeg", ".jp2",  ".jxl", ".webp", ".avif", ".heic", ".heif", ".gif",
                                  ".bmp", ".tif",  ".tiff", ".tga", ".pbm",  ".pgm",  ".ppm",  ".pnm"};
  std::vector<fs::path> files;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder)) {
    const std::string extension = lower_case_extension(entry.path());
    if (std::find(kOthers.begin(), kOthers.end(), extension) != kOthers.end()) {
      throw DataError(entry.path().string() + ": pictures are read from PNG files; convert it, or move it out of " + folder.string());
    }
    if (extension == ".png") files.push_back(entry.path().lexically_relative(folder));
  }
  if (files.empty()) throw DataError(folder.string() + ": holds no PNG files");
  std::sort(files.begin(), files.end());
  return files;
}

class FolderPictures final : public Pictures {
 public:
  FolderPictures(fs::path folder, std::vector<fs::path> files, std::int64_t channels, std::int64_t resolution)
      : folder_(std::move(folder)),
        files_(std::move(files)),
        channels_(channels),
        resolution_(resolution),
        images_(folder_, files_, channels, resolution) {}

  std::int64_t size() const override { return images_.size(); }

  Hex digest() const override {
    Value::List pictures;
    for (const fs::path& file : files_) pictures.emplace_back(digest_file(folder_ / file));
    return espalier::digest(Value::Map{{"source", "folder"}, {"pictures", pictures}, {"channels", channels_}, {"resolution", resolution_}});
  }

  Batch at(const std::vector<std::int64_t>& rows) const override { return {images_.at(rows), {}}; }

 private:
  fs::path folder_;
  std::vector<fs::path> files_;
  std::int64_t channels_, resolution_;
  pictures::PngImages images_;
};

class FolderSource final : public Source {
 public:
  FolderSource(fs::path folder, const HeldOut& held_out, std::int64_t resolution)
      : folder_(std::move(folder)), files_(list_pictures(folder_)), held_out_(held_out), resolution_(resolution) {
    read_headers();
    for (const fs::path& file : files_) names_.push_back(file.generic_string());
    for (const std::string& split : splits())
      folder::places_of(split, names_, held_out_, "domain.unconditional");  // refuses a fraction that leaves nothing
  }

  std::int64_t channels() const override { return channels_; }
  std::int64_t height() const override { return height_; }
  std::int64_t width() const override { return width_; }
  std::vector<std::string> splits() const override {
    return held_out_.fraction == 0.0 ? std::vector<std::string>{"train"} : std::vector<std::string>{"train", "held_out"};
  }

  std::unique_ptr<Pictures> pictures(const std::string& split) const override {
    std::vector<fs::path> files;
    for (const std::int64_t place : folder::places_of(split, names_, held_out_, "domain.unconditional"))
      files.push_back(files_[static_cast<std::size_t>(place)]);
    return std::make_unique<FolderPictures>(folder_, std::move(files), channels_, resolution_);
  }

 private:
  void read_headers() {
    const pictures::PngHeader first = pictures::read_png_header(folder_ / files_.front());
    channels_ = 1;
    for (const fs::path& file : files_) {
      const pictures::PngHeader header = pictures::read_png_header(folder_ / file);
      if (!header.grey) channels_ = 3;
      if (resolution_ != 0 || (header.width == first.width && header.height == first.height)) continue;
      throw DataError(fmt::format("{}: {} x {} pixels, but {} has {} x {}; set `resolution` to bring all to one size",
                                  (folder_ / file).string(), header.width, header.height, files_.front().string(), first.width,
                                  first.height));
    }
    height_ = resolution_ != 0 ? resolution_ : first.height;
    width_ = resolution_ != 0 ? resolution_ : first.width;
  }

  fs::path folder_;
  std::vector<fs::path> files_;
  std::vector<std::string> names_;
  HeldOut held_out_;
  std::int64_t resolution_;
  std::int64_t channels_ = 3, height_ = 0, width_ = 0;
};

}  // namespace

std::unique_ptr<Source> make_folder_source(const fs::path& folder, const HeldOut& held_out, std::int64_t resolution) {
  return std::make_unique<FolderSource>(folder, held_out, resolution);
}

}  // namespace espalier::unconditional
