#include "runtime/cli/pipeline.h"

#include <ATen/Parallel.h>

#include <charconv>

#include "runtime/base/errors.h"
#include "runtime/base/stop_notice.h"
#include "runtime/cache/paths.h"
#include "runtime/exec/cores.h"
#include "runtime/exec/device.h"

namespace espalier::cli {
namespace {

constexpr std::int64_t kMostCount = 1'000'000;                     // of threads and shards
constexpr std::uint64_t kWorthKeeping = std::uint64_t{256} << 20;  // bytes, a second or more to read and hash

class EmptyIndex final : public cache::Index {
 public:
  std::map<std::uint64_t, cache::BlockStatus> blocks(const Hex&) const override { return {}; }
  std::map<std::uint64_t, cache::CommitInfo> score_blocks(const Hex&, const Hex&) const override { return {}; }
  std::vector<cache::Probe> probes(const Hex&, const Hex&) const override { return {}; }
  std::optional<cache::ResultInfo> result(const std::string&, const Hex&) const override { return std::nullopt; }
  std::vector<Value> requests(const std::string&) const override { return {}; }
};

std::unique_ptr<cache::Store> open_cache(const std::filesystem::path& path, bool read_only) {
  try {
    return cache::Store::open(path, read_only);
  } catch (const CacheError& error) {
    throw CacheError("cache.path = \"" + path.string() + "\": " + error.what());
  }
}

}  // namespace

Pipeline load_pipeline(const CommonOptions& options) {
  const auto threads = run_options(options, "").threads;
  at::set_num_threads(static_cast<int>(threads > 0 ? threads : exec::usable_cores()));  // opening a domain may compute
  stop_waits_for("the pipeline and its domain to be opened");
  const auto document = config::Document::parse_file(options.pipeline, options.overrides);
  auto catalog = plugin::load_catalog(options.plugin_folders());
  std::unique_ptr<cache::DigestMemo> digests;
  auto spec = config::resolve(document, catalog, /*open_domain=*/true, [&digests](const std::filesystem::path& cache) {
    digests = std::make_unique<cache::DigestMemo>(cache::Paths(cache).digests());
    return digests.get();
  });
  spec.numerics_class = exec::numerics_class(spec.device);
  return {std::move(digests), std::move(catalog), std::move(spec)};
}

Pipeline::~Pipeline() {
  std::error_code error;
  if (digests && std::filesystem::exists(cache::Paths(spec.cache_path).format(), error)) digests->save();
}

void keep_digests(const Pipeline& pipeline) {
  if (pipeline.digests && pipeline.digests->learned_bytes() >= kWorthKeeping) open_store(pipeline.spec);
}

exec::RunOptions run_options(const CommonOptions& options, const std::string& workers) {
  exec::RunOptions run;
  if (!options.threads.empty()) run.threads = parse_count(options.threads, "threads");
  if (!workers.empty()) run.workers = parse_count(workers, "workers");
  return run;
}

std::unique_ptr<cache::Store> open_store(const config::PipelineSpec& spec) { return open_cache(spec.cache_path, /*read_only=*/false); }

std::unique_ptr<cache::Index> open_index(const config::PipelineSpec& spec) {
  if (!std::filesystem::exists(spec.cache_path)) return std::make_unique<EmptyIndex>();
  return open_cache(spec.cache_path, /*read_only=*/true);
}

std::string stopped_text(const exec::StopRecord& stopped) {
  std::string text = "stopped by '" + stopped.stage + "': " + stopped.reason + "\nnot run:";
  for (const auto& tag : stopped.not_run) text += " '" + tag + "'";
  return text + (stopped.not_run.empty() ? " no stage\n" : "\n");
}

std::int64_t parse_count(const std::string& text, const std::string& option) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < 1 || number > kMostCount) {
    throw ConfigError("--" + option + ": found '" + text + "', a whole number from 1 to " + std::to_string(kMostCount) + " is wanted");
  }
  return number;
}

}  // namespace espalier::cli
