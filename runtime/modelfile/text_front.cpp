#include "runtime/modelfile/text_front.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "runtime/base/errors.h"
#include "runtime/base/files.h"
#include "runtime/modelfile/tokenizer_files.h"

namespace espalier::modelfile {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSpecial = "special_tokens_map.json";  // only the tokens that it changes enter keys

}  // namespace

std::vector<std::string> tokenizers_of(const fs::path& model) {
  std::vector<std::string> names{"tokenizer", "tokenizer_2"};
  std::erase_if(names, [&model](const std::string& name) { return !fs::is_directory(model / name); });
  return names;
}

TextFront::TextFront(const fs::path& model) {
  Value::Map contents;
  for (const auto& name : tokenizers_of(model)) {
    const auto folder = model / name;
    auto files = read_tokenizer_files(folder);
    const auto& made = tokenizers_.emplace_back(Named{name, ClipTokenizer(folder), std::move(files.vocabulary)});
    const auto place = name == "tokenizer" ? "" : name + "/";  // in the digest
    for (auto& [file, content] : files.contents) {
      if (file != kSpecial) contents.emplace(place + file, sha256(content));
      files_.emplace(name + "/" + file, std::move(content));
    }
    const auto& changed = made.tokenizer.changed_special_tokens();
    if (!changed.as_map().empty()) contents.emplace(place + "special_tokens", changed);
  }
  if (tokenizers_.empty()) throw DataError(model.string() + ": no tokenizer/");
  const auto length = tokenizers_.front().tokenizer.max_length();
  for (const auto& [name, tokenizer, vocabulary] : tokenizers_) {
    if (tokenizer.max_length() == length) continue;
    throw DataError(fmt::format("{}: tokenizer/ pads texts to {}, but {}/ to {}; model_max_length must be the same in both", model.string(),
                                length, name, tokenizer.max_length()));
  }
  ids_.resize(tokenizers_.size());
  digest_ = espalier::digest(Value(std::move(contents)));
}

at::Tensor TextFront::ids(std::size_t which, const std::vector<std::string>& texts) const {
  const auto& tokenizer = tokenizers_[which].tokenizer;
  auto ids = at::empty({static_cast<std::int64_t>(texts.size()), tokenizer.max_length()}, at::kLong);
  auto* row = ids.mutable_data_ptr<std::int64_t>();
  const std::lock_guard lock(mutex_);
  for (const auto& text : texts) {
    auto& known = ids_[which][text];
    if (known.empty()) known = tokenizer.encode(text).ids;
    row = std::ranges::copy(known, row).out;
  }
  return ids;
}

TensorMap TextFront::tensors(const std::vector<std::string>& texts, network::TextRole role) const {
  TensorMap tensors{{"input_ids", ids(0, texts)}};
  if (tokenizers_.size() > 1) tensors.emplace("input_ids_2", ids(1, texts));
  tensors.emplace("text_role", at::full({static_cast<std::int64_t>(texts.size())}, static_cast<std::int64_t>(role), at::kLong));
  return tensors;
}

void TextFront::save(const fs::path& model) const {
  for (const auto& [name, tokenizer, vocabulary] : tokenizers_) make_folders(model / name);
  for (const auto& [path, content] : files_) write_durable(model / path, content);
}

}  // namespace espalier::modelfile
