#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace espalier::cache {

// Whole HDF5 files as bytes in memory, written and read behind one mutex (the library is not thread-safe everywhere). Elements lie
// little-endian in the file; every dataset carries Fletcher32; nothing is compressed; equal content gives equal bytes.

enum class Element { u8, i8, u16, i16, i32, i64, u64, f32, f64 };

struct Dataset {
  std::string path;  // "/state/x/5"; groups are made as needed
  Element element = Element::u8;
  std::vector<std::int64_t> shape;  // all above zero
  bool chunk_rows = false;          // a chunk is one index of the first dimension; else one chunk holds all
  const void* data = nullptr;       // contiguous, in the machine's byte order
  std::string dtype;                // the attribute "dtype"; none when empty
};

struct RootAttributes {
  std::map<std::string, std::string> text;
  std::map<std::string, std::uint64_t> number;
};

// Throws InternalError with HDF5's reason.
std::string write_image(const RootAttributes& attributes, const std::vector<Dataset>& datasets);

// Borrows `bytes`, and holds the mutex while it lives. Everything throws DataError naming origin and the object.
class ImageReader {
 public:
  ImageReader(const std::string& bytes, std::string origin);
  ~ImageReader();
  ImageReader(const ImageReader&) = delete;
  ImageReader& operator=(const ImageReader&) = delete;

  std::string text(const std::string& attribute) const;  // of the root
  std::uint64_t number(const std::string& attribute) const;
  std::vector<std::string> names(const std::string& group) const;  // sorted
  std::vector<std::int64_t> shape(const std::string& dataset) const;
  std::string dtype(const std::string& dataset) const;
  // Reads a whole dataset of exactly this type and shape.
  void read(const std::string& dataset, Element element, const std::vector<std::int64_t>& shape, void* out) const;

 private:
  struct File;
  std::unique_ptr<File> file_;
};

}  // namespace espalier::cache
