#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string_view>
#include <vector>

namespace espalier::random {

inline constexpr const char* kGeneratorId = "philox4x32-10/v1";

// What a stream is for. Two purposes never share noise; a comparison on common noise fixes purpose and round.
enum class Purpose : std::uint32_t { sampling = 1, training = 2, filter = 3, data = 4, initialization = 5, evaluation = 6 };

struct StreamKey {
  std::uint64_t seed = 0;
  Purpose purpose = Purpose::sampling;
  std::uint32_t round = 0;
  std::uint32_t branch = 0;
};

// Noise for a micro-batch of samples, a pure function of (key, sample, ordinal, element): the same whatever the batch, the thread or the
// order. Key words: the first 8 bytes of SHA-256 of the packed StreamKey; counter words: sample (2), ordinal, element / 4.
// An element is one 32-bit word; each call starts at a multiple of 4, so that no word serves two calls. A Draws belongs to one thread.
class Draws {
 public:
  Draws(StreamKey key, std::vector<std::uint64_t> samples);

  // Goes to an evaluation ordinal (a sampler's step, over all phases); elements count from 0 again.
  void begin(std::uint32_t ordinal);

  // Each takes the next elements of the current ordinal (an integer takes 4), and returns a CPU tensor [B, shape...].
  at::Tensor normals(const std::vector<std::int64_t>& shape, at::ScalarType dtype = at::kFloat);  // by Box-Muller in double
  at::Tensor uniforms(const std::vector<std::int64_t>& shape);                                    // double, in (0, 1)
  at::Tensor integers(const std::vector<std::int64_t>& shape, std::int64_t bound);                // int64, uniform on 0..bound-1

  std::int64_t batch() const { return static_cast<std::int64_t>(samples_.size()); }
  const std::vector<std::uint64_t>& samples() const { return samples_; }

 private:
  std::uint64_t key_;
  std::vector<std::uint64_t> samples_;
  std::uint32_t ordinal_ = 0;
  std::uint64_t element_ = 0;
};

// A permutation of 0..n-1, a function of the key and `epoch` alone. `position` -> index in O(1) memory (a keyed Feistel walk), so that a
// data order never needs to be stored.
std::uint64_t shuffled_index(StreamKey key, std::uint64_t epoch, std::uint64_t n, std::uint64_t position);

}  // namespace espalier::random
