#define H5_USE_110_API
#include <hdf5.h>

#include <algorithm>

#include "runtime/base/errors.h"
#include "runtime/cache/hdf5_handle.h"
#include "runtime/cache/hdf5_image.h"

namespace espalier::cache {
namespace {

constexpr std::size_t kGrowth = std::size_t{1} << 20;
constexpr std::size_t kMaxText = 4096;

}  // namespace

struct ImageReader::File {
  std::unique_lock<std::mutex> lock;  // released last
  std::string origin;
  Handle file;

  [[noreturn]] void fail(const std::string& what) const { throw DataError(origin + ": cannot " + what + ": " + hdf5_reason()); }

  Handle opened(hid_t id, Handle::Close close, const std::string& what) const {
    if (id < 0) fail(what);
    return {id, close};
  }

  Handle dataset(const std::string& path) const {
    return opened(H5Dopen2(file.get(), path.c_str(), H5P_DEFAULT), H5Dclose, "open " + path);
  }

  Handle root() const { return opened(H5Gopen2(file.get(), "/", H5P_DEFAULT), H5Gclose, "open the root"); }

  std::string text(const Handle& object, const std::string& name) const {
    const auto attribute = opened(H5Aopen(object.get(), name.c_str(), H5P_DEFAULT), H5Aclose, "open the attribute '" + name + "'");
    const auto type = opened(H5Aget_type(attribute.get()), H5Tclose, "read the type of '" + name + "'");
    const auto space = opened(H5Aget_space(attribute.get()), H5Sclose, "read the shape of '" + name + "'");
    const auto length = H5Tget_size(type.get());
    if (H5Tget_class(type.get()) != H5T_STRING || H5Tis_variable_str(type.get()) != 0 || length > kMaxText ||
        H5Sget_simple_extent_npoints(space.get()) != 1) {
      throw DataError(origin + ": the attribute '" + name + "' is not a string of fixed length");
    }
    std::string out(length, '\0');
    if (H5Aread(attribute.get(), type.get(), out.data()) < 0) fail("read the attribute '" + name + "'");
    return out.substr(0, out.find('\0'));
  }

  std::vector<std::int64_t> shape(const Handle& data, const std::string& path) const {
    const auto space = opened(H5Dget_space(data.get()), H5Sclose, "read the shape of " + path);
    const int rank = H5Sget_simple_extent_ndims(space.get());
    if (rank < 0) fail("read the shape of " + path);
    std::vector<hsize_t> extent(static_cast<std::size_t>(rank));
    if (rank > 0 && H5Sget_simple_extent_dims(space.get(), extent.data(), nullptr) < 0) fail("read the shape of " + path);
    return {extent.begin(), extent.end()};
  }
};

ImageReader::ImageReader(const std::string& bytes, std::string origin) : file_(std::make_unique<File>()) {
  file_->lock = lock_hdf5();
  file_->origin = std::move(origin);
  const auto access = file_->opened(H5Pcreate(H5P_FILE_ACCESS), H5Pclose, "make a property list");
  // HDF5 copies the bytes, so taking their const away is safe.
  if (H5Pset_fapl_core(access.get(), kGrowth, 0) < 0 ||
      H5Pset_file_image(access.get(), const_cast<char*>(bytes.data()), bytes.size()) < 0) {
    file_->fail("be opened from memory");
  }
  file_->file = file_->opened(H5Fopen("image", H5F_ACC_RDONLY, access.get()), H5Fclose, "be opened as HDF5");
}

ImageReader::~ImageReader() = default;

std::string ImageReader::text(const std::string& attribute) const { return file_->text(file_->root(), attribute); }

std::uint64_t ImageReader::number(const std::string& name) const {
  const auto root = file_->root();
  const auto attribute = file_->opened(H5Aopen(root.get(), name.c_str(), H5P_DEFAULT), H5Aclose, "open the attribute '" + name + "'");
  const auto space = file_->opened(H5Aget_space(attribute.get()), H5Sclose, "read the shape of '" + name + "'");
  std::uint64_t out = 0;
  if (H5Sget_simple_extent_npoints(space.get()) != 1 || H5Aread(attribute.get(), H5T_NATIVE_UINT64, &out) < 0) {
    file_->fail("read the attribute '" + name + "'");
  }
  return out;
}

std::vector<std::string> ImageReader::names(const std::string& group) const {
  const auto opened = file_->opened(H5Gopen2(file_->file.get(), group.c_str(), H5P_DEFAULT), H5Gclose, "open the group " + group);
  std::vector<std::string> names;
  const auto keep = [](hid_t, const char* name, const H5L_info_t*, void* out) -> herr_t {
    static_cast<std::vector<std::string>*>(out)->emplace_back(name);
    return 0;
  };
  if (H5Literate(opened.get(), H5_INDEX_NAME, H5_ITER_NATIVE, nullptr, keep, &names) < 0) file_->fail("list the group " + group);
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<std::int64_t> ImageReader::shape(const std::string& dataset) const { return file_->shape(file_->dataset(dataset), dataset); }

std::string ImageReader::dtype(const std::string& dataset) const { return file_->text(file_->dataset(dataset), "dtype"); }

void ImageReader::read(const std::string& path, Element element, const std::vector<std::int64_t>& shape, void* out) const {
  const auto data = file_->dataset(path);
  const auto type = element_type(element);
  const auto stored = file_->opened(H5Dget_type(data.get()), H5Tclose, "read the type of " + path);
  if (H5Tequal(stored.get(), type.file) <= 0 || file_->shape(data, path) != shape) {
    throw DataError(file_->origin + ": " + path + " is not of the type or shape that its block needs");
  }
  if (H5Dread(data.get(), type.memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, out) < 0) file_->fail("read " + path);
}

}  // namespace espalier::cache
