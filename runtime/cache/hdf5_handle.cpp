#include "runtime/cache/hdf5_handle.h"

#define H5_USE_110_API
#include <hdf5.h>

#include <type_traits>

#include "runtime/base/errors.h"

namespace espalier::cache {

static_assert(std::is_same_v<hid_t, std::int64_t> && std::is_same_v<herr_t, int>);

std::unique_lock<std::mutex> lock_hdf5() {
  static std::mutex mutex;
  static bool ready = false;
  std::unique_lock lock(mutex);
  if (!ready) {
    H5PLset_loading_state(0);  // a file must not make the library load code
    H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
    ready = true;
  }
  return lock;
}

ElementType element_type(Element element) {
  switch (element) {
    case Element::u8:
      return {H5T_STD_U8LE, H5T_NATIVE_UINT8, 1};
    case Element::i8:
      return {H5T_STD_I8LE, H5T_NATIVE_INT8, 1};
    case Element::u16:
      return {H5T_STD_U16LE, H5T_NATIVE_UINT16, 2};
    case Element::i16:
      return {H5T_STD_I16LE, H5T_NATIVE_INT16, 2};
    case Element::i32:
      return {H5T_STD_I32LE, H5T_NATIVE_INT32, 4};
    case Element::i64:
      return {H5T_STD_I64LE, H5T_NATIVE_INT64, 8};
    case Element::u64:
      return {H5T_STD_U64LE, H5T_NATIVE_UINT64, 8};
    case Element::f32:
      return {H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, 4};
    case Element::f64:
      return {H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, 8};
  }
  throw InternalError("an element type without an HDF5 type");
}

std::string hdf5_reason() {
  std::string reason;
  const auto keep = [](unsigned, const H5E_error2_t* error, void* out) -> herr_t {
    if (error->desc) *static_cast<std::string*>(out) = error->desc;
    return 0;
  };
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_DOWNWARD, keep, &reason);
  return reason.empty() ? "no reason given" : reason;
}

}  // namespace espalier::cache
