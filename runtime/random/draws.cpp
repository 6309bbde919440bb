#include "runtime/random/draws.h"

#include <ATen/ops/empty.h>

#include <cmath>
#include <string>

#include "runtime/base/digest.h"
#include "runtime/base/errors.h"
#include "runtime/random/elementary.h"
#include "runtime/random/philox.h"

namespace espalier::random {
namespace {

constexpr std::uint64_t kWords = 4;  // of a Philox block; one is an element
using Words = std::array<std::uint32_t, kWords>;
__extension__ using Wide = unsigned __int128;

void append_bytes(std::string& out, std::uint64_t word, int bytes) {
  for (int byte = 0; byte < bytes; ++byte) out.push_back(static_cast<char>((word >> (8 * byte)) & 0xff));
}

// seed u64, purpose u32, round u32, branch u32, little-endian, then `use`: keys of different uses share nothing.
std::uint64_t key_of(const StreamKey& key, std::string_view use) {
  std::string packed;
  append_bytes(packed, key.seed, 8);
  append_bytes(packed, static_cast<std::uint32_t>(key.purpose), 4);
  append_bytes(packed, key.round, 4);
  append_bytes(packed, key.branch, 4);
  packed += use;
  Sha256 hash;
  hash.update(packed);
  const auto bytes = hash.finish();
  std::uint64_t word = 0;
  for (std::size_t byte = 8; byte-- > 0;) word = (word << 8) | bytes[byte];
  return word;
}

std::array<std::uint32_t, 2> halves(std::uint64_t word) {
  return {static_cast<std::uint32_t>(word), static_cast<std::uint32_t>(word >> 32)};
}

double unit(std::uint32_t word) { return (word + 0.5) * 0x1p-32; }  // in (0, 1), exact

std::uint64_t count_of(const std::vector<std::int64_t>& shape) {
  std::uint64_t count = 1;
  for (const auto size : shape) {
    if (size < 0) throw InternalError("a shape to draw has the negative size " + std::to_string(size));
    count *= static_cast<std::uint64_t>(size);
  }
  return count;
}

std::vector<std::int64_t> batched(std::int64_t batch, const std::vector<std::int64_t>& shape) {
  std::vector<std::int64_t> sizes{batch};
  sizes.insert(sizes.end(), shape.begin(), shape.end());
  return sizes;
}

// Calls put(sample's place in the batch, block from 0, words) for every block of every sample.
template <class Put>
void for_each_block(std::uint64_t key, const std::vector<std::uint64_t>& samples, std::uint32_t ordinal, std::uint64_t first_element,
                    std::uint64_t blocks, Put put) {
  const std::uint64_t first_block = first_element / kWords;
  if (first_block + blocks > (std::uint64_t{1} << 32)) throw InternalError("more than 2^34 random elements were asked of one ordinal");
  for (std::size_t row = 0; row < samples.size(); ++row) {
    const auto sample = halves(samples[row]);
    for (std::uint64_t block = 0; block < blocks; ++block) {
      put(row, block, philox4x32({sample[0], sample[1], ordinal, static_cast<std::uint32_t>(first_block + block)}, halves(key)));
    }
  }
}

template <class Number>
void fill_normals(Number* out, std::uint64_t count, std::uint64_t block, const Words& words) {
  for (std::uint64_t pair = 0; pair < 2; ++pair) {
    const std::uint64_t element = block * kWords + 2 * pair;
    if (element >= count) return;
    const double radius = std::sqrt(-2.0 * log_of(unit(words[2 * pair])));
    const auto direction = sincos_turns(unit(words[2 * pair + 1]));
    out[element] = static_cast<Number>(radius * direction.cos);
    if (element + 1 < count) out[element + 1] = static_cast<Number>(radius * direction.sin);
  }
}

std::uint64_t blocks_for(std::uint64_t elements) { return (elements + kWords - 1) / kWords; }

}  // namespace

Draws::Draws(StreamKey key, std::vector<std::uint64_t> samples) : key_(key_of(key, "")), samples_(std::move(samples)) {}

void Draws::begin(std::uint32_t ordinal) {
  ordinal_ = ordinal;
  element_ = 0;
}

at::Tensor Draws::normals(const std::vector<std::int64_t>& shape, at::ScalarType dtype) {
  const auto count = count_of(shape);
  const bool in_double = dtype == at::kDouble;
  const auto out = at::empty(batched(batch(), shape), at::TensorOptions().dtype(in_double ? at::kDouble : at::kFloat));
  const auto blocks = blocks_for(count);
  if (in_double) {
    for_each_block(key_, samples_, ordinal_, element_, blocks,
                   [&, data = out.mutable_data_ptr<double>()](auto row, auto block, const Words& w) {
                     fill_normals(data + row * count, count, block, w);
                   });
  } else {
    for_each_block(key_, samples_, ordinal_, element_, blocks,
                   [&, data = out.mutable_data_ptr<float>()](auto row, auto block, const Words& w) {
                     fill_normals(data + row * count, count, block, w);
                   });
  }
  element_ += blocks * kWords;
  return out.to(dtype);
}

at::Tensor Draws::uniforms(const std::vector<std::int64_t>& shape) {
  const auto count = count_of(shape);
  const auto out = at::empty(batched(batch(), shape), at::TensorOptions().dtype(at::kDouble));
  const auto data = out.mutable_data_ptr<double>();
  const auto blocks = blocks_for(count);
  for_each_block(key_, samples_, ordinal_, element_, blocks, [&](auto row, auto block, const Words& words) {
    for (std::uint64_t i = 0; i < kWords && block * kWords + i < count; ++i) data[row * count + block * kWords + i] = unit(words[i]);
  });
  element_ += blocks * kWords;
  return out;
}

at::Tensor Draws::integers(const std::vector<std::int64_t>& shape, std::int64_t bound) {
  if (bound <= 0) throw InternalError("random integers below " + std::to_string(bound) + " were asked for; the bound is at least 1");
  const auto count = count_of(shape);
  const auto out = at::empty(batched(batch(), shape), at::TensorOptions().dtype(at::kLong));
  const auto data = out.mutable_data_ptr<std::int64_t>();
  // A whole block makes one integer: 128 bits modulo the bound are uniform to within 2^-64, and no rejection shifts what comes after.
  for_each_block(key_, samples_, ordinal_, element_, count, [&](auto row, auto block, const Words& words) {
    Wide wide = 0;
    for (const auto word : words) wide = (wide << 32) | word;
    data[row * count + block] = static_cast<std::int64_t>(wide % static_cast<Wide>(bound));
  });
  element_ += count * kWords;
  return out;
}

std::uint64_t shuffled_index(StreamKey key, std::uint64_t epoch, std::uint64_t n, std::uint64_t position) {
  if (position >= n)
    throw InternalError("position " + std::to_string(position) + " of a permutation of " + std::to_string(n) + " was asked for");
  int bits = 1;  // of each half: 2^(2 bits) >= n
  while (bits < 32 && (std::uint64_t{1} << (2 * bits)) < n) ++bits;
  const std::uint64_t mask = (std::uint64_t{1} << bits) - 1;
  const auto words = halves(key_of(key, "shuffle"));
  const auto when = halves(epoch);
  std::uint64_t value = position;
  do {  // a permutation of 2^(2 bits) values, walked until it comes back below n: a permutation of n
    std::uint64_t left = value >> bits, right = value & mask;
    for (std::uint32_t round = 0; round < 12; ++round) {  // many, since halves of one or two bits mix slowly
      const auto mixed = philox4x32({static_cast<std::uint32_t>(right), round, when[0], when[1]}, words)[0] & mask;
      const auto next = left ^ mixed;
      left = right;
      right = next;
    }
    value = (left << bits) | right;
  } while (value >= n);
  return value;
}

}  // namespace espalier::random
