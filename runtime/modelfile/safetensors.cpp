#include "runtime/modelfile/safetensors.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <tuple>
#include <vector>

#include "runtime/base/errors.h"
#include "runtime/base/regular_file.h"
#include "runtime/modelfile/weight_files.h"

// file   = size header data
// size   = u64, little-endian, the header's bytes; at most 100,000,000
// header = JSON object, "{" first, padded with spaces to a multiple of 8:
//          "__metadata__": {string: string}, and for every tensor name: {"dtype": name, "shape": [n, ...], "data_offsets": [begin, end]}
// data   = the tensors' bytes, row by row, little-endian; offsets count from its start, at any alignment; no byte is shared or left over

namespace espalier::modelfile {
namespace {

using nlohmann::json;

constexpr std::uint64_t kMaxHeader = 100'000'000;
constexpr std::uint64_t kSize = 8;     // bytes of the header's length
constexpr std::uint64_t kStart = 512;  // first bytes, by which another kind of file is recognized
constexpr int kMaxDepth = 3;           // object, tensor, list

struct Dtype {
  const char* name;
  at::ScalarType type;
  std::uint64_t size;
};
// In the order in which the safetensors package writes data.
constexpr Dtype kDtypes[] = {{"I64", at::kLong, 8},      {"F64", at::kDouble, 8}, {"F32", at::kFloat, 4}, {"I32", at::kInt, 4},
                             {"BF16", at::kBFloat16, 2}, {"F16", at::kHalf, 2},   {"I16", at::kShort, 2}, {"I8", at::kChar, 1},
                             {"U8", at::kByte, 1},       {"BOOL", at::kBool, 1}};

std::string known_dtypes() {
  std::string names;
  for (const auto& dtype : kDtypes) names += (names.empty() ? "" : ", ") + std::string(dtype.name);
  return names;
}

struct Entry {
  std::string name;
  const Dtype* dtype = nullptr;
  std::vector<std::int64_t> shape;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

[[noreturn]] void fail(const std::string& origin, const std::string& what) {
  throw DataError(origin + ": not a sound safetensors file: " + what);
}

std::uint64_t read_size(const char* bytes) {
  std::uint64_t size = 0;
  for (int i = 7; i >= 0; --i) size = size << 8 | static_cast<unsigned char>(bytes[i]);
  return size;
}

json parse_header(std::string_view text, const std::string& origin) {
  if (text.empty() || text.front() != '{') fail(origin, "the header is not a JSON object");
  std::set<std::string> names;
  std::set<std::string> fields;
  const auto check = [&](int depth, json::parse_event_t event, json& parsed) {
    if (depth > kMaxDepth) fail(origin, "the header is nested too deeply");
    if (event == json::parse_event_t::object_start) fields.clear();
    if (event == json::parse_event_t::key) {
      const auto& key = parsed.get_ref<const std::string&>();
      if (!(depth == 1 ? names : fields).insert(key).second) fail(origin, fmt::format("the name '{}' stands twice", key));
    }
    return true;
  };
  try {
    return json::parse(text, check);
  } catch (const json::exception& error) {
    fail(origin, std::string("the header is not JSON: ") + error.what());
  }
}

std::uint64_t natural(const json& value, const std::string& origin, const std::string& what) {
  if (!value.is_number_unsigned()) fail(origin, what + " is not a natural number");
  const auto number = value.get<std::uint64_t>();
  if (number > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) fail(origin, what + " is too large");
  return number;
}

const Dtype* find_dtype(const json& name, const std::string& origin, const std::string& tensor) {
  for (const auto& dtype : kDtypes) {
    if (name == dtype.name) return &dtype;
  }
  fail(origin, fmt::format("tensor '{}' has the dtype {}; known: {}", tensor, name.dump(), known_dtypes()));
}

// Returns the bytes of the shape, checked for overflow. The product of the extents that are not 0 is checked too, because strides are
// products of them.
std::uint64_t byte_count(const Entry& entry, const std::string& origin) {
  std::uint64_t bytes = entry.dtype->size;
  bool empty = false;
  for (const auto extent : entry.shape) {
    const auto factor = static_cast<std::uint64_t>(extent);
    if (factor == 0) {
      empty = true;
    } else if (bytes > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()) / factor) {
      fail(origin, fmt::format("the shape of tensor '{}' overflows", entry.name));
    } else {
      bytes *= factor;
    }
  }
  return empty ? 0 : bytes;
}

Entry parse_entry(const std::string& name, const json& fields, const std::string& origin) {
  const auto what = "tensor '" + name + "'";
  if (!fields.is_object() || fields.size() != 3 || !fields.contains("dtype") || !fields.contains("shape") ||
      !fields.contains("data_offsets")) {
    fail(origin, what + " must have exactly the fields dtype, shape and data_offsets");
  }
  Entry entry;
  entry.name = name;
  entry.dtype = find_dtype(fields["dtype"], origin, name);
  if (!fields["shape"].is_array()) fail(origin, "the shape of " + what + " is not a list");
  for (const auto& extent : fields["shape"])
    entry.shape.push_back(static_cast<std::int64_t>(natural(extent, origin, "an extent of " + what)));
  const auto& offsets = fields["data_offsets"];
  if (!offsets.is_array() || offsets.size() != 2) fail(origin, "data_offsets of " + what + " must be [begin, end]");
  entry.begin = natural(offsets[0], origin, "an offset of " + what);
  entry.end = natural(offsets[1], origin, "an offset of " + what);
  if (entry.begin > entry.end) fail(origin, what + " ends before it begins");
  const auto bytes = byte_count(entry, origin);
  if (entry.end - entry.begin != bytes) {
    fail(origin, fmt::format("{} has {} bytes, its shape and dtype ask for {}", what, entry.end - entry.begin, bytes));
  }
  return entry;
}

// Returns the tensors in the order of their data. Throws DataError unless they cover the data exactly.
std::vector<Entry> parse_entries(std::string_view header, std::uint64_t data_size, const std::string& origin) {
  std::vector<Entry> entries;
  const auto parsed = parse_header(header, origin);
  for (const auto& [name, fields] : parsed.items()) {
    if (name == "__metadata__") continue;
    entries.push_back(parse_entry(name, fields, origin));
  }
  std::ranges::sort(entries, [](const Entry& a, const Entry& b) { return std::tie(a.begin, a.end) < std::tie(b.begin, b.end); });
  std::uint64_t position = 0;
  for (const auto& entry : entries) {
    if (entry.end > data_size) fail(origin, fmt::format("tensor '{}' ends at {}, the data at {}", entry.name, entry.end, data_size));
    if (entry.begin < position) fail(origin, fmt::format("tensor '{}' overlaps the one before it", entry.name));
    if (entry.begin > position)
      fail(origin, fmt::format("{} bytes before tensor '{}' belong to no tensor", entry.begin - position, entry.name));
    position = entry.end;
  }
  if (position != data_size) fail(origin, fmt::format("{} bytes at the end belong to no tensor", data_size - position));
  return entries;
}

// Returns whether a file with these first bytes is shorter than the header size that they state.
bool claims_more_than(std::string_view start, std::uint64_t file_size) {
  return start.size() >= kSize && read_size(start.data()) > file_size - kSize;
}

// Returns the header's length from the file's first bytes: kSize of them, or more by which another kind of file is recognized.
std::uint64_t header_size(std::string_view start, std::uint64_t file_size, const std::string& origin) {
  if (start.empty()) fail(origin, "it is empty");
  if (start.size() < kSize || claims_more_than(start, file_size)) {
    if (const auto other = described_as_other_file(start); !other.empty()) throw DataError(origin + ": is no safetensors file: " + other);
  }
  if (start.size() < kSize) fail(origin, "shorter than 8 bytes");
  const auto size = read_size(start.data());
  if (size > kMaxHeader) fail(origin, fmt::format("its header claims {} bytes, the limit is {}", size, kMaxHeader));
  if (size > file_size - kSize) fail(origin, fmt::format("its header claims {} bytes, the file has {}", size, file_size));
  return size;
}

const Dtype& dtype_of(const std::string& name, const at::Tensor& tensor) {
  for (const auto& dtype : kDtypes) {
    if (tensor.scalar_type() == dtype.type) return dtype;
  }
  throw InternalError(
      fmt::format("tensor '{}' has the dtype {}, which safetensors files here do not hold", name, c10::toString(tensor.scalar_type())));
}

}  // namespace

TensorMap read_safetensors(const std::filesystem::path& path) {
  const auto origin = path.string();
  if (const auto other = other_weights_beside(path); !other.empty()) throw DataError(origin + ": is missing, but " + other);
  RegularFile file(path);
  const auto fill = [&](void* to, std::uint64_t size) {
    if (file.read(static_cast<char*>(to), size) < size) throw DataError(origin + ": was cut short while it was read");
  };
  std::string start(std::min(file.size(), kSize), '\0');
  fill(start.data(), start.size());
  if (claims_more_than(start, file.size())) {
    start.resize(std::min(file.size(), kStart));
    fill(start.data() + kSize, start.size() - kSize);
  }
  std::string header(header_size(start, file.size(), origin), '\0');
  fill(header.data(), header.size());
  TensorMap tensors;
  for (const auto& entry : parse_entries(header, file.size() - kSize - header.size(), origin)) {
    auto tensor = at::empty(entry.shape, entry.dtype->type);
    if (entry.end > entry.begin) fill(tensor.mutable_data_ptr(), entry.end - entry.begin);
    tensors.emplace(entry.name, std::move(tensor));
  }
  return tensors;
}

TensorMap parse_safetensors(std::string_view bytes, const std::string& origin) {
  const auto size = header_size(bytes.substr(0, kStart), bytes.size(), origin);
  const auto data = bytes.substr(8 + size);
  TensorMap tensors;
  for (const auto& entry : parse_entries(bytes.substr(8, size), data.size(), origin)) {
    auto tensor = at::empty(entry.shape, entry.dtype->type);
    if (entry.end > entry.begin) std::memcpy(tensor.mutable_data_ptr(), data.data() + entry.begin, entry.end - entry.begin);
    tensors.emplace(entry.name, std::move(tensor));
  }
  return tensors;
}

std::map<std::string, std::string> safetensors_metadata(std::string_view bytes, const std::string& origin) {
  const auto size = header_size(bytes.substr(0, kStart), bytes.size(), origin);
  const auto header = parse_header(bytes.substr(kSize, size), origin);
  std::map<std::string, std::string> metadata;
  if (!header.contains("__metadata__")) return metadata;
  for (const auto& [name, text] : header["__metadata__"].items()) {
    if (!text.is_string()) fail(origin, fmt::format("'{}' of the metadata is no text", name));
    metadata.emplace(name, text.get<std::string>());
  }
  return metadata;
}

TensorMap map_safetensors(const std::shared_ptr<const MappedFile>& file) {
  const auto origin = file->path().string();
  const auto bytes = file->bytes();
  const auto size = header_size(bytes.substr(0, kStart), bytes.size(), origin);
  auto* const data = file->data() + kSize + size;
  TensorMap tensors;
  for (const auto& entry : parse_entries(bytes.substr(kSize, size), bytes.size() - kSize - size, origin)) {
    auto* const begin = data + entry.begin;
    if (reinterpret_cast<std::uintptr_t>(begin) % entry.dtype->size == 0 && entry.end > entry.begin) {
      tensors.emplace(entry.name, at::from_blob(begin, entry.shape, [file](void*) {}, at::TensorOptions(entry.dtype->type)));
      continue;
    }
    auto tensor = at::empty(entry.shape, entry.dtype->type);
    if (entry.end > entry.begin) std::memcpy(tensor.mutable_data_ptr(), begin, entry.end - entry.begin);
    tensors.emplace(entry.name, std::move(tensor));
  }
  return tensors;
}

std::string format_safetensors(const TensorMap& tensors, const std::map<std::string, std::string>& metadata) {
  struct Part {
    const Dtype* dtype;
    const std::string* name;
    at::Tensor tensor;
  };
  std::vector<Part> parts;
  for (const auto& [name, tensor] : tensors) parts.push_back({&dtype_of(name, tensor), &name, tensor.detach().cpu().contiguous()});
  std::ranges::stable_sort(parts, {}, &Part::dtype);  // the map has sorted the names

  std::string header = "{";
  if (!metadata.empty()) header += "\"__metadata__\":" + json(metadata).dump();
  std::uint64_t position = 0;
  for (const auto& [dtype, name, tensor] : parts) {
    const auto end = position + tensor.nbytes();
    header += fmt::format("{}{}:{{\"dtype\":\"{}\",\"shape\":[{}],\"data_offsets\":[{},{}]}}", header.size() > 1 ? "," : "",
                          json(*name).dump(), dtype->name, fmt::join(tensor.sizes(), ","), position, end);
    position = end;
  }
  header += "}";
  header.resize((header.size() + 7) / 8 * 8, ' ');

  std::string bytes;
  bytes.reserve(8 + header.size() + position);
  for (std::size_t i = 0; i < 8; ++i) bytes += static_cast<char>(header.size() >> (8 * i) & 0xff);
  bytes += header;
  for (const auto& part : parts) bytes.append(static_cast<const char*>(part.tensor.const_data_ptr()), part.tensor.nbytes());
  return bytes;
}

}  // namespace espalier::modelfile
