#include "runtime/modelfile/weight_files.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <vector>

#include "runtime/modelfile/component_weights.h"

namespace espalier::modelfile {
namespace {

namespace fs = std::filesystem;

bool ends_with_any(const std::string& name, std::initializer_list<const char*> endings) {
  return std::ranges::any_of(endings, [&name](const char* ending) { return name.ends_with(ending); });
}

bool is_shard(const std::string& name) {
  return name.ends_with(".safetensors.index.json") || name.ends_with(".bin.index.json") || name.find("-of-0") != std::string::npos;
}
bool is_safetensors_shard(const std::string& name) { return name.ends_with(".safetensors") && name.find("-of-0") != std::string::npos; }
bool is_model_of_another_name(const std::string& name) { return name.ends_with(".safetensors") && name.find("model") != std::string::npos; }
bool is_pickle(const std::string& name) { return ends_with_any(name, {".bin", ".pt", ".pth", ".ckpt", ".pkl"}); }
bool is_of_other_library(const std::string& name) { return ends_with_any(name, {".msgpack", ".h5", ".onnx", ".gguf", ".tflite", ".npz"}); }

// Returns whether the path is "owner/name" and there is no folder "owner".
bool is_hub_id(const fs::path& path) {
  const auto owner = path.parent_path();
  return path.is_relative() && !path.filename().empty() && !owner.empty() && owner.parent_path().empty() && owner != "." && owner != ".." &&
         !fs::exists(owner);
}

// Returns the names of the files beside `wanted`; none if the folder cannot be read.
std::vector<std::string> names_beside(const fs::path& wanted) {
  std::vector<std::string> names;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(wanted.parent_path().empty() ? "." : wanted.parent_path(), ignored)) {
    if (!entry.is_directory(ignored)) names.push_back(entry.path().filename().string());
  }
  std::ranges::sort(names);
  return names;
}

const std::string* first(const std::vector<std::string>& names, bool (*belongs)(const std::string&)) {
  const auto found = std::ranges::find_if(names, belongs);
  return found == names.end() ? nullptr : &*found;
}

}  // namespace

std::string described_as_other_file(std::string_view start) {
  std::string text(start);
  text.erase(0, text.find_first_not_of(" \t\r\n\xef\xbb\xbf"));
  std::ranges::transform(text, text.begin(), [](unsigned char letter) { return static_cast<char>(std::tolower(letter)); });
  if (start.starts_with("version https://git-lfs")) {
    return "it is a Git LFS pointer, which stands for the weights: run `git lfs pull` in its repository";
  }
  if (text.starts_with("<!doctype") || text.starts_with("<html") || text.starts_with("<?xml")) {
    return "it is a web page: download the file itself (on Hugging Face 'resolve' in the address, not 'blob')";
  }
  if (start.starts_with("PK\x03\x04") || (start.size() > 1 && start[0] == '\x80' && start[1] >= 2 && start[1] <= 5)) {
    return "it is a pickle, as torch.save writes, which can run code when it is opened: convert it with safetensors.torch.save_file";
  }
  if (start.starts_with("\x89HDF")) return "it is an HDF5 file, as Keras writes: convert it to safetensors";
  if (start.starts_with("GGUF")) return "it is a GGUF file: take the safetensors file of the same model";
  if (start.starts_with("\x1f\x8b")) return "it is gzip'ed: unpack it";
  if (text.starts_with("{")) return "it is JSON text, such as an index of shards or an answer of a server: take the file of weights itself";
  return "";
}

std::string other_weights_beside(const fs::path& wanted) {
  if (fs::is_regular_file(wanted)) return "";
  if (fs::is_symlink(wanted)) return fmt::format("it is a link to '{}', which is no file: fetch that", fs::read_symlink(wanted).string());
  const auto names = names_beside(wanted);
  const auto plain = wanted.filename().string();
  if (const auto* shard = first(names, is_shard)) {
    return fmt::format(
        "'{}' lies there: the weights are in shards, and only one file is read: join them, in Python by "
        "from_pretrained(...).save_pretrained(..., max_shard_size=\"100GB\")",
        *shard);
  }
  if (const auto* other = first(names, is_model_of_another_name)) {
    return fmt::format(
        "'{}' lies there, and only the plain name is read: rename it to '{}' if it holds these weights (halves are read too)", *other,
        plain);
  }
  if (const auto* pickle = first(names, is_pickle)) {
    return fmt::format(
        "'{}' lies there: a pickle can run code when it is opened and is not read: convert it to '{}' with "
        "safetensors.torch.save_file",
        *pickle, plain);
  }
  if (const auto* foreign = first(names, is_of_other_library)) {
    return fmt::format("'{}' lies there, weights for another library: take '{}' of the same model", *foreign, plain);
  }
  return "";
}

std::string described_missing_folder(const fs::path& folder) {
  const auto name = folder.string();
  if (fs::is_regular_file(folder)) {
    if (!ends_with_any(name, {".ckpt", ".safetensors", ".pt", ".pth"}))
      return name + ": is a file; a model is a folder in diffusers' layout";
    return fmt::format(
        "{}: is a checkpoint in a single file; a model is a folder in diffusers' layout, which diffusers makes of it: python -c \"from "
        "diffusers import StableDiffusionPipeline as P; P.from_single_file('{}').save_pretrained('{}')\" (of SDXL "
        "StableDiffusionXLPipeline; offline from_single_file also takes config='<the folder of a model of that kind>')",
        name, name, fs::path(folder).replace_extension().string());
  }
  if (!is_hub_id(folder)) return name + ": no such model folder";
  return fmt::format(
      "{}: no such model folder; a model of the hub is fetched before: hf download {} --include \"*.json\" \"*.txt\" \"*/*.safetensors\" "
      "--local-dir models/{}, and then its folder is named, models/{}",
      name, name, folder.filename().string(), folder.filename().string());
}

std::string described_missing_weights(const fs::path& model, const fs::path& component, const std::string& stem) {
  const auto plain = component / (stem + ".safetensors");
  if (const auto variants = variants_of(component, stem); !variants.empty() && !fs::is_symlink(plain)) {
    return fmt::format("there {} of the variant{} {}: set variant = \"{}\" in the model's entry of [models]",
                       variants.size() == 1 ? "is a file" : "are files", variants.size() == 1 ? "" : "s", fmt::join(variants, ", "),
                       variants.front());
  }
  const auto names = names_beside(plain);
  if (const auto* shard = first(names, is_safetensors_shard)) {
    return fmt::format("the shard '{}' lies there without the index '{}.safetensors.index.json': fetch that too", *shard, stem);
  }
  const auto* pickle = first(names, is_pickle);
  if (pickle == nullptr || fs::is_symlink(plain) || !fs::is_regular_file(model / "model_index.json")) return other_weights_beside(plain);
  return fmt::format(
      "'{}' lies there: a pickle can run code when it is opened and is not read; diffusers makes safetensors files of it: python -c \"from "
      "diffusers import DiffusionPipeline as P; P.from_pretrained('{}').save_pretrained('{}-safetensors')\"",
      *pickle, model.string(), model.string());
}

}  // namespace espalier::modelfile
