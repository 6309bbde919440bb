#pragma once

#include <string>

#include "runtime/exec/record.h"
#include "runtime/report/colours.h"

namespace espalier::report {

// The parts of the page, as HTML; each is "" when the record has nothing to show in it.
std::string header_section(const exec::Record& record);                             // name, seed, time, totals
std::string warnings_section(const exec::Record& record);                           // of metric stages; why the run ended early
std::string scalars_section(const exec::Record& record, const Colours& colours);    // numbers with their intervals
std::string tables_section(const exec::Record& record);                             // tables of metric stages
std::string charts_section(const exec::Record& record);                             // curves of metric stages
std::string images_section(const exec::Record& record, const Colours& colours);     // images of metric stages
std::string gallery_section(const exec::Record& record, const Colours& colours);    // the same noise through several models
std::string selection_section(const exec::Record& record, const Colours& colours);  // acceptance laws; accepted and rejected samples
std::string rewards_section(const exec::Record& record, const Colours& colours);    // histograms
std::string training_section(const exec::Record& record, const Colours& colours);   // curves
std::string stages_section(const exec::Record& record, const Colours& colours);     // time line and table
std::string provenance_section(const exec::Record& record);                         // versions, pipeline

// An image with its caption below: what gallery and selection sections are made of.
std::string image_cell(const Image& image, const std::string& alt, const std::string& caption, int colour);

// "<section id=...><h2>title</h2>body</section>", or "" when body is "".
std::string section(const std::string& id, const std::string& title, const std::string& note, const std::string& body);

// The id of a stage's row in the table of stages.
std::string stage_id(const std::string& stage);

// A stage's name with its mark.
std::string stage_name(const std::string& stage, const Colours& colours);

}  // namespace espalier::report
