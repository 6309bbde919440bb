#include "runtime/cache/block_file.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <limits>

#include "runtime/base/errors.h"
#include "runtime/cache/hdf5_image.h"

namespace espalier::cache {
namespace {

constexpr const char* kBlockFormat = "espalier-block 1";
constexpr const char* kScoresFormat = "espalier-scores 1";

struct DtypeEntry {
  at::ScalarType dtype;
  Element element;
  const char* name;
};
// Half and bfloat16 are kept as raw 16 bits: HDF5's own conversion would cost more than the sampling.
constexpr DtypeEntry kDtypes[] = {
    {at::kFloat, Element::f32, "float32"},     {at::kDouble, Element::f64, "float64"}, {at::kHalf, Element::u16, "float16"},
    {at::kBFloat16, Element::u16, "bfloat16"}, {at::kLong, Element::i64, "int64"},     {at::kInt, Element::i32, "int32"},
    {at::kShort, Element::i16, "int16"},       {at::kChar, Element::i8, "int8"},       {at::kByte, Element::u8, "uint8"},
    {at::kBool, Element::u8, "bool"},
};

const DtypeEntry* entry_of(at::ScalarType dtype) {
  const auto* found = std::find_if(std::begin(kDtypes), std::end(kDtypes), [&](const DtypeEntry& entry) { return entry.dtype == dtype; });
  return found == std::end(kDtypes) ? nullptr : found;
}

const DtypeEntry* entry_of(const std::string& name) {
  const auto* found = std::find_if(std::begin(kDtypes), std::end(kDtypes), [&](const DtypeEntry& entry) { return name == entry.name; });
  return found == std::end(kDtypes) ? nullptr : found;
}

bool is_field_name(const std::string& name) {
  return !name.empty() && name.front() != '.' && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '-' || c == '.';
  });
}

std::string dataset_path(const std::string& field, std::int64_t step) { return "/state/" + field + "/" + std::to_string(step); }

std::int64_t count_of(const std::vector<std::uint64_t>& values) { return static_cast<std::int64_t>(values.size()); }

void require(bool holds, const Block& block, const std::string& what) {
  if (!holds) throw InternalError("block " + std::to_string(block.number) + " cannot be published: " + what);
}

void check_field(const Block& block, const std::string& name, const at::Tensor& tensor, const at::Tensor& like) {
  require(is_field_name(name), block, "'" + name + "' cannot name a field (letters, digits, '_', '-', '.')");
  require(tensor.defined() && tensor.device().is_cpu() && tensor.layout() == at::kStrided, block, name + " is not a dense CPU tensor");
  require(tensor.dim() > 0 && tensor.size(0) == count_of(block.index) && tensor.numel() > 0, block, name + " is not of shape [S, ...]");
  require(entry_of(tensor.scalar_type()) != nullptr, block, name + " has a dtype without a place in the format");
  require(tensor.scalar_type() == like.scalar_type() && tensor.sizes() == like.sizes(), block, name + " changes its shape or dtype");
}

template <class Get>
std::vector<double> column(const Block& block, Get get) {
  std::vector<double> values;
  for (const auto& recorded : block.steps) values.push_back(recorded.*get);
  return values;
}

std::vector<std::int64_t> steps_in(const ImageReader& image, const std::string& origin) {
  const auto shape = image.shape("/step");
  if (shape.size() != 1) throw DataError(origin + ": /step is not a list");
  std::vector<std::int32_t> stored(static_cast<std::size_t>(shape[0]));
  image.read("/step", Element::i32, shape, stored.data());
  return {stored.begin(), stored.end()};
}

at::Tensor read_tensor(const ImageReader& image, const std::string& path, std::int64_t count, const std::string& origin) {
  const auto shape = image.shape(path);
  const auto* entry = entry_of(image.dtype(path));
  if (!entry || shape.empty() || shape[0] != count) throw DataError(origin + ": " + path + " has an unknown dtype or another length");
  auto tensor = at::empty(shape, at::TensorOptions().dtype(entry->dtype));
  image.read(path, entry->element, shape, tensor.data_ptr());
  return tensor;
}

void check_identity(const ImageReader& image, const std::string& format, const Hex& set_id, std::uint64_t number,
                    const std::string& origin) {
  if (image.text("format") != format) throw DataError(origin + ": its format is '" + image.text("format") + "', not '" + format + "'");
  if (image.text("set") != set_id) throw DataError(origin + ": is of the set " + image.text("set"));
  if (image.number("block") != number) throw DataError(origin + ": is of block " + std::to_string(image.number("block")));
}

}  // namespace

void check_block(const Block& block) {
  require(!block.index.empty(), block, "it is empty");
  require(block.condition.size() == block.index.size(), block, "it has not one condition a sample");
  for (std::size_t i = 0; i < block.index.size(); ++i) require(block.index[i] == block.index[0] + i, block, "its indices have gaps");
  require(!block.steps.empty() && block.steps.back().step == 0, block, "it lacks x_0 (step 0), which every layer holds");
  const auto& first = block.steps.front().state;
  require(!first.empty(), block, "its state has no fields");
  for (std::size_t k = 0; k < block.steps.size(); ++k) {
    const auto& recorded = block.steps[k];
    require(k == 0 || recorded.step < block.steps[k - 1].step, block, "its steps do not descend");
    require(recorded.step <= std::numeric_limits<std::int32_t>::max(), block, "a step is too large");
    require(recorded.state.size() == first.size(), block, "its fields change from step to step");
    for (const auto& [name, tensor] : recorded.state) {
      const auto like = first.find(name);
      require(like != first.end(), block, "its fields change from step to step");
      check_field(block, name, tensor, like->second);
    }
  }
}

std::string encode_block(const Hex& set_id, const Block& block) {
  check_block(block);
  const auto samples = count_of(block.index);
  const auto recorded = static_cast<std::int64_t>(block.steps.size());
  std::vector<std::int32_t> steps;
  for (const auto& step : block.steps) steps.push_back(static_cast<std::int32_t>(step.step));
  const auto timestep = column(block, &Block::Recorded::timestep);
  const auto alpha = column(block, &Block::Recorded::alpha);
  const auto sigma = column(block, &Block::Recorded::sigma);
  std::vector<Dataset> datasets = {
      {"/index", Element::u64, {samples}, false, block.index.data(), ""},
      {"/condition", Element::u64, {samples}, false, block.condition.data(), ""},
      {"/step", Element::i32, {recorded}, false, steps.data(), ""},
      {"/timestep", Element::f64, {recorded}, false, timestep.data(), ""},
      {"/alpha", Element::f64, {recorded}, false, alpha.data(), ""},
      {"/sigma", Element::f64, {recorded}, false, sigma.data(), ""},
  };
  std::vector<at::Tensor> alive;
  for (const auto& step : block.steps) {
    for (const auto& [name, tensor] : step.state) {
      alive.push_back(tensor.contiguous());
      const auto* entry = entry_of(tensor.scalar_type());
      datasets.push_back({dataset_path(name, step.step), entry->element, tensor.sizes().vec(), true, alive.back().data_ptr(), entry->name});
    }
  }
  return write_image({{{"format", kBlockFormat}, {"set", set_id}}, {{"block", block.number}}}, datasets);
}

Block decode_block(const std::string& bytes, const Hex& set_id, std::uint64_t number, const std::optional<std::set<std::int64_t>>& wanted,
                   const std::string& origin) {
  const ImageReader image(bytes, origin);
  check_identity(image, kBlockFormat, set_id, number, origin);
  Block block;
  block.number = number;
  const auto samples = image.shape("/index");
  if (samples.size() != 1) throw DataError(origin + ": /index is not a list");
  block.index.resize(static_cast<std::size_t>(samples[0]));
  block.condition.resize(block.index.size());
  image.read("/index", Element::u64, samples, block.index.data());
  image.read("/condition", Element::u64, samples, block.condition.data());

  const auto steps = steps_in(image, origin);
  const std::vector<std::int64_t> shape = {static_cast<std::int64_t>(steps.size())};
  std::vector<double> timestep(steps.size()), alpha(steps.size()), sigma(steps.size());
  image.read("/timestep", Element::f64, shape, timestep.data());
  image.read("/alpha", Element::f64, shape, alpha.data());
  image.read("/sigma", Element::f64, shape, sigma.data());
  const auto fields = image.names("/state");
  for (std::size_t k = 0; k < steps.size(); ++k) {
    if (wanted && !wanted->contains(steps[k])) continue;
    Block::Recorded recorded{steps[k], timestep[k], alpha[k], sigma[k], {}};
    for (const auto& field : fields) recorded.state[field] = read_tensor(image, dataset_path(field, steps[k]), samples[0], origin);
    block.steps.push_back(std::move(recorded));
  }
  if (wanted && block.steps.size() != wanted->size()) throw DataError(origin + ": lacks a step that its commit record names");
  return block;
}

Hex sample_digest(const Block& block) {
  Sha256 hash;
  Value::List fields;
  for (const auto& [name, tensor] : block.steps.back().state) {
    const auto sizes = tensor.sizes();
    fields.push_back(Value::List{name, entry_of(tensor.scalar_type())->name, Value::List(sizes.begin(), sizes.end())});
  }
  hash.update(canonical_bytes(Value(std::move(fields))));
  hash.update(block.index.data(), block.index.size() * sizeof(std::uint64_t));
  hash.update(block.condition.data(), block.condition.size() * sizeof(std::uint64_t));
  for (const auto& [name, tensor] : block.steps.back().state) {
    const auto contiguous = tensor.contiguous();
    hash.update(contiguous.data_ptr(), contiguous.nbytes());
  }
  return hash.finish_hex();
}

std::string encode_scores(const BlockFolder& folder, std::uint64_t number, const std::vector<double>& score) {
  if (score.empty()) throw InternalError("block " + std::to_string(number) + ": no scores to publish");
  const auto count = static_cast<std::int64_t>(score.size());
  return write_image({{{"format", kScoresFormat}, {"set", folder.set_id}, {"scores", folder.score_id}}, {{"block", number}}},
                     {{"/score", Element::f64, {count}, false, score.data(), ""}});
}

std::vector<double> decode_scores(const std::string& bytes, const BlockFolder& folder, std::uint64_t number, const std::string& origin) {
  const ImageReader image(bytes, origin);
  check_identity(image, kScoresFormat, folder.set_id, number, origin);
  if (image.text("scores") != folder.score_id) throw DataError(origin + ": is of the scores " + image.text("scores"));
  const auto shape = image.shape("/score");
  if (shape.size() != 1) throw DataError(origin + ": /score is not a list");
  std::vector<double> score(static_cast<std::size_t>(shape[0]));
  image.read("/score", Element::f64, shape, score.data());
  return score;
}

}  // namespace espalier::cache
