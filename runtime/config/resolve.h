#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "runtime/base/remembered_digests.h"
#include "runtime/config/spec.h"
#include "runtime/plugin/catalog.h"

namespace espalier::config {

// A parsed pipeline file (TOML 1.0) with `--set path=value` overrides applied: "seed=3", "cache.path=/data/cache", "domain.model=...",
// "<tag>.<option>=value". Values are TOML (a bare word is a string). A file has at most 1 MiB and 32 levels of nesting. resolve() reports
// overrides that name nothing.
class Document {
 public:
  static Document parse_file(const std::filesystem::path& path, const std::vector<std::string>& overrides);
  static Document parse(std::string text, std::string origin, const std::vector<std::string>& overrides);
  Document(Document&&) noexcept;
  Document& operator=(Document&&) noexcept;
  ~Document();

  struct Impl;
  const Impl& impl() const { return *impl_; }

 private:
  explicit Document(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Returns the store that remembers the digests of the domain's data, for the path of the pipeline's cache; null: they are not remembered.
// The store must outlive the domain.
using DigestsOf = std::function<RememberedDigests*(const std::filesystem::path& cache)>;

// Checks everything and opens the domain. Throws ConfigError with all problems, one line each: file:line:col, what was found, what is
// allowed and the nearest name. With open_domain = false (for commands that need only the cache) the domain stays closed.
PipelineSpec resolve(const Document& document, const plugin::Catalog& catalog, bool open_domain = true, const DigestsOf& digests_of = {});

// Returns the options that a plugin has in a pipeline: those of every stage of its kind, then its own. `plugins info` and docs/reference
// show them.
std::vector<OptionInfo> describe_options(const PluginEntry& entry);

// Returns only [cache].path after overrides, for commands that need no pipeline.
std::filesystem::path cache_path(const std::vector<std::string>& overrides);

}  // namespace espalier::config
