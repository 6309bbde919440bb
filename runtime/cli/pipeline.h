#pragma once

#include <memory>

#include "runtime/cache/digest_memo.h"
#include "runtime/cache/store.h"
#include "runtime/cli/command.h"
#include "runtime/config/resolve.h"
#include "runtime/exec/run.h"
#include "runtime/plugin/catalog.h"

namespace espalier::cli {

// A pipeline read and checked, with the catalog its plugins came from. At the end the digests of its data are written to its cache,
// if there is one by then.
struct Pipeline {
  std::unique_ptr<cache::DigestMemo> digests;  // outlives the domain
  plugin::Catalog catalog;
  config::PipelineSpec spec;
  ~Pipeline();
};
Pipeline load_pipeline(const CommonOptions& options);  // also sets how many threads LibTorch uses

// For plans, which make no cache otherwise: makes the pipeline's where so much was read for digests (a full-size model, a large data set)
// that the next plan should not read it again.
void keep_digests(const Pipeline& pipeline);

// --threads, and --workers as it was given ("": not).
exec::RunOptions run_options(const CommonOptions& options, const std::string& workers);

// The pipeline's cache. For commands that only look: a cache that is not there yet is an empty one.
std::unique_ptr<cache::Store> open_store(const config::PipelineSpec& spec);
std::unique_ptr<cache::Index> open_index(const config::PipelineSpec& spec);

// Why a metric's findings ended the run, and which stages were not run; lines for a person.
std::string stopped_text(const exec::StopRecord& stopped);

std::int64_t parse_count(const std::string& text, const std::string& option);  // a positive integer, or ConfigError naming the option

}  // namespace espalier::cli
