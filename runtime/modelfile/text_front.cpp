#include "runtime/modelfile/text_front.h"

#include <ATen/ops/empty.h>

#include <algorithm>

#include "runtime/base/files.h"

namespace espalier::modelfile {
namespace {

namespace fs = std::filesystem;

constexpr const char* kUnread = "special_tokens_map.json";  // other libraries read it: kept, and in no key
constexpr const char* kFiles[] = {"vocab.json", "merges.txt", "tokenizer_config.json", kUnread};

}  // namespace

TextFront::TextFront(const fs::path& folder) : tokenizer_(folder), vocabulary_((folder / "vocab.json").string()) {
  Value::Map contents;
  for (const char* name : kFiles) {
    if (!fs::is_regular_file(folder / name)) continue;
    files_.emplace(name, read_file(folder / name));
    if (name != kUnread) contents.emplace(name, sha256(files_.at(name)));
  }
  digest_ = espalier::digest(Value(std::move(contents)));
}

TensorMap TextFront::tensors(const std::vector<std::string>& texts) const {
  auto ids = at::empty({static_cast<std::int64_t>(texts.size()), tokenizer_.max_length()}, at::kLong);
  auto* row = ids.mutable_data_ptr<std::int64_t>();
  const std::lock_guard lock(mutex_);
  for (const auto& text : texts) {
    auto& known = ids_[text];
    if (known.empty()) known = tokenizer_.encode(text).ids;
    row = std::ranges::copy(known, row).out;
  }
  return {{"input_ids", std::move(ids)}};
}

void TextFront::save(const fs::path& folder) const {
  for (const auto& [name, content] : files_) write_durable(folder / name, content);
}

}  // namespace espalier::modelfile
