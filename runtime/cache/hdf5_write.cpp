#define H5_USE_110_API
#include <hdf5.h>

#include <cstdlib>
#include <cstring>
#include <set>

#include "runtime/base/errors.h"
#include "runtime/cache/hdf5_handle.h"
#include "runtime/cache/hdf5_image.h"

namespace espalier::cache {
namespace {

constexpr std::size_t kGrowth = std::size_t{1} << 20;

void check(bool well, const std::string& what) {
  if (!well) throw InternalError("HDF5 cannot " + what + ": " + hdf5_reason());
}

Handle made(hid_t id, Handle::Close close, const std::string& what) {
  check(id >= 0, what);
  return {id, close};
}

// The memory of an HDF5 "core" file. H5Fget_file_image of HDF5 1.10 clears a flag of the superblock without mending its checksum, so the
// bytes are taken when the file, closed and whole, gives its memory back.
struct Capture {
  std::string bytes;
  std::size_t size = 0;  // of the file; the memory is larger
};

void* take(std::size_t size, H5FD_file_image_op_t, void*) { return std::malloc(size); }
void* grow(void* memory, std::size_t size, H5FD_file_image_op_t, void*) { return std::realloc(memory, size); }
void* copy(void* to, const void* from, std::size_t size, H5FD_file_image_op_t, void*) { return std::memcpy(to, from, size); }
herr_t give_back(void* memory, H5FD_file_image_op_t operation, void* capture) {
  auto& out = *static_cast<Capture*>(capture);
  if (operation == H5FD_FILE_IMAGE_OP_FILE_CLOSE) out.bytes.assign(static_cast<const char*>(memory), out.size);
  std::free(memory);
  return 0;
}
void* share(void* capture) { return capture; }
herr_t unshare(void*) { return 0; }

Handle new_file(Capture& capture) {
  auto access = made(H5Pcreate(H5P_FILE_ACCESS), H5Pclose, "make a property list");
  H5FD_file_image_callbacks_t callbacks{take, copy, grow, give_back, share, unshare, &capture};
  check(H5Pset_fapl_core(access.get(), kGrowth, 0) >= 0, "use the core driver");
  check(H5Pset_file_image_callbacks(access.get(), &callbacks) >= 0, "set image callbacks");
  // 1.10's format has checksums on all metadata; its default, the oldest one, has none.
  check(H5Pset_libver_bounds(access.get(), H5F_LIBVER_V110, H5F_LIBVER_V110) >= 0, "set the format's version");
  auto creation = made(H5Pcreate(H5P_FILE_CREATE), H5Pclose, "make a property list");
  check(H5Pset_obj_track_times(creation.get(), 0) >= 0, "leave out times");
  return made(H5Fcreate("image", H5F_ACC_TRUNC, creation.get(), access.get()), H5Fclose, "make a file in memory");
}

void write_text(const Handle& object, const std::string& name, const std::string& text) {
  auto type = made(H5Tcopy(H5T_C_S1), H5Tclose, "make a type");
  check(H5Tset_size(type.get(), text.size()) >= 0 && H5Tset_strpad(type.get(), H5T_STR_NULLPAD) >= 0, "make a string type");
  auto space = made(H5Screate(H5S_SCALAR), H5Sclose, "make a space");
  auto attribute =
      made(H5Acreate2(object.get(), name.c_str(), type.get(), space.get(), H5P_DEFAULT, H5P_DEFAULT), H5Aclose, "make '" + name + "'");
  check(H5Awrite(attribute.get(), type.get(), text.data()) >= 0, "write '" + name + "'");
}

void write_number(const Handle& object, const std::string& name, std::uint64_t number) {
  auto space = made(H5Screate(H5S_SCALAR), H5Sclose, "make a space");
  auto attribute =
      made(H5Acreate2(object.get(), name.c_str(), H5T_STD_U64LE, space.get(), H5P_DEFAULT, H5P_DEFAULT), H5Aclose, "make '" + name + "'");
  check(H5Awrite(attribute.get(), H5T_NATIVE_UINT64, &number) >= 0, "write '" + name + "'");
}

// Groups above the dataset; made here and not by HDF5, which would stamp them with the time.
void make_groups(const Handle& file, const std::string& path, std::set<std::string>& groups) {
  auto creation = made(H5Pcreate(H5P_GROUP_CREATE), H5Pclose, "make a property list");
  check(H5Pset_obj_track_times(creation.get(), 0) >= 0, "leave out times");
  for (auto slash = path.find('/', 1); slash != std::string::npos; slash = path.find('/', slash + 1)) {
    const auto group = path.substr(0, slash);
    if (!groups.insert(group).second) continue;
    made(H5Gcreate2(file.get(), group.c_str(), H5P_DEFAULT, creation.get(), H5P_DEFAULT), H5Gclose, "make the group " + group);
  }
}

void write_dataset(const Handle& file, const Dataset& dataset) {
  const std::vector<hsize_t> extent(dataset.shape.begin(), dataset.shape.end());
  auto chunk = extent;
  if (dataset.chunk_rows) chunk.front() = 1;
  const int rank = static_cast<int>(extent.size());
  auto space = made(H5Screate_simple(rank, extent.data(), nullptr), H5Sclose, "make the shape of " + dataset.path);
  auto creation = made(H5Pcreate(H5P_DATASET_CREATE), H5Pclose, "make a property list");
  check(H5Pset_chunk(creation.get(), rank, chunk.data()) >= 0 && H5Pset_fletcher32(creation.get()) >= 0 &&
            H5Pset_obj_track_times(creation.get(), 0) >= 0 && H5Pset_fill_time(creation.get(), H5D_FILL_TIME_NEVER) >= 0,
        "set properties of " + dataset.path);
  const auto type = element_type(dataset.element);
  auto written = made(H5Dcreate2(file.get(), dataset.path.c_str(), type.file, space.get(), H5P_DEFAULT, creation.get(), H5P_DEFAULT),
                      H5Dclose, "make " + dataset.path);
  check(H5Dwrite(written.get(), type.memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, dataset.data) >= 0, "write " + dataset.path);
  if (!dataset.dtype.empty()) write_text(written, "dtype", dataset.dtype);
  check(written.reset(), "close " + dataset.path);
}

}  // namespace

std::string write_image(const RootAttributes& attributes, const std::vector<Dataset>& datasets) {
  const auto lock = lock_hdf5();
  Capture capture;
  auto file = new_file(capture);
  {
    auto root = made(H5Gopen2(file.get(), "/", H5P_DEFAULT), H5Gclose, "open the root");
    for (const auto& [name, text] : attributes.text) write_text(root, name, text);
    for (const auto& [name, number] : attributes.number) write_number(root, name, number);
  }
  std::set<std::string> groups;
  for (const auto& dataset : datasets) {
    make_groups(file, dataset.path, groups);
    write_dataset(file, dataset);
  }
  check(H5Fflush(file.get(), H5F_SCOPE_GLOBAL) >= 0, "flush");
  const auto size = H5Fget_file_image(file.get(), nullptr, 0);
  check(size > 0, "say the file's size");
  capture.size = static_cast<std::size_t>(size);
  check(file.reset() && capture.bytes.size() == capture.size, "close");
  return std::move(capture.bytes);
}

}  // namespace espalier::cache
