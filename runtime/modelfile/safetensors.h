#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "runtime/modelfile/mapped_file.h"
#include "runtime/tensor/state.h"

namespace espalier::modelfile {

// Reads a safetensors file. The header is limited to 100 MB, every offset is checked for range, overlap and holes, every shape for overflow
// and against its byte count, before anything is allocated. Throws DataError naming the file and the tensor, or what lies there instead
// (weight_files.h). Tensors are on the CPU, contiguous.
TensorMap read_safetensors(const std::filesystem::path& path);
TensorMap parse_safetensors(std::string_view bytes, const std::string& origin);

// The same without reading the tensors' bytes: each tensor lies in the mapped file, which it keeps open. One that begins at an address that
// its dtype does not allow is copied.
TensorMap map_safetensors(const std::shared_ptr<const MappedFile>& file);

// The texts under "__metadata__"; none where the file has none. Throws as parse_safetensors() of these bytes, and where one is no text.
std::map<std::string, std::string> safetensors_metadata(std::string_view bytes, const std::string& origin);

// The file's bytes: names sorted by dtype alignment then name, as the safetensors package writes them ("format": "pt" in the metadata).
std::string format_safetensors(const TensorMap& tensors, const std::map<std::string, std::string>& metadata = {{"format", "pt"}});

}  // namespace espalier::modelfile
