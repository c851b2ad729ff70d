#pragma once

#include <pgtally/server/ask/http_client.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pgtally::server {

// What a server's JSON says, as values. Nothing if the text is not what the server answers.

struct counters_row {
    std::string key;
    std::vector<std::int64_t> counters;
};

struct counters_answer {
    std::vector<std::string> names;  // of the counters
    std::vector<counters_row> rows;
    std::string state{}, reason{};
};

// The answer to GET …/keys, and to GET …/top.
std::optional<counters_answer> keys_in(std::string const& body);
std::optional<counters_answer> top_in(std::string const& body);

// The answer to GET /v1/tallies.
struct tally_standing {
    std::string name, state;
    std::string reason{};
};
std::optional<std::vector<tally_standing>> tallies_in(std::string const& body);

// An event of a stream.
struct pushed {
    enum class kind {
        snapshot,
        change,
        state,
        expired,  // the token ended, and the stream with it
        ended,    // for good
        other,
    };

    kind what = kind::other;
    counters_answer counters{};  // of a snapshot and a change; of a state without rows
    bool partial = false;        // the snapshot holds only what changed since the client's position
    bool more = false;           // a part of a snapshot, and not the last one
    std::uint64_t revision = 0;  // of a snapshot and a change
    std::string why{};           // of `ended`
};
std::optional<pushed> pushed_in(std::string_view name, std::string const& data);

// What an answer that is a problem (RFC 9457) says, and what to do if the token `sent` is why. `otherwise` stands in its
// place if it is none.
std::string refusal_in(http_answer const& answer, token_source const& sent, std::string_view otherwise);

}  // namespace pgtally::server
