#include <gtest/gtest.h>

#include <cstdlib>

#include "runtime/cache/block_file.h"
#include "tests/runtime/cache/folder.h"
#include "tests/runtime/cache/process.h"
#include "tests/runtime/cache/samples.h"

namespace espalier::cache {
namespace {

namespace fs = std::filesystem;

// ESPALIER_PEERS (an environment's folder), or the one that scripts/setup --peers makes.
fs::path peers_python() {
  if (const char* named = std::getenv("ESPALIER_PEERS")) return fs::path(named) / "bin/python";
  const char* home = std::getenv("HOME");
  return fs::path(home ? home : "/") / ".cache/espalier/peers/bin/python";
}

// Prints every dataset as path, dtype, shape, chunk, filters and its bytes in hex, and the root's attributes.
constexpr const char* kScript = R"(
import h5py, sys
def show(path, item):
    if isinstance(item, h5py.Dataset):
        values = item[()].tobytes().hex()
        print('/' + path, item.dtype, item.shape, item.chunks, item.fletcher32, item.compression, item.attrs.get('dtype', b'').decode() if 'dtype' in item.attrs else '-', values)
with h5py.File(sys.argv[1], 'r') as file:
    print(file.attrs['format'].decode(), file.attrs['set'].decode(), file.attrs['block'])
    file.visititems(show)
)";

template <class T>
std::string hex(const T* values, std::size_t count) {
  std::string out;
  for (std::size_t i = 0; i < count * sizeof(T); ++i) {
    constexpr const char* kDigits = "0123456789abcdef";
    const auto byte = reinterpret_cast<const std::uint8_t*>(values)[i];
    out += {kDigits[byte >> 4], kDigits[byte & 15]};
  }
  return out;
}

std::string hex(const at::Tensor& tensor) { return hex(static_cast<const std::uint8_t*>(tensor.data_ptr()), tensor.nbytes()); }

TEST(BlockFile, OpensInPlainH5py) {
  const auto python = peers_python();
  if (!fs::exists(python)) GTEST_SKIP() << "no " << python << ": scripts/setup --peers installs it";
  const testing::TempFolder folder;
  const auto block = testing::block(3, {25, 0});
  testing::overwrite(folder / "block.h5", encode_block(Hex(64, 'a'), block));
  testing::overwrite(folder / "show.py", kScript);
  testing::Process child({python.string(), (folder / "show.py").string(), (folder / "block.h5").string()});
  const auto lines = child.rest();
  if (child.wait() != 0 && lines.empty()) FAIL() << "h5py could not read the file (its reason is above)";
  const double timestep[] = {500.0, 0.0}, alpha[] = {0.5, 1.0}, sigma[] = {0.5, 0.0};
  const std::int32_t steps[] = {25, 0};
  std::vector<std::string> expected = {
      "espalier-block 1 " + Hex(64, 'a') + " 3",
      "/alpha float64 (2,) (2,) True None - " + hex(alpha, 2),
      "/condition uint64 (4,) (4,) True None - " + hex(block.condition.data(), 4),
      "/index uint64 (4,) (4,) True None - " + hex(block.index.data(), 4),
      "/sigma float64 (2,) (2,) True None - " + hex(sigma, 2),
      "/state/code/0 uint16 (4, 6) (1, 6) True None bfloat16 " + hex(block.steps[1].state.at("code")),
      "/state/code/25 uint16 (4, 6) (1, 6) True None bfloat16 " + hex(block.steps[0].state.at("code")),
      "/state/x/0 float32 (4, 3, 5) (1, 3, 5) True None float32 " + hex(block.steps[1].state.at("x")),
      "/state/x/25 float32 (4, 3, 5) (1, 3, 5) True None float32 " + hex(block.steps[0].state.at("x")),
      "/step int32 (2,) (2,) True None - " + hex(steps, 2),
      "/timestep float64 (2,) (2,) True None - " + hex(timestep, 2),
  };
  EXPECT_EQ(lines, expected);
}

}  // namespace
}  // namespace espalier::cache
