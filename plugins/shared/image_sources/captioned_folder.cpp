#include "plugins/shared/image_sources/captioned_folder.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <set>
#include <sstream>
#include <utility>

#include "plugins/shared/images/image_folder.h"
#include "runtime/base/errors.h"
#include "runtime/base/files.h"

namespace espalier::images {
namespace {

namespace fs = std::filesystem;

struct Captioned {
  fs::path file;  // relative to the folder
  std::string text;
};

// A line's file, checked to lie in the folder. `where` is file:line.
fs::path checked_file(const fs::path& folder, const std::string& name, const std::string& where) {
  const fs::path relative(name);
  const bool climbs = std::find(relative.begin(), relative.end(), "..") != relative.end();
  if (relative.empty() || relative.is_absolute() || climbs) {
    throw DataError(where + ": file_name '" + name + "' leaves the folder; it must be a path below " + folder.string());
  }
  if (!fs::is_regular_file(folder / relative)) throw DataError(where + ": file_name '" + name + "': no such file below " + folder.string());
  return relative.lexically_normal();
}

// `images`: those of the folder; each must have a caption.
std::vector<Captioned> read_metadata(const fs::path& folder, const std::vector<fs::path>& images) {
  const fs::path path = folder / "metadata.jsonl";
  std::istringstream lines(read_file(path));
  std::vector<Captioned> entries;
  std::set<fs::path> seen;
  std::string line;
  for (std::int64_t number = 1; std::getline(lines, line); ++number) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    const std::string where = path.string() + ":" + std::to_string(number);
    const Value value = parse_json(line, where);
    const Value* name = value.is_map() ? value.find("file_name") : nullptr;
    const Value* text = value.is_map() ? value.find("text") : nullptr;
    if (name == nullptr || !name->is_string()) throw DataError(where + ": no \"file_name\"; a line is {\"file_name\": ..., \"text\": ...}");
    if (text == nullptr || !text->is_string()) throw DataError(where + ": no caption (\"text\") for '" + name->as_string() + "'");
    const fs::path file = checked_file(folder, name->as_string(), where);
    if (!seen.insert(file).second) throw DataError(where + ": '" + file.string() + "' has a caption already");
    entries.push_back({file, text->as_string()});
  }
  if (entries.empty()) throw DataError(path.string() + ": names no images");
  for (const fs::path& file : images) {
    if (!seen.contains(file)) throw DataError(path.string() + ": no caption for the image '" + file.string() + "'");
  }
  return entries;
}

std::vector<fs::path> files_of(const std::vector<Captioned>& entries) {
  std::vector<fs::path> files;
  for (const Captioned& entry : entries) files.push_back(entry.file);
  return files;
}

// The images of a split with their captions.
struct Split {
  std::vector<Captioned> entries;
  std::vector<std::int64_t> caption;  // of each entry: its number in the split
  std::unique_ptr<const FolderImages> images;
};

class CaptionedSplit final : public Images {
 public:
  CaptionedSplit(std::shared_ptr<const Split> split, std::int64_t resolution) : split_(std::move(split)), resolution_(resolution) {}

  std::int64_t size() const override { return split_->images->size(); }

  Hex digest() const override {
    const std::vector<Hex>& pixels = split_->images->digests();
    Value::List images;
    for (std::size_t i = 0; i < pixels.size(); ++i) images.push_back(Value::List{pixels[i], split_->entries[i].text});
    return espalier::digest(Value::Map{{"source", "folder"}, {"captioned_pixels", images}, {"resolution", resolution_}});
  }

  Batch at(const std::vector<std::uint64_t>& positions) const override {
    Batch batch;
    batch.image = split_->images->at({positions.begin(), positions.end()});
    for (const std::uint64_t position : positions) batch.caption.push_back(split_->caption.at(position));
    return batch;
  }

 private:
  std::shared_ptr<const Split> split_;
  std::int64_t resolution_;
};

class CaptionedFolder final : public Source {
 public:
  CaptionedFolder(const fs::path& folder, double held_out_fraction, std::int64_t resolution, RememberedDigests* remembered)
      : resolution_(resolution) {
    const ImageList list = list_images(folder);
    if (!list.note.empty()) notes_.push_back(list.note);
    const std::vector<Captioned> entries = read_metadata(folder, list.files);
    for (const Captioned& entry : entries) label_.emplace(entry.text, 0);
    std::int64_t next = 0;
    for (auto& [text, label] : label_) label = next++;
    split_captions(held_out_fraction);
    shape_ = read_shape(folder, files_of(entries), resolution);
    for (const std::string& split : splits()) {
      Split& own = *splits_.emplace(split, std::make_shared<Split>(select(split, entries))).first->second;
      own.images = std::make_unique<FolderImages>(folder, files_of(own.entries), /*channels=*/3, resolution, remembered);
    }
  }

  std::int64_t channels() const override { return 3; }
  std::int64_t height() const override { return shape_.height; }
  std::int64_t width() const override { return shape_.width; }
  std::vector<std::string> splits() const override {
    return held_out_.empty() ? std::vector<std::string>{"train"} : std::vector<std::string>{"train", "held_out"};
  }

  std::vector<std::string> notes() const override { return notes_; }

  Captions captions(const std::string& split) const override {
    Captions captions;
    for (const auto& [text, label] : label_) {
      if (held_out_.contains(text) != (split == "held_out")) continue;
      captions.text.push_back(text);
      Value metadata;
      metadata["label"] = label;
      metadata["class"] = text;
      captions.metadata.push_back(std::move(metadata));
    }
    return captions;
  }

  std::unique_ptr<Images> images(const std::string& split) const override {
    return std::make_unique<CaptionedSplit>(splits_.at(split), resolution_);
  }

 private:
  // The entries of a split, as yet without their images.
  Split select(const std::string& split, const std::vector<Captioned>& entries) const {
    std::map<std::string, std::int64_t> number;
    for (const std::string& text : captions(split).text) number.emplace(text, static_cast<std::int64_t>(number.size()));
    Split selected;
    for (const Captioned& entry : entries) {
      const auto found = number.find(entry.text);
      if (found == number.end()) continue;
      selected.entries.push_back(entry);
      selected.caption.push_back(found->second);
    }
    return selected;
  }

  void split_captions(double held_out_fraction) {
    std::vector<std::pair<Hex, std::string>> keyed;
    for (const auto& [text, label] : label_) keyed.emplace_back(sha256(text), text);
    std::sort(keyed.rbegin(), keyed.rend());
    const auto count = static_cast<std::size_t>(std::ceil(held_out_fraction * static_cast<double>(keyed.size())));
    if (count == keyed.size()) {
      throw ConfigError(fmt::format("domain.text_to_image: held_out_fraction {} holds out all {} captions; none is left to train on",
                                    held_out_fraction, keyed.size()));
    }
    for (std::size_t k = 0; k < count; ++k) held_out_.insert(keyed[k].second);
  }

  std::int64_t resolution_;
  std::vector<std::string> notes_;
  ImageShape shape_;
  std::map<std::string, std::int64_t> label_;  // caption -> its place among all
  std::set<std::string> held_out_;
  // By name. All of a split's examples share its images: what is loaded is compared with what was digested.
  std::map<std::string, std::shared_ptr<Split>> splits_;
};

}  // namespace

std::unique_ptr<Source> make_captioned_folder_source(const fs::path& folder, double held_out_fraction, std::int64_t resolution,
                                                     RememberedDigests* remembered) {
  if (!fs::is_directory(folder)) throw DataError(folder.string() + ": no such folder");
  return std::make_unique<CaptionedFolder>(folder, held_out_fraction, resolution, remembered);
}

}  // namespace espalier::images
