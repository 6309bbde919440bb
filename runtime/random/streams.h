#pragma once

#include <cstdint>

#include "runtime/random/draws.h"

// Every stream of random numbers of the engine and of the plugins in this tree, by name. A new one gets a function here, with a
// (purpose, round, branch) that no other has, and a line in the list of tests/runtime/random/streams_test.cpp, which compares all of them.
// "Draws": a Draws is made of it. "Order": shuffled_index() is called with it; draws and orders of one key share nothing (draws.h).
namespace espalier::random::streams {

// Draws: the noise that samples start from and that a stochastic solver adds.
constexpr StreamKey sampling_noise(std::uint64_t seed) { return {seed, Purpose::sampling, 0, 0}; }
// Draws: what is added to trajectories that begin at another stage's recorded states (its `branch`, from 1; `held_out`: of its noise).
constexpr StreamKey continued_noise(std::uint64_t seed, std::uint32_t branch, bool held_out) {
  return {seed, Purpose::sampling, held_out ? 2U : 1U, branch};
}
// Draws: the same for `noise = "held_out"`, which no sample that is trained on has used.
constexpr StreamKey held_out_noise(std::uint64_t seed) { return {seed, Purpose::evaluation, 1, 0}; }
// Draws: what perturbs the examples of an inversion, and the noises that it is tried on.
constexpr StreamKey inversion(std::uint64_t seed) { return {seed, Purpose::sampling, 0, 1}; }

// Draws: noise, timesteps and condition dropout of training.
constexpr StreamKey training_noise(std::uint64_t seed) { return {seed, Purpose::training, 0, 0}; }
// Order: of a training's rows. Trainings of different parts of the data have other orders.
constexpr StreamKey training_order(std::uint64_t seed, std::uint32_t part = 0) { return {seed, Purpose::training, 1, part}; }
// Order and draws: the pages that a layout network is trained on, and how they are perturbed.
constexpr StreamKey training_pages(std::uint64_t seed) { return {seed, Purpose::training, 2, 0}; }
// Draws: a network's first weights below the prefix with this checksum.
constexpr StreamKey initial_weights(std::uint64_t seed, std::uint32_t prefix) { return {seed, Purpose::initialization, 0, prefix}; }
// Draws: how the adapter of the module with this checksum of its name begins.
constexpr StreamKey initial_adapter(std::uint64_t seed, std::uint32_t module) { return {seed, Purpose::initialization, 1, module}; }

// Draws: the examples that a domain makes itself (or what it draws for each), split 0 for "train" and 1 for "held_out". A pipeline has one
// domain.
constexpr StreamKey examples(std::uint64_t seed, std::uint32_t split) { return {seed, Purpose::data, split, 0}; }
// Draws: the latents of each example, where a model's sample_mode is "sample".
constexpr StreamKey posterior(std::uint64_t seed) { return {seed, Purpose::data, 0, 1}; }
// Order: of the sizes of sets over conditions.
constexpr StreamKey condition_order(std::uint64_t seed) { return {seed, Purpose::data, 0, 0}; }
// Order: which boxes of a page are given to be completed.
constexpr StreamKey given_boxes(std::uint64_t seed) { return {seed, Purpose::data, 1, 0}; }

// Draws: how the filter at this place of a chain breaks ties.
constexpr StreamKey ties(std::uint64_t seed, std::uint32_t place) { return {seed, Purpose::filter, 0, place}; }
// Draws: which conditions are drawn again for the interval of a filter's law; `ties` is its stream of ties.
constexpr StreamKey law_bootstrap(StreamKey ties) { return {ties.seed, ties.purpose, 1, ties.branch}; }
// Draws: the view that is drawn again in this round to estimate the law of a chain of `links` filters, at least 2.
constexpr StreamKey redraw(std::uint64_t seed, std::uint32_t round, std::uint32_t links) {
  return {seed, Purpose::evaluation, round, links};
}
// Draws: how the filter at this link breaks ties in that view.
constexpr StreamKey redraw_ties(std::uint64_t seed, std::uint32_t round, std::uint32_t link) {
  return {seed, Purpose::evaluation, round, (1U << 16) + link};  // above any chain's number of links
}

// Draws and order: what a metric is given: MetricInput::key. Two metrics of one pipeline share it, so that they compare alike.
constexpr StreamKey metric(std::uint64_t seed) { return {seed, Purpose::evaluation, 0, 0}; }

// Of a metric's key, what needs a stream of its own.
constexpr StreamKey of_metric(StreamKey metric, std::uint32_t round) { return {metric.seed, metric.purpose, round, metric.branch}; }
constexpr StreamKey page_bootstrap(StreamKey metric) { return of_metric(metric, 1); }             // draws
constexpr StreamKey classifier_hidden_weights(StreamKey metric) { return of_metric(metric, 2); }  // draws
constexpr StreamKey classifier_out_weights(StreamKey metric) { return of_metric(metric, 3); }     // draws
constexpr StreamKey classifier_order(StreamKey metric) { return of_metric(metric, 4); }           // order
constexpr StreamKey flow_loss(StreamKey metric) { return of_metric(metric, 5); }                  // draws
constexpr StreamKey inversion_order(StreamKey metric) { return of_metric(metric, 6); }            // order
constexpr StreamKey classifier_noise(StreamKey metric) { return of_metric(metric, 7); }           // draws
constexpr StreamKey noise_bootstrap(StreamKey metric) { return of_metric(metric, 8); }            // draws
constexpr StreamKey profile_noise(StreamKey metric) { return of_metric(metric, 9); }              // draws
constexpr StreamKey profile_prior(StreamKey metric) { return of_metric(metric, 10); }             // draws

}  // namespace espalier::random::streams
