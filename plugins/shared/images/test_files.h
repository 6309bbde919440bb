#pragma once

#include <gtest/gtest.h>
#include <zlib.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "runtime/base/files.h"
#include "runtime/sdk/image.h"

// Files that the tests of this folder and of the image domains are fed.
namespace espalier::images {

namespace fs = std::filesystem;

class TempFolder {
 public:
  TempFolder() : path_(fs::path(::testing::TempDir()) / ("espalier-" + unique_name())) { fs::create_directories(path_); }
  ~TempFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  const fs::path& path() const { return path_; }
  fs::path operator/(const std::string& name) const { return path_ / name; }

 private:
  fs::path path_;
};

inline void write_file(const fs::path& path, const std::string& bytes) {
  fs::create_directories(path.parent_path());
  fs::remove(path);
  std::ofstream(path, std::ios::binary) << bytes;
}

// Other bytes in a file of the same size, with the times of the last writing that it had: what no identity of files shows.
inline void rot_file(const fs::path& path, const std::string& bytes) {
  const auto written = fs::last_write_time(path);
  ASSERT_EQ(bytes.size(), fs::file_size(path));
  std::ofstream(path, std::ios::binary | std::ios::in | std::ios::out) << bytes;
  fs::last_write_time(path, written);
}

inline void write_gzip(const fs::path& path, const std::string& bytes) {
  const gzFile file = gzopen(path.c_str(), "wb");
  gzwrite(file, bytes.data(), static_cast<unsigned>(bytes.size()));
  gzclose(file);
}

// IDX of unsigned bytes, as the format's own page describes it.
inline std::string idx_bytes(const std::vector<std::uint32_t>& sizes, const std::string& data) {
  std::string bytes{'\0', '\0', '\x08', static_cast<char>(sizes.size())};
  for (const std::uint32_t size : sizes) {
    for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(static_cast<char>(size >> shift & 255U));
  }
  return bytes + data;
}

// `count` images of 4 x 4 whose pixels all are 10 * (i % 20), labelled i % 2.
inline std::string grey_images(std::uint32_t count) {
  std::string data;
  for (std::uint32_t i = 0; i < count; ++i) data.append(16, static_cast<char>(10 * (i % 20)));
  return idx_bytes({count, 4, 4}, data);
}
inline std::string two_labels(std::uint32_t count) {
  std::string data;
  for (std::uint32_t i = 0; i < count; ++i) data.push_back(static_cast<char>(i % 2));
  return idx_bytes({count}, data);
}

// Six training images (plain files) and four test images (gzip'ed) under Fashion-MNIST's names.
inline void write_idx_folder(const fs::path& folder) {
  write_file(folder / "train-images-idx3-ubyte", grey_images(6));
  write_file(folder / "train-labels-idx1-ubyte", two_labels(6));
  write_gzip(folder / "t10k-images-idx3-ubyte.gz", grey_images(4));
  write_gzip(folder / "t10k-labels-idx1-ubyte.gz", two_labels(4));
}

inline std::string bytes_of_hex(const std::string& hex) {
  std::string bytes;
  for (std::size_t i = 0; i < hex.size(); i += 2) bytes.push_back(static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  return bytes;
}

// Written by Pillow: 8 x 8 RGB at quality 80 with the usual subsampling, its grey twin, and a pixel of CMYK.
inline std::string colour_jpeg() {
  return bytes_of_hex(
      "ffd8ffe000104a46494600010100000100010000ffdb00430006040506050406060506070706080a100a0a09090a140e0f0c101714181817"
      "1416161a1d251f1a1b231c1616202c20232627292a29191f2d302d283025282928ffdb0043010707070a080a130a0a13281a161a28282828"
      "28282828282828282828282828282828282828282828282828282828282828282828282828282828282828282828ffc00011080008000803"
      "012200021101031101ffc4001500010100000000000000000000000000000006ffc400191001000203000000000000000000000000000506"
      "2332a1ffc4001501010100000000000000000000000000000405ffc4001c1100000603000000000000000000000000000203050614042122"
      "ffda000c03010002110311003f009f80a4eb8b801123715ee9b628461db26817a1ffd9");
}
inline std::string grey_jpeg() {
  return bytes_of_hex(
      "ffd8ffe000104a46494600010100000100010000ffdb00430006040506050406060506070706080a100a0a09090a140e0f0c101714181817"
      "1416161a1d251f1a1b231c1616202c20232627292a29191f2d302d283025282928ffc0000b080008000801011100ffc40014000100000000"
      "000000000000000000000006ffc4001910000105000000000000000000000000000005062332a1ffda0008010100003f003e80c9ac587fff"
      "d9");
}
inline std::string cmyk_jpeg() {
  return bytes_of_hex(
      "ffd8ffee000e41646f626500640000000000ffdb004300ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
      "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc000140800010001044311004d11005911004b1100ffc400"
      "1500010100000000000000000000000000000203ffc40014100100000000000000000000000000000000ffda000e0443004d0059004b0000"
      "3f00a199bfffd9");
}

inline std::string plain_png(std::int64_t width, std::int64_t height, std::uint8_t red) {
  Image image{width, height, std::vector<std::uint8_t>(static_cast<std::size_t>(3 * width * height), 0)};
  for (std::size_t p = 0; p < image.rgb.size(); p += 3) image.rgb[p] = red;
  return encode_png(image);
}

// Ten images of 4 x 4, redness 20 i, captions "thing 0" .. "thing 4" twice each, half of them in a subfolder.
inline void write_image_folder(const fs::path& folder) {
  std::string metadata;
  for (int i = 0; i < 10; ++i) {
    const std::string name = (i % 2 == 0 ? "" : "more/") + std::to_string(i) + ".png";
    write_file(folder / name, plain_png(4, 4, static_cast<std::uint8_t>(20 * i)));
    metadata += R"({"file_name": ")" + name + R"(", "text": "thing )" + std::to_string(i / 2) + "\"}\n";
  }
  write_file(folder / "metadata.jsonl", metadata);
}

}  // namespace espalier::images
