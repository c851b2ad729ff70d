#pragma once

#include <pgtally/cache/question.hpp>

#include <span>
#include <string>
#include <vector>

namespace pgtally::server {

// Appends the members of an answer, which all protocols share. `rows` are those of the answer that belong to the
// question, `names` those of the tally's counters.
//
//     "top":[{"key":"33","counters":{"rts":2,"favs":1}},…]
//     "sum":{"rts":2,"favs":1},"size":1234
//     "rank":{"key":"33","place":17,"of":1234},"around":[{"place":16,"key":"9","counters":{…}},…],"by":"favs"
void append_answer(std::string& out, cache::question const& about, cache::answer const& answer,
                   std::span<cache::answer::row const> rows, std::vector<std::string> const& names);

}  // namespace pgtally::server
