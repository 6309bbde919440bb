#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "runtime/modelfile/mapped_file.h"
#include "runtime/tensor/state.h"

namespace espalier::modelfile {

// Reads a safetensors file. Before anything is allocated, the header is checked to have at most 100 MB, the offsets to be in range without
// overlap or holes, and the shapes not to overflow and to fit their byte counts. Throws DataError naming the file and the tensor, or
// describing another kind of file in its place (weight_files.h). Tensors are contiguous on the CPU.
TensorMap read_safetensors(const std::filesystem::path& path);
TensorMap parse_safetensors(std::string_view bytes, const std::string& origin);

// The same without reading the tensors' bytes: each tensor refers to the mapped file and keeps it open. A tensor whose address is not
// aligned for its dtype is copied.
TensorMap map_safetensors(const std::shared_ptr<const MappedFile>& file);

// Returns the texts under "__metadata__"; empty if the file has none. Throws what parse_safetensors() of these bytes throws, and DataError
// if a value is not a string.
std::map<std::string, std::string> safetensors_metadata(std::string_view bytes, const std::string& origin);

// Returns the file's bytes, with tensors sorted by dtype alignment and then name, as the safetensors package writes them ("format": "pt" in
// the metadata).
std::string format_safetensors(const TensorMap& tensors, const std::map<std::string, std::string>& metadata = {{"format", "pt"}});

}  // namespace espalier::modelfile
